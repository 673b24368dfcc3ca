"""Watching a run: points within two seconds, one look for all readers, an end when nobody watches."""

import asyncio
import json
import statistics
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest

from app.db import task_session
from app.models import RunState
from app.runs import events, service, work
from app.runs.live import Live
from tests import factories


@pytest.fixture
def run_id(database: str) -> int:
    with task_session() as session:
        run = factories.training(session, factories.project(session), "ppo")
        work.claim(session, run.id, "w", "cpu")
        return int(run.id)


def beat(run_id: int, step: int) -> None:
    from app.models import Run

    with task_session() as session:
        claim = session.get_one(Run, run_id).claim
        assert claim
        work.beat(session, run_id, claim, step=step, total_steps=100, metrics=[("loss", step, step / 2)])


def read(text: str) -> tuple[str, str]:
    lines = text.strip().split("\n")
    name = next(line[7:] for line in lines if line.startswith("event: "))
    return name, "\n".join(line[6:] for line in lines if line.startswith("data: "))


@asynccontextmanager
async def reader(live: Live, run_id: int, after: int = 0) -> AsyncIterator["asyncio.Queue[tuple[float, str, str]]"]:
    """Someone who watches the run: (moment, event, data) as they come."""
    heard: asyncio.Queue[tuple[float, str, str]] = asyncio.Queue()

    async def listen() -> None:
        async for text in live.watch(("run", run_id), events.run_look(run_id), events.Seen(step=after)):
            if not text.startswith(":"):  # a comment that keeps the connection
                heard.put_nowait((time.monotonic(), *read(text)))

    task = asyncio.create_task(listen())
    try:
        yield heard
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def until(heard: "asyncio.Queue[tuple[float, str, str]]", name: str, wanted: Any = None) -> tuple[float, str]:
    async with asyncio.timeout(20):
        while True:
            moment, event, data = await heard.get()
            if event == name and (wanted is None or wanted(data)):
                return moment, data


def has_step(step: int) -> Any:
    return lambda data: step in json.loads(data)["loss"][0]


def test_fifty_readers_share_one_look_and_get_each_point_within_two_seconds(run_id: int) -> None:
    async def scene() -> None:
        live = Live()
        async with AsyncReaders(live, run_id, 50) as readers:
            for heard in readers:
                await until(heard, "panel")
            started, looks = time.monotonic(), live.looks
            delays: list[float] = []
            for step in (1, 2, 3):
                await asyncio.to_thread(beat, run_id, step)
                written = time.monotonic()
                heard_at = [(await until(heard, "points", has_step(step)))[0] for heard in readers]
                delays.append(max(heard_at) - written)
            assert statistics.median(delays) < 2, delays
            elapsed = time.monotonic() - started
            assert live.looks - looks <= elapsed / 0.7 + 2  # and not fifty times as many
        await asyncio.sleep(0.1)
        assert live.watched == 0
        looks = live.looks
        await asyncio.sleep(1)
        assert live.looks == looks  # nobody watches, nobody looks

    asyncio.run(scene())


class AsyncReaders:
    """Several readers at once."""

    def __init__(self, live: Live, run_id: int, count: int) -> None:
        self._managers = [reader(live, run_id) for _ in range(count)]

    async def __aenter__(self) -> list["asyncio.Queue[tuple[float, str, str]]"]:
        return [await manager.__aenter__() for manager in self._managers]

    async def __aexit__(self, *error: Any) -> None:
        for manager in self._managers:
            await manager.__aexit__(*error)


def test_a_reader_gets_what_its_page_does_not_show_yet(run_id: int) -> None:
    async def scene() -> None:
        live = Live()
        for step in (1, 2, 3):
            await asyncio.to_thread(beat, run_id, step)
        async with reader(live, run_id, after=3) as heard:
            _, data = await until(heard, "points")
            assert json.loads(data) == {"loss": [[3], [1.5]]}
            async with reader(live, run_id, after=1) as late:
                _, data = await until(late, "points")
                assert json.loads(data)["loss"][0] == [1, 2, 3]

    asyncio.run(scene())


def test_a_change_of_state_is_told_once(run_id: int) -> None:
    async def scene() -> None:
        live = Live()
        async with reader(live, run_id) as heard:
            await until(heard, "state", lambda data: data == "running")

            def cancel() -> None:
                from app.models import Run

                with task_session() as session:
                    service.request_cancel(session, None, session.get_one(Run, run_id))

            await asyncio.to_thread(cancel)
            await until(heard, "state", lambda data: data == RunState.CANCELLING)
            await asyncio.sleep(1.6)
            rest = [heard.get_nowait()[1] for _ in range(heard.qsize())]
            assert "state" not in rest

    asyncio.run(scene())


def test_a_reader_that_never_reads_is_let_go(run_id: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its events are dropped with it; its browser connects again. The others go on."""
    from app.runs import live as module

    monkeypatch.setattr(module, "BACKLOG", 3)

    async def scene() -> None:
        live = Live()

        def look(session: Any, seen: int | None) -> tuple[int, list[str]]:
            return (seen or 0) + 1, [f"event: n\ndata: {seen}\n\n"]

        stuck = live.watch("topic", look, interval=0.01)
        await anext(stuck)
        going = live.watch("topic", look, interval=0.01)
        for _ in range(12):
            await anext(going)
        last = [text async for text in stuck]
        assert len(last) <= 3
        await going.aclose()
        assert live.watched == 0

    asyncio.run(scene())
