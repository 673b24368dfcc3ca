"""Shortcuts before routes: for what a person waits for all day, the way by which the framework finds a route, and all
that the route depends on, takes longer than the answer. Knows no page."""

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from fastapi import Request, Response
from fastapi.routing import APIRoute
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

F = TypeVar("F", bound=Callable[..., Any])
Shortcut = Callable[[Request], Awaitable[Response | None]]

LONGEST = 2**16  # bytes of a form; what is longer takes the usual way
_SHORTCUT = "__hone_shortcut__"
_routes: list[tuple[APIRoute, Shortcut]] = []


def first(shortcut: Shortcut) -> Callable[[F], F]:
    """Try `shortcut` before a route that takes a form, and all that the route depends on: it has to see to access and
    CSRF itself. Where it returns None the route answers; what it did until then has to be such that doing it again does
    no harm."""

    def mark(endpoint: F) -> F:
        setattr(endpoint, _SHORTCUT, shortcut)
        return endpoint

    return mark


def note(route: APIRoute, endpoint: Callable[..., Any]) -> None:
    """Remember the shortcut of a route, where it has one."""
    if (shortcut := getattr(endpoint, _SHORTCUT, None)) is not None:
        _routes.append((route, shortcut))


class Shortcuts:
    """The ASGI layer that tries them, directly before the framework's routes."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request by the shortcut of its route, or by the route."""
        found = _find(scope)
        if found is None:
            await self.app(scope, receive, send)
            return
        route, shortcut, parameters = found
        scope["route"] = route  # by which it is counted
        request = Request({**scope, "path_params": parameters}, receive)
        body = await request.body()
        response = await shortcut(request)
        await (response or self.app)(scope, receive if response else _again(body, receive), send)


def _find(scope: Scope) -> tuple[APIRoute, Shortcut, dict[str, str]] | None:
    if scope["type"] != "http" or scope["method"] != "POST":
        return None
    for route, shortcut in _routes:
        if (match := route.path_regex.match(scope["path"])) is not None:
            headers = Headers(scope=scope)
            length = headers.get("content-length", "")
            short = length.isascii() and length.isdigit() and int(length) <= LONGEST
            return (route, shortcut, match.groupdict()) if short and _is_form(headers) else None
    return None


def _is_form(headers: Headers) -> bool:
    return headers.get("content-type", "").partition(";")[0].strip().lower() == "application/x-www-form-urlencoded"


def _again(body: bytes, receive: Receive) -> Receive:
    """What gives a body that was read once more, and then what comes behind it."""
    whole: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive_again() -> Message:
        return whole.pop() if whole else await receive()

    return receive_again
