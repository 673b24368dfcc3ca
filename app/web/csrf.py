"""Refuse requests that another site made the browser send. A bearer token proves itself, a cookie does not.

Two checks: the browser's own word on where the request comes from (`Sec-Fetch-Site`, else `Origin`), and a token bound
to the session's cookie, or to a visitor's cookie before sign-in.
"""

import secrets
from urllib.parse import urlsplit

from fastapi import Request
from starlette.responses import Response

from app.settings import get_settings
from app.web.errors import NotAllowed, SignInNeeded
from app.web.routing import CALLS
from app.web.signing import is_signed, sign

FIELD = "csrf_token"
HEADER = "X-CSRF-Token"
SESSION_COOKIE = "hone_session"
VISITOR_COOKIE = "hone_visitor"
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
FRESH_HEADER = "X-CSRF-Fresh"
_STALE = "This page was out of date, so nothing was carried out. Send it once more, or load the page again."


class StalePage(NotAllowed):
    """The form's token is not this session's, mostly because the person signed in again since. The response carries a
    fresh token in `X-CSRF-Fresh`, which only a page of ours can read, so that sending once more works."""


def has_bearer(request: Request) -> bool:
    """Whether the request proves itself with a bearer token; cookies are then not looked at."""
    return request.headers.get("authorization", "").lower().startswith("bearer ")


def _seed(request: Request) -> str | None:
    for cookie in (SESSION_COOKIE, VISITOR_COOKIE):
        if value := request.cookies.get(cookie):
            return f"{cookie}={value}"
    visitor = getattr(request.state, "visitor", None)
    return f"{VISITOR_COOKIE}={visitor}" if visitor else None


def token_for(request: Request) -> str:
    """The token for the forms of this page. `keep_visitor` has to see the response where there is no session yet."""
    if _seed(request) is None:
        request.state.visitor = secrets.token_urlsafe(18)
    return sign("csrf", _seed(request) or "")


def token_of(session_token: str) -> str:
    """The same for whoever holds a session's token, and reads no page."""
    return sign("csrf", f"{SESSION_COOKIE}={session_token}")


def keep_visitor(request: Request, response: Response) -> None:
    """Give a visitor without a session the cookie that the page's token is bound to."""
    if visitor := getattr(request.state, "visitor", None):
        response.set_cookie(
            VISITOR_COOKIE, visitor, httponly=True, samesite="lax", secure=get_settings().secure_cookies
        )


def comes_from_elsewhere(request: Request) -> bool:
    """Whether the browser says that another site caused this request."""
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site not in ("same-origin", "none")
    origin = request.headers.get("origin")
    return origin is not None and urlsplit(origin).netloc != request.headers.get("host")


async def protect(request: Request) -> None:
    """Dependency of the whole application: unsafe requests on the strength of a cookie carry the token."""
    if request.method in _SAFE or has_bearer(request):
        return
    if comes_from_elsewhere(request):
        raise NotAllowed("This request came from another site, so it was not carried out.")
    if request.url.path.startswith(CALLS) and SESSION_COOKIE not in request.cookies:
        raise SignInNeeded("Send an API token: Authorization: Bearer … Your account page makes one.")
    given = request.headers.get(HEADER)
    if given is None and "form" in request.headers.get("content-type", ""):
        request.state.submitted = await request.form()
        field = request.state.submitted.get(FIELD)
        given = field if isinstance(field, str) else None
    seed = _seed(request)
    if not given or seed is None or not is_signed("csrf", seed, given):
        raise StalePage(_STALE)
