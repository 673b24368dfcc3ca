"""Around every request: its id and log line, the hosts we answer for, security headers, the last net for errors."""

import logging
import re
import secrets
import time
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app import logs
from app.settings import Settings, get_settings
from app.web import metering
from app.web.errors import NotUnderstood, TooLarge
from app.web.hosts import EVERYWHERE, is_ours
from app.web.patience import has_body, in_time
from app.web.problems import broken, refused

log = logging.getLogger("app.access")

POLICY = (
    "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' data:; object-src 'none'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
_HEADERS = {  # where a response does not say otherwise
    "Cache-Control": "no-store",  # all is somebody's own but static files, which say how long they may be kept
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",  # an invitation's address, which is a secret, goes to nobody else
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}
_RAW_HEADERS = [(name.lower().encode(), value.encode()) for name, value in _HEADERS.items()]
# Asked by whatever address a balancer or Prometheus knows us by; they see to who is told what.
PROBES = ("/livez", "/readyz", "/healthz", "/metrics")
_TOO_LARGE = "More was sent than is taken at once. Split it into smaller parts."
_NOT_UTF8 = "Send text as UTF-8; other encodings are not read here."
_CHARSET = re.compile(r"charset\s*=\s*\"?\s*(?!utf-?8\b|us-ascii\b)", re.IGNORECASE)
_SECRET_PATHS = re.compile(r"^/(sign-in|invitations)/[^/]+")
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")


class Frame:
    """The outermost ASGI layer."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; anything but HTTP passes through."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        settings, headers, started = get_settings(), Headers(scope=scope), time.perf_counter()
        given = headers.get("x-request-id", "")
        request_id = given if _REQUEST_ID.fullmatch(given) else secrets.token_hex(8)
        scope.setdefault("state", {})["request_id"] = request_id
        logs.enter_request(request_id)
        status, too_large = 0, False

        async def framed_send(message: Message) -> None:
            nonlocal status, too_large
            if message["type"] == "http.response.start":
                present = dict(message["headers"])
                # The body limit of the framework answers for itself, in bare text: ours follows instead.
                plain = b"text/plain" in present.get(b"content-type", b"")
                too_large = not status and message["status"] == 413 and plain
                status = 0 if too_large else message["status"]
                added = [header for header in _RAW_HEADERS if header[0] not in present]
                message["headers"] = [*message["headers"], *added, (b"x-request-id", request_id.encode())]
                if settings.secure_cookies:
                    message["headers"].append((b"strict-transport-security", b"max-age=31536000"))
            if too_large:
                return
            await send(message)

        try:
            if scope["path"] not in PROBES and not answers_for(settings, headers.get("host", "")):
                text = "This address is not one of Hone's. Set HONE_PUBLIC_URL to the address that people use.\n"
                await PlainTextResponse(text, 400)(scope, receive, framed_send)
            elif _CHARSET.search(headers.get("content-type", "")):
                await refused(Request(scope), NotUnderstood(_NOT_UTF8))(scope, receive, framed_send)
            else:
                await self.app(scope, in_time(receive) if has_body(scope) else receive, framed_send)
            if too_large:
                too_large = False
                await refused(Request(scope), TooLarge(_TOO_LARGE))(scope, receive, framed_send)
        except ClientDisconnect:  # in the middle of what was being sent: there is nobody to answer
            status = status or 499
        except Exception as error:
            if status:  # part of the response has left already: all that remains is to break it off
                log.exception("the answer broke off (%s)", request_id)
                raise
            await broken(Request(scope), error)(scope, receive, framed_send)
        finally:
            path = _SECRET_PATHS.sub(r"/\1/…", scope["path"])
            seconds = time.perf_counter() - started
            metering.note_request(scope, status, seconds)
            quiet = path.startswith("/static/") or path in PROBES
            level = logging.DEBUG if quiet and status < 400 else logging.INFO
            log.log(level, "%s %r %d %.0f ms %s", scope["method"], path, status, seconds * 1000, request_id)


def answers_for(settings: Settings, host: str) -> bool:
    """Whether `host` is an address of this installation. Without HONE_PUBLIC_URL a server that listens on every
    interface is reached by any address in figures."""
    public = urlsplit(settings.public_url).hostname if settings.public_url else None
    listens_everywhere = settings.host in EVERYWHERE and public is None
    return is_ours(host, {settings.host, public}, any_figures=listens_everywhere)
