"""The routers of all pages and calls. Knows no page."""

import inspect
from collections.abc import Callable
from functools import wraps
from typing import Any

from fastapi.routing import APIRoute, APIRouter
from sqlalchemy.orm import Session


class Router(APIRouter):
    """A router whose routes commit their session in the thread that ran them. `get_session` would, but in another
    thread, and that costs a short request more than the commit does."""

    def __init__(self, **more: Any) -> None:
        super().__init__(route_class=_Route, **more)


class _Route(APIRoute):
    def __init__(self, path: str, endpoint: Callable[..., Any], **more: Any) -> None:
        super().__init__(path, endpoint if inspect.iscoroutinefunction(endpoint) else _committing(endpoint), **more)


def _committing(endpoint: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(endpoint)
    def run(**values: Any) -> Any:
        answer = endpoint(**values)
        for value in values.values():
            if isinstance(value, Session):
                value.commit()
        return answer

    return run
