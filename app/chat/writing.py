"""Writes one response: from the model server to the database, and to its reader as long as there is one.

Each is written by a task of its own, so that it goes on when its reader leaves; only `service.stop`, a deletion or the
end of this process end it before its time, and what there is of it is kept each time. `StreamedResponse` sends the
pieces as they come, `AwaitedResponse` a page once all is there, for readers without JavaScript and for programs, and
`follow` what is in the database, for a page that was opened meanwhile, wherever the response is written.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

import anyio
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from app.chat import service
from app.chat.service import Job
from app.db import task_session
from app.models import Turn, TurnState
from app.registry import inference
from app.web.errors import Unavailable
from app.web.events import event, stream

log = logging.getLogger(__name__)

SAVE_SECONDS = 0.5
STALLED_SECONDS = 30.0
LONGEST_SECONDS = service.RESPONSE_TIME.total_seconds() - 30  # before others take the response for abandoned
_STALLED = "The reader took nothing for too long."

_under_way: set[asyncio.Task[None]] = set()  # the loop itself holds its tasks but weakly


class Writing:
    """A response that is being written."""

    def __init__(self, job: Job) -> None:
        self._said: asyncio.Queue[str | None] = asyncio.Queue()
        self.task = asyncio.create_task(self._write(job))
        _under_way.add(self.task)
        self.task.add_done_callback(_under_way.discard)

    async def _write(self, job: Job) -> None:
        try:
            await write(job, self._said.put_nowait)
        except Exception:
            log.exception("turn %d broke off", job.turn_id)
        finally:
            self._said.put_nowait(None)

    async def pieces(self) -> AsyncGenerator[str]:
        """The text as it comes, for one reader."""
        while (piece := await self._said.get()) is not None:
            yield piece


async def stop_all() -> None:
    """End what this process writes, and keep what there is of it."""
    tasks = list(_under_way)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def write(job: Job, say: Callable[[str], None]) -> None:
    """Write a response and say its pieces. However this ends, the turn has its text and its final state afterwards."""
    text: list[str] = []
    state, reason, error, left_out = TurnState.STOPPED, None, None, 0
    try:
        async with anyio.create_task_group() as group:
            group.start_soon(_keep, job, text, group.cancel_scope)
            try:
                with anyio.fail_after(LONGEST_SECONDS):
                    async with aclosing(_fitting(job)) as parts:
                        async for part in parts:
                            if isinstance(part, int):
                                left_out = part
                            elif isinstance(part, inference.End):
                                reason = part.reason
                            else:
                                text.append(part)
                                say(part)
                state = TurnState.DONE
            except Unavailable as refusal:
                state, error = TurnState.FAILED, refusal.message
            except TimeoutError:
                state, error = TurnState.FAILED, "The answer took too long and was given up."
            group.cancel_scope.cancel()
    finally:
        with anyio.CancelScope(shield=True):
            await run_in_threadpool(_end, job, "".join(text), state, reason, left_out, error)


async def _keep(job: Job, text: list[str], scope: anyio.CancelScope) -> None:
    """Keep what there is from time to time; end the writing where it was stopped, or deleted, from elsewhere."""
    while True:
        await anyio.sleep(SAVE_SECONDS)
        if not await run_in_threadpool(_save, job, "".join(text)):
            scope.cancel()


async def _fitting(job: Job) -> AsyncGenerator[str | int | inference.End]:
    """The answer to as much of the conversation as the model's context holds, after how many turns were left out.

    The oldest turns are left out first, two at a time so that the line still begins with the reader.
    """
    messages, left_out = job.messages, 0
    while True:
        try:
            async with aclosing(inference.respond(job.model, messages, job.settings, job.project_id)) as parts:
                yield left_out
                async for part in parts:
                    yield part
            return
        except inference.TooLong:
            if len(messages) <= 1:
                raise Unavailable(
                    "Your message is longer than this model can read. Shorten it and send it again."
                ) from None
            drop = 2 if len(messages) > 2 else 1
            messages, left_out = messages[drop:], left_out + drop


def _save(job: Job, text: str) -> bool:
    with task_session() as session:
        return service.write_on(session, job.turn_id, text)


def _end(job: Job, text: str, state: TurnState, reason: str | None, left_out: int, error: str | None) -> None:
    with task_session() as session:
        service.end(session, job.turn_id, text, state, finish_reason=reason, left_out=left_out, error=error)


class StreamedResponse(Response):
    """`start` (HTML of the thread), `piece`s of text, then `end` (HTML of the thread)."""

    def __init__(self, job: Job, first: str, last: Callable[[], str]) -> None:
        """`first`: what the start event carries; `last` renders what the end event carries, in a thread."""
        self.job, self.first, self.last = job, first, last
        self.background = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_in_time(message: Message) -> None:
            with anyio.fail_after(STALLED_SECONDS):
                await send(message)

        async with aclosing(self._events(Writing(self.job))) as events:
            try:
                await stream(events)(scope, receive, send_in_time)
            except TimeoutError:
                log.warning("turn %d: %s", self.job.turn_id, _STALLED)

    async def _events(self, writing: Writing) -> AsyncGenerator[str]:
        yield event(self.first, name="start")
        async with aclosing(writing.pieces()) as pieces:
            async for piece in pieces:
                yield event(piece, name="piece")
        await asyncio.wait([writing.task])
        yield event(await run_in_threadpool(self.last), name="end")


async def follow(turn_id: int, told: int, first: str, last: Callable[[], str]) -> AsyncGenerator[str]:
    """The same events for a response that is under way, whose first `told` characters `first` has already."""
    yield event(first, name="start")
    while True:
        text, state = await run_in_threadpool(_so_far, turn_id)
        if len(text) > told:
            yield event(text[told:], name="piece")
            told = len(text)
        if state is not TurnState.STREAMING:
            break
        await anyio.sleep(SAVE_SECONDS)
    yield event(await run_in_threadpool(last), name="end")


def _so_far(turn_id: int) -> tuple[str, TurnState]:
    with task_session() as session:
        turn = session.get(Turn, turn_id)
        return ("", TurnState.STOPPED) if turn is None else (turn.content, turn.state)


class AwaitedResponse(Response):
    """Waits for the whole response, then sends what `then` makes."""

    def __init__(self, job: Job, then: Callable[[], Response]) -> None:
        self.job, self.then = job, then
        self.background = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        writing, left = Writing(self.job), False

        async with anyio.create_task_group() as group:

            async def watch() -> None:
                nonlocal left
                while (await receive())["type"] != "http.disconnect":
                    pass
                left = True
                group.cancel_scope.cancel()

            group.start_soon(watch)
            await asyncio.wait([writing.task])  # which goes on where this is cancelled
            group.cancel_scope.cancel()
        if not left:
            response = await run_in_threadpool(self.then)
            await response(scope, receive, send)
