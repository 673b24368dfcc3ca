"""People and pairs to answer, over the rolled-back session."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy.orm import Session

from app import models as m
from app.labels import service as labels
from app.pairs import leases
from tests import factories


@pytest.fixture(autouse=True)
def _nothing_remembered() -> Iterator[None]:
    leases._hints.clear()
    labels._totals.clear()
    labels._today.clear()
    yield
    leases._hints.clear()
    labels._totals.clear()
    labels._today.clear()


AddPairs = Callable[..., list[m.Pair]]


@pytest.fixture
def add_pairs(session: Session) -> AddPairs:
    """`add_pairs(project, 3, overlap=2)`: pairs in the order in which they are asked."""

    def add(project: m.Project, count: int = 1, overlap: int = 1, **over: Any) -> list[m.Pair]:
        values = {"overlap_target": overlap, "slots_left": overlap} | over
        return [
            factories.pair(
                session,
                factories.prompt(session, project),
                project.base_model,
                **{"priority": -float(place), **values},
            )
            for place in range(count)
        ]

    return add
