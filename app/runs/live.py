"""One look at the database for all the pages that watch the same thing.

A topic is looked at once per interval for as long as anybody watches it, however many pages do, and what is new is
sent to all of them as server-sent events. It knows no run: a look is a function from what was seen to what is new.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Hashable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool

from app.db import new_session

log = logging.getLogger(__name__)
S = TypeVar("S")

INTERVAL = 0.7  # seconds between looks: a step is on every page well within two seconds
KEEP_ALIVE = 15.0  # seconds of silence after which a comment is sent, so that dead connections are noticed
BACKLOG = 100  # events kept for a reader that does not read; then it is dropped, and its browser connects again

# (session, what was seen before or None at first) -> (what is seen now, the events that tell the difference)
Look = Callable[[Session, S | None], tuple[S, list[str]]]


@dataclass
class _Topic(Generic[S]):
    look: Look[S]
    interval: float
    seen: S | None = None
    readers: set["asyncio.Queue[str | None]"] = field(default_factory=set)
    task: "asyncio.Task[None] | None" = None


class Live:
    """The topics that this process watches."""

    def __init__(self) -> None:
        self._topics: dict[Hashable, _Topic[object]] = {}
        self.looks = 0  # how often the database was looked at, for the test that counts

    @property
    def watched(self) -> int:
        """How many topics somebody watches."""
        return len(self._topics)

    async def watch(
        self, key: Hashable, look: Look[S], first: S | None = None, interval: float = INTERVAL
    ) -> AsyncGenerator[str, None]:
        """The events of a topic from `first` on, which is what the reader's page shows already."""
        queue: asyncio.Queue[str | None] = asyncio.Queue(BACKLOG)
        topic = self._topics.get(key)
        if topic is None:
            topic = self._topics[key] = _Topic(look, interval)  # type: ignore[arg-type]
        topic.readers.add(queue)
        try:
            seen, events = await run_in_threadpool(_once, look, first)
            if topic.seen is None:
                topic.seen = seen
            for event in events:
                yield event
            if topic.task is None:
                topic.task = asyncio.create_task(self._run(key, topic))
            while True:
                try:
                    async with asyncio.timeout(KEEP_ALIVE):  # wait_for of 3.11 may swallow a cancellation
                        event_or_end = await queue.get()
                except TimeoutError:
                    yield ": still here\n\n"
                    continue
                if event_or_end is None:
                    return
                yield event_or_end
        finally:
            topic.readers.discard(queue)
            if not topic.readers:
                if topic.task is not None:
                    topic.task.cancel()
                if self._topics.get(key) is topic:
                    del self._topics[key]

    async def _run(self, key: Hashable, topic: _Topic[object]) -> None:
        failing = False
        while topic.readers:
            try:
                self.looks += 1
                topic.seen, events = await run_in_threadpool(_once, topic.look, topic.seen)
                failing = False
            except Exception as error:  # noqa: BLE001  the database may be away for a while; the pages wait
                if not failing:
                    log.warning("could not look at %s: %s", key, error)
                failing, events = True, []
            for queue in list(topic.readers):
                for event in events:
                    if queue.full():
                        topic.readers.discard(queue)
                        _end(queue)
                        break
                    queue.put_nowait(event)
            await asyncio.sleep(topic.interval)


def _once(look: Look[S], seen: S | None) -> tuple[S, list[str]]:
    with new_session() as session:
        return look(session, seen)


def _end(queue: "asyncio.Queue[str | None]") -> None:
    while not queue.empty():
        queue.get_nowait()
    queue.put_nowait(None)


live = Live()
