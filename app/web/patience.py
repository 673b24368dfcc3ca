"""A request's body comes within a time that fits its size, or the request ends with 408. Knows no route."""

import asyncio
import time

from starlette.exceptions import HTTPException
from starlette.types import Message, Receive, Scope

FIRST_SECONDS = 20.0  # until a body of any size has to be there
LEAST_PACE = 5_000  # bytes a second that earn more time: below that, a line carries no upload
_TOO_SLOW = "What you sent came too slowly, so it was not carried out. Check your connection and send it again."


def has_body(scope: Scope) -> bool:
    """Whether a body is announced."""
    return any(name in (b"content-length", b"transfer-encoding") for name, _ in scope["headers"])


def in_time(receive: Receive) -> Receive:
    """`receive`, raising 408 once the body comes too slowly. After the body it waits as long as it is asked to."""
    began, received, whole = time.monotonic(), 0, False

    async def receive_in_time() -> Message:
        nonlocal received, whole
        if whole:
            return await receive()
        left = began + FIRST_SECONDS + received / LEAST_PACE - time.monotonic()
        try:
            async with asyncio.timeout(max(0.0, left)):
                message = await receive()
        except TimeoutError:
            raise HTTPException(408, _TOO_SLOW, {"Connection": "close"}) from None
        received += len(message.get("body", b""))
        whole = not message.get("more_body", False)
        return message

    return receive_in_time
