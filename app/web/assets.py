"""Files under static/: an address that names a version may be kept for good, any other is asked for again; fonts after
a week."""

from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope


class Assets(StaticFiles):
    """Static files whose `?v=…` addresses, made by `app.web.render.static`, never change their content."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        """The file, or not-modified, with how long it may be kept."""
        response = await super().get_response(path, scope)
        found = response.status_code in (200, 304)
        if found and b"v=" in scope.get("query_string", b""):
            kept = "public, max-age=31536000, immutable"
        elif found and path.endswith(
            ".woff2"
        ):  # named by a sheet that knows no version; asked again, text would flicker
            kept = "public, max-age=604800"
        else:
            kept = "no-cache"
        response.headers["Cache-Control"] = kept
        return response
