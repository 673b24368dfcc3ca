"""Deny by default: every route declares who may call it, or the application does not start."""

from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from fastapi import FastAPI, Request
from fastapi.dependencies.models import Dependant
from fastapi.routing import iter_route_contexts

F = TypeVar("F", bound=Callable[..., Any])

_ACCESS = "__hone_access__"


def grants(access: str) -> Callable[[F], F]:
    """Mark a dependency as one that decides who may call a route; `access` names it, e.g. `manager`."""

    def mark(dependency: F) -> F:
        setattr(dependency, _ACCESS, access)
        return dependency

    return mark


@grants("public")
async def public() -> None:
    """Anybody may call this route: `dependencies=[Depends(public)]`."""


def _calls(dependant: Dependant) -> Iterator[Any]:
    yield dependant.call
    for inner in dependant.dependencies:
        yield from _calls(inner)


def _declared(dependant: Dependant) -> set[str]:
    return {getattr(call, _ACCESS) for call in _calls(dependant) if hasattr(call, _ACCESS)}


def access_of(request: Request) -> set[str]:
    """The kinds of access that the route of this request declares itself, not by the router it is mounted with."""
    return _declared(request.scope["route"].dependant)


def access_by_route(app: FastAPI) -> dict[tuple[str, str], set[str]]:
    """(method, path) -> the kinds of access declared on that route; empty where none is."""
    found: dict[tuple[str, str], set[str]] = {}
    for route in iter_route_contexts(app.routes):
        dependant = getattr(route, "dependant", None)
        if dependant is None:  # a mount of static files, guarded by what it mounts
            continue
        for method in route.methods or ():
            found[method, route.path or ""] = _declared(dependant)
    return found


def refuse_open_routes(app: FastAPI) -> None:
    """Raise where a route declares nobody who may call it."""
    undeclared = sorted(f"{method} {path}" for (method, path), access in access_by_route(app).items() if not access)
    if undeclared:
        raise RuntimeError("These routes declare no access; depend on `public` or a role: " + ", ".join(undeclared))
