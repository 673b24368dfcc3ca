"""Before every request to the inference server: is it meant for us, does it know the secret, does its body come?"""

import hmac
from collections.abc import Collection

from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from app.web.hosts import EVERYWHERE, is_ours
from app.web.patience import has_body, in_time
from workers.inference.protocol import ApiError

MAX_BODY = 4 * 2**20  # bytes: the longest conversation, escaped
OPEN = "/healthz"  # says how it is to whoever asks; what is loaded, only to those who know the secret


class Guard:
    """An ASGI layer around the whole server."""

    def __init__(self, app: ASGIApp, host: str, names: Collection[str], secret: str | None) -> None:
        """`host` is listened on, `names` are further ones that clients may call it by."""
        self.app, self.secret = app, secret
        self.names, self.any_figures = {host, *names}, host in EVERYWHERE

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse, or hand on."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        known = self.secret is None or knows(headers, self.secret)
        scope.setdefault("state", {})["known"] = known
        if not is_ours(headers.get("host", ""), self.names, any_figures=self.any_figures):
            refusal = ApiError(421, "This name is not one of this server's; HONE_INFERENCE_HOSTS lists further ones.")
        elif not known and scope["path"] != OPEN:
            refusal = ApiError(401, "Send HONE_INFERENCE_SECRET as the bearer token.", code="invalid_api_key")
        elif int(headers.get("content-length", 0)) > MAX_BODY:  # one without a length is counted as it comes
            refusal = ApiError(413, f"A request has at most {MAX_BODY:,} bytes. Leave out older turns.")
        else:
            await self.app(scope, in_time(receive) if has_body(scope) else receive, send)
            return
        await JSONResponse(refusal.body(), refusal.status)(scope, receive, send)


def knows(headers: Headers, secret: str) -> bool:
    """Whether the request carries the secret; compared in constant time."""
    given = headers.get("authorization", "").encode("latin-1")
    return hmac.compare_digest(given, f"Bearer {secret}".encode())
