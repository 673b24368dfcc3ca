"""What is written for any number of rows is one statement: the driver keeps the texts of the last hundred, so that a
worker whose every text was another one grew by some megabytes."""

import math
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import event, select
from sqlalchemy.orm import Session

from app.models import RunMetric
from app.rewards import head_queries, queries
from app.runs import figures
from tests import factories


@pytest.fixture
def sent(session: Session) -> Iterator[set[str]]:
    """The texts that were sent."""
    found: set[str] = set()

    def note(*given: Any) -> None:
        found.add(given[2])

    event.listen(session.get_bind(), "before_cursor_execute", note)
    yield found
    event.remove(session.get_bind(), "before_cursor_execute", note)


@pytest.mark.parametrize("what", ["metrics", "scores", "features"])
def test_any_number_of_rows_is_one_statement(session: Session, sent: set[str], what: str) -> None:
    project = factories.project(session)
    run = factories.training(session, project)
    item = factories.item(session, factories.prompt(session, project), project.base_model)
    ids = [response.id for response in item.responses]

    def write(count: int) -> None:
        if what == "metrics":
            figures.add_metrics(session, run.id, [("loss", step, float(step)) for step in range(count)])
        elif what == "scores":
            rows = [{"response_id": id_, "score": 0.5, "spread": None} for id_ in ids[:count]]
            queries.add_scores(session, project.base_model_id, rows)
        else:
            found = [head_queries.Features(id_, b"\x00\x3c", 3) for id_ in ids[:count]]
            head_queries.add_features(session, project.base_model_id, found)

    write(1)
    session.flush()
    first = set(sent)
    assert any("insert" in text.lower() for text in first)
    write(2)
    assert sent == first


def test_a_curve_may_go_where_no_number_is(session: Session) -> None:
    run = factories.training(session, factories.project(session))
    figures.add_metrics(session, run.id, [("loss", 1, math.nan), ("loss", 2, math.inf), ("loss", 3, 1 / 3)])
    figures.add_metrics(session, run.id, [("loss", 3, 2 / 3)])
    found = dict(map(tuple, session.execute(select(RunMetric.step, RunMetric.value).where(RunMetric.run_id == run.id))))
    assert math.isnan(found[1])
    assert (found[2], found[3]) == (math.inf, 2 / 3)
