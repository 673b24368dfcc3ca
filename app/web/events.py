"""Server-sent events: the wire format and a response that no proxy holds back."""

from collections.abc import AsyncIterator, Iterator

from starlette.responses import StreamingResponse


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
