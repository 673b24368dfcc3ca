"""Server-sent events: the wire format, a response that no proxy holds back, and how many may be open at once."""

from collections.abc import AsyncIterator, Hashable, Iterator

import anyio
from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.types import Message, Receive, Scope, Send

from app.web.errors import Unavailable
from app.web.problems import refused

MOST_OF_A_PERSON = 10  # open at once, in this process
MOST = 1_000
FAREWELL_SECONDS = 1.0
_FULL = "Too many pages follow what happens right now. Load this page again in a minute."


def event(data: str, *, name: str | None = None, key: str | None = None) -> str:
    """One event; line breaks in `data` are kept as the format asks for, `name` and `key` stay on one line."""
    lines = []
    if name is not None:
        lines.append(f"event: {' '.join(name.split())}")
    if key is not None:
        lines.append(f"id: {' '.join(key.split())}")
    lines += [f"data: {line}" for line in data.replace("\r\n", "\n").replace("\r", "\n").split("\n")]
    return "\n".join(lines) + "\n\n"


def stream(events: Iterator[str] | AsyncIterator[str]) -> StreamingResponse:
    """A response that sends `event(...)` texts as they come."""
    return StreamingResponse(events, media_type="text/event-stream", headers={"X-Accel-Buffering": "no"})


class OpenStreams:
    """The streams that pages keep open. One too many of a person ends their oldest one, whose page may be forgotten or
    cut off. It is told by the event `replaced`, so that it does not ask again; live.js does once it is looked at."""

    def __init__(self) -> None:
        self._of: dict[Hashable, list[anyio.CancelScope]] = {}

    def __len__(self) -> int:
        return sum(map(len, self._of.values()))

    def enter(self, person: Hashable) -> anyio.CancelScope:
        """A place for one more, to be entered and left with `leave`."""
        scope, own = anyio.CancelScope(), self._of.setdefault(person, [])
        own.append(scope)
        if len(own) > MOST_OF_A_PERSON:
            own.pop(0).cancel()
        return scope

    def leave(self, person: Hashable, scope: anyio.CancelScope) -> None:
        """Give the place back."""
        own = self._of.get(person, [])
        if scope in own:
            own.remove(scope)
        if not own:
            self._of.pop(person, None)


open_streams = OpenStreams()


class LiveStream(StreamingResponse):
    """What a page of `person` follows for as long as it is open."""

    def __init__(self, person: Hashable, events: AsyncIterator[str]) -> None:
        super().__init__(events, media_type="text/event-stream", headers={"X-Accel-Buffering": "no"})
        self.person = person

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send events until the reader leaves or a newer page takes the place."""
        if len(open_streams) >= MOST:
            await refused(Request(scope), Unavailable(_FULL))(scope, receive, send)
            return
        started = False

        async def noting_send(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        place = open_streams.enter(self.person)
        try:
            with place:
                await super().__call__(scope, receive, noting_send)
            if place.cancelled_caught and started:
                with anyio.move_on_after(FAREWELL_SECONDS):  # a reader who is cut off takes nothing
                    last = event("", name="replaced").encode()
                    await send({"type": "http.response.body", "body": last, "more_body": False})
        finally:
            open_streams.leave(self.person, place)
