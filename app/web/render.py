"""Templates to responses: what every page gets, redirects with a message, and what htmx asks for."""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from fastapi import Request
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from starlette.responses import HTMLResponse, RedirectResponse

from app.extensions import template_folders
from app.resources import STATIC, TEMPLATES
from app.settings import get_settings
from app.web import csrf, filters, seen, sent_once
from app.web.icons import icon
from app.web.signing import is_signed, sign
from app.web.viewer import frame_of, viewer_of

FLASH_COOKIE = "hone_flash"
_HIDDEN = '<input type="hidden" name="{}" value="%s">'
_FIELDS = Markup(_HIDDEN.format(csrf.FIELD) + _HIDDEN.format(sent_once.FIELD))  # noqa: S704  names of ours


@lru_cache
def environment() -> Environment:
    """Jinja2 with escaping on, undefined names an error, and the filters of `app.web.filters`."""
    env = Environment(
        loader=FileSystemLoader([TEMPLATES, *template_folders()]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,  # it would look at the files' times for every page
    )
    env.filters.update(filters.FILTERS)
    env.globals["static"] = static
    env.globals["icon"] = icon
    env.globals["seen"] = seen.field
    return env


@lru_cache(maxsize=256)
def static(path: str) -> str:
    """Address of a file under static/, with its time of change so that browsers fetch a new one at once."""
    file = STATIC / path
    return f"/static/{path}?v={int(file.stat().st_mtime)}" if file.is_file() else f"/static/{path}"


def is_htmx(request: Request) -> bool:
    """Whether htmx asks for a part of a page (not for the whole page behind a boosted link or the back button)."""
    headers = request.headers
    return headers.get("hx-request") == "true" and not (
        headers.get("hx-boosted") == "true" or headers.get("hx-history-restore-request") == "true"
    )


def render(request: Request, template: str, *, status: int = 200, **context: Any) -> HTMLResponse:
    """Fill `template`. Adds `request`, `viewer`, `frame` (project), `csrf_token`, `csrf_field()`, `flash`, `now`."""
    flash, token = _read_flash(request), csrf.token_for(request)
    fields = _FIELDS % (token, sent_once.new_key())
    html = (
        environment()
        .get_template(template)
        .render(
            {
                "request": request,
                "viewer": viewer_of(request),
                "frame": frame_of(request),
                "csrf_token": token,
                "csrf_field": lambda: fields,
                "flash": flash,
                "now": datetime.now(UTC),
                **context,
            }
        )
    )
    response = HTMLResponse(html, status)
    response.headers["Vary"] = "HX-Request"
    csrf.keep_visitor(request, response)
    if flash is not None and not is_htmx(request):
        response.delete_cookie(FLASH_COOKIE)
    return response


def redirect(url: str, flash: str | None = None, *, kind: str = "ok", place: str | None = None) -> RedirectResponse:
    """303 to a page of ours; `flash` is shown there once, at its top or beside the button of the form named `place`.
    `kind` is ok, warn or bad."""
    response = RedirectResponse(url, 303)
    if flash is not None:
        body = urlsafe_b64encode(json.dumps([kind, flash[:500], place]).encode()).decode()
        response.set_cookie(
            FLASH_COOKIE,
            f"{body}.{sign('flash', body)}",
            max_age=60,
            httponly=True,
            samesite="lax",
            secure=get_settings().secure_cookies,
        )
    return response


def _read_flash(request: Request) -> dict[str, str | None] | None:
    body, _, signature = request.cookies.get(FLASH_COOKIE, "").partition(".")
    if not body or not is_signed("flash", body, signature):
        return None
    return dict(zip(("kind", "message", "place"), json.loads(urlsafe_b64decode(body)), strict=True))


def absolute(request: Request, path: str) -> str:
    """The address of `path` to hand to somebody else: under HONE_PUBLIC_URL, else the one that this request came to,
    whose host the outermost layer has checked."""
    return (get_settings().public_url or str(request.base_url)).rstrip("/") + path


def local_path(url: str | None, default: str = "/") -> str:
    """`url` where it is a path of this site, else `default`: nobody is sent elsewhere by a link to sign-in."""
    if not url or not url.startswith("/") or url[1:2] in ("/", "\\") or any(ord(c) < 33 or ord(c) == 127 for c in url):
        return default
    return url
