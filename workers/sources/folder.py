"""Models of the store: `rlhf.sample` in a child process for runs, the inference server for chat."""

from collections.abc import AsyncIterator
from typing import Any

from app.db import task_session
from app.models import Messages, Model
from app.registry import inference
from app.registry import service as registry
from workers.runs.attempt import Attempt, Progress
from workers.runs.follow import JsonLines, write_lines
from workers.runs.threads import threads_for
from workers.sources.source import Asked, End, Row
from workers.sources.texts import count, estimate


class Folder:
    """A source; see `workers.sources.source.Source`."""

    def respond(self, attempt: Attempt, asked: Asked) -> list[Row]:
        """Sample in a child."""
        with task_session() as session:
            path = registry.artifact_path(session.get_one(Model, asked.model_id)).resolve()
        prompts, output = attempt.folder / f"{asked.name}-prompts.jsonl", attempt.folder / f"{asked.name}.jsonl"
        write_lines(prompts, asked.rows)
        growing = JsonLines(output.with_name(output.name + ".part"))

        def news() -> Progress:
            asked.take(attempt, growing.new())
            return asked.progress()

        files = {"model": str(path), "prompts": str(prompts), "output": str(output)}
        attempt.call(["rlhf.sample"], asked.settings | files, news, threads_for("sampling"))
        answered = JsonLines(output).new()
        attempt.insist(lambda: asked.take(attempt, answered))
        attempt.insist(lambda: attempt.beat(news()))
        return answered

    async def stream(
        self, model_id: int, messages: Messages, settings: dict[str, Any], project_id: int | None = None
    ) -> AsyncIterator[str | End]:
        """Ask the inference server."""
        with task_session() as session:
            address = registry.address_of(session.get_one(Model, model_id))
        text = ""
        async for part in inference.respond(address, messages, settings):
            if isinstance(part, inference.End):
                yield End(part.reason, estimate(messages), count(text))
            else:
                text += part
                yield part
