"""Every failure as a response: a readable page, a notice for htmx, or JSON (RFC 9457) for the API."""

import logging
import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlsplit

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from psycopg.errors import ExclusionViolation, ForeignKeyViolation, QueryCanceled, UniqueViolation
from sqlalchemy.exc import DataError, IntegrityError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.datastructures import FormData
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, RedirectResponse, Response

from app.db import DatabaseNotConfigured
from app.web import csrf, errors
from app.web.forms import OF_PAGES, sentence
from app.web.render import is_htmx, redirect, render
from app.web.views import Problem

log = logging.getLogger(__name__)
PROBLEM = "application/problem+json"

_SECRET = ("current", "new", "password")  # fields of forms that hold one
LONGEST_CHOICE = 80  # characters
_BRACKETS = re.compile(r"\[.*\]")

_STAY = (errors.Conflict.status, errors.Invalid.status)  # of a button: its page is shown again, with the sentence

_HTTP: dict[int, tuple[str, str]] = {
    400: ("Not understood", "The request could not be read."),
    404: (errors.NotFound.title, "This page does not exist, or you have no access to it."),
    405: ("Not possible here", "This address does not take that kind of request."),
}
_BROKEN = "Something broke on our side. It has been logged; nothing you sent was carried out in part."
_RACES = (UniqueViolation, ForeignKeyViolation, ExclusionViolation)  # what somebody else wrote at the same moment
_TOO_SLOW = "This took longer than a minute and was given up. Nothing was changed. Ask for less, or try again later."
_DATABASE_AWAY = "The database does not answer right now. Nothing was changed; please try again in a moment."


def wants_json(request: Request) -> bool:
    """Whether the caller is a program: an API path, or JSON asked for before HTML."""
    if request.url.path.startswith("/api/") and request.url.path != "/api/docs":
        return True
    accept = request.headers.get("accept", "")
    return "application/json" in accept and "text/html" not in accept


def respond(
    request: Request,
    status: int,
    title: str,
    detail: str,
    *,
    fields: dict[str, str] | None = None,
    headers: dict[str, str] | None = None,
) -> Response:
    """One failure in the form that the caller reads."""
    request_id = getattr(request.state, "request_id", None)
    response: Response
    if wants_json(request):
        problem = Problem(title=title, status=status, detail=detail, errors=fields or None, request_id=request_id)
        body = problem.model_dump(exclude=None if fields else {"errors"})
        response = JSONResponse(body, status, media_type=PROBLEM)
    else:
        again, back = _again(request, status, fields or {}), _back(request)
        if back is not None and status in _STAY and _is_button(request) and not is_htmx(request):
            return redirect(back, detail, kind="bad")
        template = "shared/_problem.html" if is_htmx(request) else "shared/problem.html"
        response = render(
            request,
            template,
            status=status,
            code=status,
            title=title,
            detail=detail,
            fields=fields or {},
            typed=_typed(request),
            again=again,
            back=back,
            request_id=request_id,
        )
        if is_htmx(request):  # beside what the person is doing, not over it
            response.headers["HX-Retarget"] = "#messages"
            response.headers["HX-Reswap"] = "innerHTML"
            response.headers["HX-Reselect"] = ".notice"  # whatever part of a page was asked for
    response.headers.update(headers or {})
    return response


@dataclass(frozen=True)
class Again:
    """A field of a refused form, which the page that refuses it can send once more. `shown`: it is to be looked at;
    else it is sent as it was. `kind`: text, file or password."""

    name: str
    title: str
    value: str
    shown: bool
    kind: str = "text"


def _again(request: Request, status: int, wrong: dict[str, str]) -> list[Again]:
    """The refused form's fields, where mending them may help; none where nothing in it was written by a person. The
    request has shown by then that it comes from a page of ours."""
    form: FormData = getattr(request.state, "submitted", FormData())
    if status not in (errors.Invalid.status, errors.Conflict.status, errors.TooLarge.status):
        return []
    fields = []
    for name, value in form.multi_items():
        if name in OF_PAGES:
            continue
        title = _BRACKETS.sub("", name).replace("_", " ").capitalize()
        if not isinstance(value, str):
            fields.append(Again(name, title, "", True, "file"))
        elif name in _SECRET:
            fields.append(Again(name, title, "", True, "password"))
        else:
            fields.append(Again(name, title, value, name in wrong or _is_prose(value)))
    return fields if any(field.shown for field in fields) else []


def _is_button(request: Request) -> bool:
    """Whether the form was a button alone, with numbers at most beside it."""
    form: FormData = getattr(request.state, "submitted", FormData())
    own = [value for name, value in form.multi_items() if name not in OF_PAGES]
    return all(isinstance(value, str) and (not value or value.isdigit()) for value in own)


def _back(request: Request) -> str | None:
    """The page that the form was on, where the browser says so; another site's is no place to go back to."""
    came = urlsplit(request.headers.get("referer", ""))
    if request.method == "GET" or came.netloc != request.headers.get("host"):
        return None
    return came.path + (f"?{came.query}" if came.query else "")


def _typed(request: Request) -> dict[str, str]:
    """What a person had written into the form that is refused, so that the page gives it back; never a password."""
    form = getattr(request.state, "submitted", {})
    own = (*OF_PAGES, *_SECRET)
    return {name: text for name, text in form.items() if name not in own and isinstance(text, str) and _is_prose(text)}


def _is_prose(text: str) -> bool:
    """Whether somebody would miss it: more than a number or a name of a choice."""
    return len(text.split()) > 1 or len(text) > LONGEST_CHOICE


def refused(request: Request, error: errors.Refused) -> Response:
    """A refusal by a service or an access dependency."""
    headers = {}
    if isinstance(error, errors.TooMany):
        headers["Retry-After"] = str(error.retry_after)
    if isinstance(error, errors.SignInNeeded):
        if request.method == "GET" and not wants_json(request) and not is_htmx(request):
            target = request.url.path + (f"?{request.url.query}" if request.url.query else "")
            return RedirectResponse(f"/sign-in?next={quote(target, safe='/')}", 303)
        headers["WWW-Authenticate"] = "Bearer"
    if isinstance(error, csrf.StalePage):
        headers[csrf.FRESH_HEADER] = csrf.token_for(request)
    return respond(request, error.status, error.title, error.message, fields=error.errors, headers=headers)


def http_error(request: Request, error: HTTPException) -> Response:
    """What the framework itself refuses, such as an unknown address."""
    title, detail = _HTTP.get(error.status_code, ("That did not work", str(error.detail)))
    return respond(request, error.status_code, title, detail, headers=dict(error.headers or {}))


def bad_input(request: Request, error: RequestValidationError) -> Response:
    """What FastAPI refuses before a route runs. An id that cannot exist is a page that does not exist."""
    findings = error.errors()
    if any(finding["loc"][:1] == ("path",) for finding in findings):
        return refused(request, errors.NotFound())
    fields = {".".join(str(part) for part in finding["loc"][1:]) or "body": sentence(finding) for finding in findings}
    return respond(request, 422, errors.Invalid.title, "Please check your input.", fields=fields)


def database_away(request: Request, error: Exception) -> Response:
    """The database cannot be reached, or has no connection to spare. Then every request says so: a line, not a trace,
    and the driver's words only, without the statement's values."""
    if isinstance(getattr(error, "orig", None), QueryCanceled):
        log.warning("a statement took too long and was given up (%s)", request.url.path)
        return respond(request, 503, errors.Unavailable.title, _TOO_SLOW)
    reason = " ".join(str(getattr(error, "orig", error)).split())
    log.error("database not available: %s", reason, exc_info=error if log.isEnabledFor(logging.DEBUG) else None)
    return respond(request, 503, errors.Unavailable.title, _DATABASE_AWAY, headers={"Retry-After": "5"})


def unstorable(request: Request, error: Exception) -> Response:
    """Text or numbers that PostgreSQL cannot hold, e.g. a NUL character."""
    log.info("refused unstorable input: %s", type(error).__name__)
    return respond(request, 422, errors.Invalid.title, "This contains a character or number that cannot be stored.")


def collided(request: Request, error: Exception) -> Response:
    """Two requests wanted the same thing at once, and the other was first; or a row that ours cannot be, which no
    second try mends."""
    if not isinstance(getattr(error, "orig", None), _RACES):
        return broken(request, error)
    log.warning("refused a colliding write: %s", error)
    return respond(request, 409, errors.Conflict.title, "This was changed at the same moment. Load the page again.")


def broken(request: Request, error: Exception) -> Response:
    """A fault of ours."""
    log.error("unhandled error", exc_info=error)
    return respond(request, 500, "Something broke", _BROKEN)


def install(app: FastAPI) -> None:
    """Register the handlers. Unforeseen errors are answered by `app.web.middleware`, headers and all."""
    handlers: dict[Any, Any] = {
        errors.Refused: refused,
        HTTPException: http_error,
        RequestValidationError: bad_input,
        DataError: unstorable,
        IntegrityError: collided,
    }
    handlers |= dict.fromkeys((OperationalError, InterfaceError, PoolTimeout, DatabaseNotConfigured), database_away)
    for kind, handler in handlers.items():
        app.add_exception_handler(kind, handler)
