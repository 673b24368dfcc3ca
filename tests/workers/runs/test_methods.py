"""A method that is added from outside is executed like those that come with Hone: by its own command."""

from collections.abc import Iterator
from threading import Event

import pytest
from sqlalchemy import select

from app.db import task_session
from app.methods import METHODS, Method, register
from app.models import Model, Run, RunMetric, RunState
from app.registry import service as registry
from app.runs import readable_log, training
from tests import factories
from tests.stirring import Stirring
from workers.runs.execution import execute


@pytest.fixture
def stir() -> Iterator[Method]:
    yield register(Stirring())
    del METHODS["stir"]


def test_an_added_method_is_executed_and_its_model_registered(database: str, stir: Method) -> None:
    with task_session() as session:
        project = factories.project(session)
        run_id = training.start(session, project, None, stir, training.checked(stir, {"rounds": 4})).id
    assert execute(run_id, "here:1", "CPU", Event()) is RunState.SUCCEEDED
    with task_session() as session:
        run = session.get_one(Run, run_id)
        assert (run.step, run.total_steps, run.unit, run.error) == (4, 4, "turns", None)
        assert dict(run.summary or {})["spoons"] == 1
        points = session.scalars(select(RunMetric.value).where(RunMetric.run_id == run_id, RunMetric.name == "swirl"))
        assert sorted(points) == [0.1, 0.2, 0.3, 0.4]
        model = session.scalars(select(Model).where(Model.run_id == run_id)).one()
        assert (model.name, registry.artifact_path(model).is_dir()) == ("Stirred", True)
        assert "stirred" in str(readable_log.tail(run))


def test_a_worker_without_the_method_says_so(database: str) -> None:
    with task_session() as session:
        run_id = factories.training(session, factories.project(session), "vanished").id
    assert execute(run_id, "here:1", "CPU", Event()) is RunState.FAILED
    with task_session() as session:
        assert "The method vanished is not installed on this worker" in str(session.get_one(Run, run_id).error)
