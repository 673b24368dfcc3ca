"""A queue to claim from, over the rolled-back session."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy.orm import Session

from app import models as m
from app.labels import leases
from tests import factories


@pytest.fixture(autouse=True)
def _no_hints() -> Iterator[None]:
    leases._hints.clear()
    yield
    leases._hints.clear()


MakeQueue = Callable[..., tuple[m.Project, list[m.Item]]]


@pytest.fixture
def queue(session: Session) -> MakeQueue:
    """`queue(3, overlap=2)` -> a project and its items in the order in which they are asked."""

    def make(count: int, overlap: int = 1, **project: Any) -> tuple[m.Project, list[m.Item]]:
        row = factories.project(session, overlap=overlap, **project)
        items = [
            factories.item(
                session,
                factories.prompt(session, row),
                row.base_model,
                overlap_target=overlap,
                slots_left=overlap,
                rank=float(place),
            )
            for place in range(count)
        ]
        return row, items

    return make
