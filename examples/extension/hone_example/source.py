"""A source of responses: canned ones. It becomes a model that projects may choose with

hone models offer "Canned responses" --from canned
"""

from collections.abc import AsyncIterator
from typing import Any

from app.models import Messages
from workers.runs.attempt import Attempt
from workers.sources.registry import register
from workers.sources.source import Asked, End, Row

NAME = "canned"
LINES = ("That depends on what you need it for.", "Start with the smallest case, and check it by hand.")


class Canned:
    """The same lines in turn, whatever is asked."""

    def respond(self, attempt: Attempt, asked: Asked) -> list[Row]:
        settings = asked.settings
        rows = [
            row | {"responses": [_drawn(LINES[n % len(LINES)]) for n in range(settings["n"])]} for row in asked.rows
        ]
        attempt.insist(lambda: asked.take(attempt, rows))
        attempt.insist(lambda: attempt.beat(asked.progress()))
        return rows

    async def stream(
        self, model_id: int, messages: Messages, settings: dict[str, Any], project_id: int | None = None
    ) -> AsyncIterator[str | End]:
        for word in LINES[0].split(" "):
            yield f"{word} "
        yield End("stop", 0, len(LINES[0].split()))


def _drawn(text: str) -> Row:
    return {"text": text, "finish_reason": "stop", "tokens": len(text.split()), "strategy": "greedy"}


register(NAME, Canned())
