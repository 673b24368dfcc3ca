"""Writes one response: from the model server to the reader and, every second, to the database.

Two kinds of response drive it. `StreamedResponse` sends the pieces as server-sent events; `AwaitedResponse` sends its
page when the response is whole, for readers without JavaScript and for programs. Both stop the writing as soon as the
reader hangs up or takes nothing for a while, and what there is of the response is kept either way.
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
from app.models import TurnState
from app.registry import inference
from app.web.errors import Unavailable
from app.web.events import event, stream

log = logging.getLogger(__name__)

SAVE_SECONDS = 1.0
STALLED_SECONDS = 30.0
_STALLED = "The reader took nothing for too long."


async def write(job: Job) -> AsyncGenerator[str]:
    """The pieces of the response. However the iteration ends, the turn has its text and its final state afterwards."""
    loop = asyncio.get_running_loop()
    text: list[str] = []
    state, reason, error = TurnState.STOPPED, None, None
    left_out, saved = 0, loop.time()
    deadline = saved + service.RESPONSE_TIME.total_seconds() - 30  # before others take the response for abandoned
    try:
        async with aclosing(_fitting(job)) as parts:
            async for part in parts:
                if isinstance(part, int):
                    left_out = part
                elif isinstance(part, inference.End):
                    reason = part.reason
                else:
                    text.append(part)
                    yield part
                if loop.time() - saved > SAVE_SECONDS:
                    if not await run_in_threadpool(_save, job, "".join(text)):
                        return  # stopped, or deleted, from elsewhere
                    saved = loop.time()
                if loop.time() > deadline:
                    raise Unavailable("The answer took too long and was given up.")
        state = TurnState.DONE
    except Unavailable as refusal:
        state, error = TurnState.FAILED, refusal.message
    finally:
        with anyio.CancelScope(shield=True):
            await run_in_threadpool(_end, job, "".join(text), state, reason, left_out, error)


async def _fitting(job: Job) -> AsyncGenerator[str | int | inference.End]:
    """The answer to as much of the conversation as the model's context holds, after how many turns were left out.

    The oldest turns are left out first, two at a time so that the line still begins with the reader.
    """
    messages, left_out = job.messages, 0
    while True:
        try:
            async with aclosing(inference.respond(job.model, messages, job.settings)) as parts:
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

        async with aclosing(self._events()) as events:
            try:
                await stream(events)(scope, receive, send_in_time)
            except TimeoutError:
                log.warning("turn %d: %s", self.job.turn_id, _STALLED)

    async def _events(self) -> AsyncGenerator[str]:
        async with aclosing(write(self.job)) as pieces:
            yield event(self.first, name="start")
            async for piece in pieces:
                yield event(piece, name="piece")
        yield event(await run_in_threadpool(self.last), name="end")


class AwaitedResponse(Response):
    """Waits for the whole response, then sends what `then` makes."""

    def __init__(self, job: Job, then: Callable[[], Response]) -> None:
        self.job, self.then = job, then
        self.background = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        left = False

        async with anyio.create_task_group() as group:

            async def watch() -> None:
                nonlocal left
                while (await receive())["type"] != "http.disconnect":
                    pass
                left = True
                group.cancel_scope.cancel()

            group.start_soon(watch)
            async with aclosing(write(self.job)) as pieces:
                async for _ in pieces:
                    pass
            group.cancel_scope.cancel()
        if not left:
            response = await run_in_threadpool(self.then)
            await response(scope, receive, send)
