"""A project with a reward model, three people, and items whose responses have features."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from sqlalchemy import select

from app import models as m
from app.db import task_session
from app.items import queue
from app.rewards import head_queries
from rlhf.live_head import sigmoid
from tests import factories

WIDTH = 24
TASTE = np.random.default_rng(42).normal(size=WIDTH)


@dataclass
class World:
    """A project with a reward model, three people, and items whose responses have features."""

    project: int
    model: int
    draw: np.random.Generator

    def items(
        self, count: int, label: Callable[[int, np.ndarray], float | None] | None = None, **over: Any
    ) -> list[int]:
        """Items with features; `label`: of an item's number and z, the probability that its label says the first."""
        made = []
        with task_session() as session:
            project, model = session.get_one(m.Project, self.project), session.get_one(m.Model, self.model)
            people = session.scalars(select(m.User).order_by(m.User.id)).all()
            states, width = over.pop("states", None), over.pop("width", WIDTH)
            for number in range(count):
                split = over.get("split") or (m.Split.HOLDOUT if number % 5 == 0 else m.Split.TRAIN)
                prompt = factories.prompt(session, project, split=split)
                values = {
                    "rank": float(self.draw.random()),
                    "control": number % 5 == 1,
                    "slots_left": int(label is None),
                }
                given = {
                    name: value for name, value in over.items() if name not in ("split", "rater", "outcome", "model")
                }
                item = factories.item(session, prompt, model, **values | given)
                vectors = self.draw.normal(size=(2, width)) if states is None else np.array([states, states])
                for response, vector in zip(item.responses, vectors, strict=True):
                    factories.response_features(session, over.get("model", model), response, vector)
                if label is not None:
                    p = label(number, vectors[0] - vectors[1])
                    outcome = (
                        m.Outcome.TIE if p is None else [m.Outcome.SECOND, m.Outcome.FIRST][self.draw.random() < p]
                    )
                    factories.label(session, item, people[over.get("rater", number % 3)], outcome)
                made.append(item.id)
        return made

    def row(self) -> m.ProjectHead | None:
        with task_session() as session:
            return head_queries.head(session, self.project)

    def report(self) -> m.HeadReport:
        found = self.row()
        assert found is not None
        return found.report

    def ranks(self) -> dict[int, float]:
        with task_session() as session:
            return {row.id: row.rank for row in queue.waiting(session, self.project, 1000)}


def by_taste(number: int, z: np.ndarray) -> float:
    return float(sigmoid(np.asarray(z @ TASTE)))


def begin() -> World:
    """In the database of this test."""
    with task_session() as session:
        project = factories.project(session, queue_order=m.QueueOrder.UNCERTAIN)
        model = factories.model(session, project, kind=m.ModelKind.REWARD, state=m.ModelState.READY)
        for _ in range(3):
            factories.user(session)
        return World(project.id, model.id, np.random.default_rng(0))
