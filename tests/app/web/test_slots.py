"""Downloads have slots of their own, take turns, and are let go when nobody reads."""

import asyncio
import itertools
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError
from starlette.applications import Starlette
from starlette.types import Message

from app.web import slots
from app.web.slots import MOST, SlottedDownload

SCOPE = {
    "type": "http", "asgi": {"version": "3.0", "spec_version": "2.4"}, "method": "GET", "path": "/api/v1/x",
    "query_string": b"", "headers": [], "app": Starlette(),
}  # fmt: skip


class Reader:
    """Somebody who downloads: what came, and when they read on."""

    def __init__(self, make: Callable[[], Iterator[bytes]], reads: bool = True) -> None:
        self.reads = asyncio.Event()
        if reads:
            self.reads.set()
        self.status, self.headers, self.body, self.whole = 0, dict[bytes, bytes](), b"", False
        self.task = asyncio.ensure_future(
            SlottedDownload(make, "text/plain", "x.txt")(dict(SCOPE), self.receive, self.send)
        )

    async def receive(self) -> Message:
        await asyncio.sleep(3600)
        raise AssertionError

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status, self.headers = message["status"], dict(message["headers"])
            return
        if message["body"]:
            await self.reads.wait()
        self.body += message["body"]
        self.whole = not message.get("more_body", False)


def numbers(count: int) -> Callable[[], Iterator[bytes]]:
    return lambda: (b"%d " % number for number in range(count))


async def until(condition: Callable[[], Any]) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.01)


def test_all_begin_at_once_and_take_turns_one_at_a_time() -> None:
    at_work, most = 0, 0
    lock = threading.Lock()

    def make() -> Iterator[bytes]:
        nonlocal at_work, most
        for number in range(20):
            with lock:
                at_work += 1
                most = max(most, at_work)
            time.sleep(0.002)
            with lock:
                at_work -= 1
            yield b"%d " % number

    async def run() -> None:
        readers = [Reader(make) for _ in range(MOST)]
        await until(lambda: all(reader.body for reader in readers))
        assert not any(reader.whole for reader in readers), "one was through before another began"
        await asyncio.gather(*(reader.task for reader in readers))
        assert {reader.body for reader in readers} == {b"".join(numbers(20)())}
        assert all(reader.whole for reader in readers)

    asyncio.run(run())
    assert most == 1


def test_one_too_many_is_refused_with_a_sentence_and_a_slot_is_free_afterwards() -> None:
    async def run() -> None:
        readers = [Reader(numbers(3), reads=False) for _ in range(MOST)]
        await until(lambda: all(reader.status for reader in readers))
        late = Reader(numbers(3))
        await late.task
        assert late.status == 429
        assert b"8 downloads are running already" in late.body
        assert late.headers[b"retry-after"] == b"30"
        readers[0].reads.set()
        await readers[0].task
        again = Reader(numbers(3))
        await again.task
        assert (again.status, again.body) == (200, b"0 1 2 ")
        for reader in readers[1:]:
            reader.task.cancel()
        await asyncio.gather(*(reader.task for reader in readers[1:]), return_exceptions=True)

    asyncio.run(run())


def test_one_whose_reader_takes_nothing_or_leaves_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slots, "STALLED_SECONDS", 0.2)
    closed = []

    def make(name: str) -> Callable[[], Iterator[bytes]]:
        def pieces() -> Iterator[bytes]:
            try:
                for number in itertools.count():
                    yield b"%d " % number
            finally:
                closed.append(name)

        return pieces

    async def run() -> None:
        stalled = Reader(make("stalled"), reads=False)
        await stalled.task
        assert not stalled.whole  # so that nobody takes it for the whole file
        left = Reader(make("left"))
        await until(lambda: left.body)
        left.task.cancel()
        await asyncio.gather(left.task, return_exceptions=True)
        assert closed == ["stalled", "left"]
        again = Reader(numbers(1))
        await again.task
        assert again.whole

    asyncio.run(run())


def test_what_goes_wrong_at_the_start_is_no_download() -> None:
    def make() -> Iterator[bytes]:
        raise OperationalError("select", {}, Exception("away"))
        yield b""

    async def run() -> None:
        reader = Reader(make)
        with pytest.raises(OperationalError):
            await reader.task
        assert reader.status == 0

    asyncio.run(run())
