"""Server-sent events to one reader: OpenAI's framing, and an end for readers who leave or never read."""

import json
import logging
from collections.abc import AsyncIterator, Callable
from typing import Any

import anyio
from starlette.responses import StreamingResponse
from starlette.types import Message, Receive, Scope, Send

log = logging.getLogger(__name__)

DONE = "data: [DONE]\n\n"
STALLED_SECONDS = 30.0


def data(body: dict[str, Any]) -> str:
    """One event."""
    return f"data: {json.dumps(body, ensure_ascii=False)}\n\n"


class EventStream(StreamingResponse):
    """Calls `released` once, whether the stream ends, its reader hangs up, or takes nothing for half a minute."""

    def __init__(self, events: AsyncIterator[str], released: Callable[[], None]) -> None:
        super().__init__(
            events, media_type="text/event-stream", headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        )
        self._released = released

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_in_time(message: Message) -> None:
            with anyio.fail_after(STALLED_SECONDS):
                await send(message)

        try:
            await super().__call__(scope, receive, send_in_time)
        except TimeoutError:
            log.warning("a reader took nothing for %.0f s; its answer is given up", STALLED_SECONDS)
        finally:
            self._released()
