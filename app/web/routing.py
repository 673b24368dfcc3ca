"""The routers of all pages and calls. Knows no page."""

import inspect
from collections.abc import Callable, Coroutine, Iterator
from functools import wraps
from typing import Any, TypeVar

from fastapi import Request, Response
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute, APIRouter
from pydantic import BaseModel
from sqlalchemy.orm import Session

from app.input import may_be_unwritable, unwritable
from app.web import shortcuts
from app.web.errors import Invalid
from app.web.idempotency import Once, Repeatable
from app.web.sent_once import FromPage, SentOnce

F = TypeVar("F", bound=Callable[..., Any])

Handler = Callable[[Request], Coroutine[Any, Any, Response]]
_KEPT_BY_NOBODY = "__hone_kept_by_nobody__"
CALLS = "/api/v1/"
"""Where the addresses of the JSON API begin."""


def tells_a_secret(endpoint: F) -> F:
    """Mark a call that is sent or answers with what nobody may keep: it takes no `Idempotency-Key`, with which its
    answer would be kept for a day."""
    setattr(endpoint, _KEPT_BY_NOBODY, True)
    return endpoint


class Router(APIRouter):
    """A router whose routes commit their session in the thread that ran them. `get_session` would, but in another
    thread, and that costs a short request more than the commit does."""

    def __init__(self, **more: Any) -> None:
        super().__init__(route_class=_Route, **more)


class _Route(APIRoute):
    def __init__(self, path: str, endpoint: Callable[..., Any], **more: Any) -> None:
        if not inspect.iscoroutinefunction(endpoint):
            # Only calls of the JSON API have tags.
            posted, call = "POST" in more["methods"], bool(more.get("tags"))
            if posted and call and not hasattr(endpoint, _KEPT_BY_NOBODY):
                endpoint = _once(endpoint, more.get("status_code") or 200)
            else:
                endpoint = _committing(_sent_once(endpoint) if posted and not call else endpoint)
        super().__init__(path, endpoint, **more)
        shortcuts.note(self, endpoint)

    def get_route_handler(self) -> Handler:
        return _reading_carefully(super().get_route_handler(), frozenset(query_names(self.dependant)))


def query_names(dependant: Dependant) -> Iterator[str]:
    """The query parameters that a route takes, with all that it depends on."""
    for parameter in dependant.query_params:
        kind = parameter.field_info.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from kind.model_fields
        else:
            yield parameter.alias
    for inner in dependant.dependencies:
        yield from query_names(inner)


def _reading_carefully(handle: Handler, known: frozenset[str]) -> Handler:
    """Refuse JSON with text that cannot be written down, and of calls query parameters that they do not take, for all
    routes at once. A filter that is misspelt would otherwise give everything."""

    async def handle_readable(request: Request) -> Response:
        if request.url.path.startswith(CALLS) and (unknown := request.query_params.keys() - known):
            takes = f"It takes: {', '.join(sorted(known))}." if known else "It takes none."
            sentence = f"This address has no such query parameter. {takes}"
            raise Invalid(sentence, errors=dict.fromkeys(sorted(unknown), sentence))
        if "json" in request.headers.get("content-type", "") and may_be_unwritable(await request.body()):
            try:
                place = unwritable(await request.json())
            except (ValueError, RecursionError):
                place = None  # no JSON: the framework says so
            if place is not None:
                raise Invalid("This contains a character that cannot be stored.", place)
        return await handle(request)

    return handle_readable


def _committing(endpoint: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(endpoint)
    def run(**values: Any) -> Any:
        response = endpoint(**values)
        _commit(values)
        return response

    return run


def _sent_once(endpoint: Callable[..., Any]) -> Callable[..., Any]:
    """The same for a form, which a page may send twice."""

    @wraps(endpoint)
    def run(*, form_of_page: SentOnce | None, **values: Any) -> Any:
        session = next((value for value in values.values() if isinstance(value, Session)), None)
        if form_of_page is None or session is None:
            return endpoint(**values)
        response = form_of_page.before(session)
        if response is None:
            response = endpoint(**values)
            form_of_page.after(session, response)
        return response

    run.__signature__ = _with(endpoint, "form_of_page", FromPage)  # type: ignore[attr-defined]
    return run


def _with(endpoint: Callable[..., Any], name: str, annotation: Any) -> inspect.Signature:
    """The signature of a route that takes one thing more."""
    signature = inspect.signature(endpoint)
    more = inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=annotation)
    return signature.replace(parameters=[*signature.parameters.values(), more])


def _once(endpoint: Callable[..., Any], status: int) -> Callable[..., Any]:
    """The same for a call that a program may send twice with one `Idempotency-Key`."""

    @wraps(endpoint)
    def run(*, idempotency: Once | None, **values: Any) -> Any:
        if idempotency is None:
            response = endpoint(**values)
        else:
            session = next(value for value in values.values() if isinstance(value, Session))
            response = idempotency.begin(session)
            if response is None:
                made = endpoint(**values)
                chosen = [value.status_code for value in values.values() if isinstance(value, Response)]
                response = idempotency.keep(session, next(filter(None, chosen), status), made)
        _commit(values)
        return response

    run.__signature__ = _with(endpoint, "idempotency", Repeatable)  # type: ignore[attr-defined]
    return run


def _commit(values: dict[str, Any]) -> None:
    for value in values.values():
        if isinstance(value, Session):
            value.commit()
