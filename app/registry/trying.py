"""Ask an endpoint one short question, to see whether it answers. The inference server asks, as it does for chat: the
key is known there, and not here."""

from collections.abc import Callable

from starlette.concurrency import run_in_threadpool
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from app.db import task_session
from app.models import Messages
from app.registry import endpoints, inference
from app.web.errors import Unavailable

QUESTION = "Say hello in one short sentence."
MOST_TOKENS = 64


async def try_endpoint(model_id: int) -> None:
    """Keep what it answers, or the sentence of what went wrong, with the endpoint."""
    text, well = "", True
    try:
        messages: Messages = [{"role": "user", "content": QUESTION}]
        async for part in inference.respond(inference.elsewhere(model_id), messages, {"max_tokens": MOST_TOKENS}):
            text += part if isinstance(part, str) else ""
        said = text.strip()
    except (Unavailable, inference.TooLong) as error:
        well, said = False, str(error)
    await run_in_threadpool(_keep, model_id, well, said)


def _keep(model_id: int, well: bool, said: str) -> None:
    with task_session() as session:
        endpoints.tried(session, model_id, well, said)


class Tried(Response):
    """Asks the endpoint, then sends what `then` makes, while no database session is open."""

    def __init__(self, model_id: int, then: Callable[[], Response]) -> None:
        self.model_id, self.then = model_id, then
        self.background = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await try_endpoint(self.model_id)
        response = await run_in_threadpool(self.then)
        await response(scope, receive, send)
