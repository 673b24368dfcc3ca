"""Files under static/: an address that names a version may be kept for good, any other is asked for again."""

from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope


class Assets(StaticFiles):
    """Static files whose `?v=…` addresses, made by `app.web.render.static`, never change their content."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        """The file, or not-modified, with how long it may be kept."""
        response = await super().get_response(path, scope)
        forever = b"v=" in scope.get("query_string", b"") and response.status_code in (200, 304)
        response.headers["Cache-Control"] = "public, max-age=31536000, immutable" if forever else "no-cache"
        return response
