"""Downloads that are made while they are sent, in slots of their own, so that people who label do not notice them.

At most MOST are under way in a process. They take turns, a piece at a time, in one thread: all begin at once and all
go on, and the interpreter is shared with one thread of theirs, not with eight. They hold no request's turn at the
database. It does not know what is in them.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Generator, Iterator
from contextlib import aclosing
from weakref import WeakKeyDictionary

import anyio
from fastapi import Request
from fastapi.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect
from starlette.responses import Response, StreamingResponse
from starlette.types import Message, Receive, Scope, Send

from app.web.errors import TooMany
from app.web.problems import refused

log = logging.getLogger(__name__)

MOST = 8
STALLED_SECONDS = 60.0  # after which a reader who takes nothing is let go
LONGEST_SECONDS = 3600.0


class _Slots:
    def __init__(self) -> None:
        self.taken = 0
        self.turn = asyncio.Semaphore(1)


_slots: WeakKeyDictionary[asyncio.AbstractEventLoop, _Slots] = WeakKeyDictionary()


class SlottedDownload(Response):
    """What `make` yields, as a file of this name; a refusal with a sentence where every slot is taken. `length`: its
    bytes, where they are known before."""

    def __init__(
        self, make: Callable[[], Iterator[bytes]], media_type: str, name: str, length: int | None = None
    ) -> None:
        self._make, self._media_type, self._name, self._length = make, media_type, name, length
        self.background = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        slots = _slots.setdefault(asyncio.get_running_loop(), _Slots())
        if slots.taken >= MOST:
            sentence = f"{MOST} downloads are running already. Try again when one of them is done."
            await refused(Request(scope), TooMany(sentence, retry_after=30))(scope, receive, send)
            return
        slots.taken += 1
        try:
            await self._send(slots, scope, receive, send)
        finally:
            slots.taken -= 1

    async def _send(self, slots: _Slots, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_in_time(message: Message) -> None:
            with anyio.fail_after(STALLED_SECONDS):
                await send(message)

        headers = {"Content-Disposition": f'attachment; filename="{self._name}"'}
        if self._length is not None:
            headers["Content-Length"] = str(self._length)
        async with aclosing(self._pieces(slots)) as pieces:
            first = await anext(pieces)  # what goes wrong at the start still gets a response of its own

            async def all_pieces() -> AsyncGenerator[bytes]:
                yield first
                async for piece in pieces:
                    yield piece

            response = StreamingResponse(all_pieces(), media_type=self._media_type, headers=headers)
            try:
                with anyio.fail_after(LONGEST_SECONDS):
                    await response(scope, receive, send_in_time)
            except (TimeoutError, ClientDisconnect):
                log.info("the reader of %s left, or took nothing for too long", self._name)

    async def _pieces(self, slots: _Slots) -> AsyncGenerator[bytes]:
        made = self._made()
        try:
            while True:
                async with slots.turn:
                    piece = await run_in_threadpool(next, made, None)
                if piece is None:
                    return
                yield piece
        finally:
            with anyio.CancelScope(shield=True):
                await run_in_threadpool(made.close)

    def _made(self) -> Generator[bytes, None, None]:
        """At least one piece, and no other that is empty: an empty one would look like the end."""
        yield from (piece for piece in self._make() if piece)
        yield b""
