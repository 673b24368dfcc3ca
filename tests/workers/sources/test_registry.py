"""A source that an extension adds: offered by a command, sampled by a plan, asked by chat's way as well."""

import asyncio
from collections.abc import AsyncIterator
from threading import Event
from typing import Any

import pytest

from app import models as m
from app.db import task_session
from app.items import service as items
from app.models.sampling_plan import PlannedSource, SamplingPlan
from app.registry import service as models
from app.web.errors import Conflict
from tests import factories
from tests.workers.cli.test_cli import hone, refused
from workers.inference import elsewhere
from workers.inference.protocol import ApiError, ChatRequest
from workers.runs.attempt import Attempt
from workers.runs.execution import execute
from workers.sources import registry
from workers.sources.source import Asked, End, Row


class Canned:
    """Says what it was given to say."""

    def respond(self, attempt: Attempt, asked: Asked) -> list[Row]:
        said = [{"text": f"Can {n}.", "finish_reason": "stop", "tokens": 2, "strategy": "greedy"} for n in range(9)]
        rows = [row | {"responses": said[: asked.settings["n"]]} for row in asked.rows]
        asked.take(attempt, rows)
        attempt.beat(asked.progress())
        return rows

    async def stream(
        self, model_id: int, messages: m.Messages, settings: dict[str, Any], project_id: int | None = None
    ) -> AsyncIterator[str | End]:
        yield "Can "
        yield "one."
        yield End("stop", 1, 2)


def test_a_source_of_an_extension(database: str, monkeypatch: pytest.MonkeyPatch):
    with task_session() as session:
        factories.user(session, is_admin=True)
    assert "There are: none" in refused("models", "offer", "Tin", "--from", "canned")
    monkeypatch.setattr(registry, "_SOURCES", dict(registry._SOURCES))
    registry.register("canned", Canned())
    assert "no source folder of an extension" in refused("models", "offer", "Tin", "--from", "folder")
    model_id = int(hone("models", "offer", "Tin", "--from", "canned").stdout.split()[1])
    with task_session() as session:
        project = factories.project(session)
        factories.prompt(session, project)
        project.plan = SamplingPlan(sources=[PlannedSource(model_id=model_id)])
        run = items.plan_sampling(session, project, automatic=False)
        assert run is not None
    assert execute(run.id, "here:1", "CPU", Event()) is m.RunState.SUCCEEDED
    with task_session() as session:
        assert session.get_one(m.Run, run.id).summary == {"prompts": 1, "pairs": 1, "refused": 0}
    body: dict[str, Any] = {"model": f"sources/{model_id}", "messages": [{"role": "user", "content": "Hello"}]}
    whole = asyncio.run(elsewhere.whole(elsewhere.parts(model_id, ChatRequest(**body)), "x"))
    assert whole["choices"][0]["message"]["content"] == "Can one."
    with pytest.raises(ApiError, match="one answer at a time"):
        asyncio.run(elsewhere.whole(elsewhere.parts(model_id, ChatRequest(**body, n=2)), "x"))


def test_a_source_that_is_no_longer_there(database: str):
    with task_session() as session:
        model = models.offer_elsewhere(session, None, "Tin", "canned")
        with pytest.raises(Conflict, match="Tin answers from “canned”, which is not installed here"):
            registry.source_of(model)
