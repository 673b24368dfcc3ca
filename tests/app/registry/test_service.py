"""Base models prepared once, models registered once, files that must be there."""

from pathlib import Path
from threading import Thread

import pytest
import redis
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.db import task_session
from app.models import Model, ModelKind, ModelState, RunState
from app.registry import service
from app.runs import preparation, queries
from app.runs import work as run_work
from app.settings import get_settings
from app.web.errors import Conflict, Invalid
from tests import factories


def test_a_source_is_one_row_however_often_it_is_asked_for(database: str, redis_url: str) -> None:
    found: list[int] = []

    def ask() -> None:
        with task_session() as session:
            found.append(preparation.base_model(session, "builtin:smollm2-135m-instruct").id)

    threads = [Thread(target=ask) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with task_session() as session:
        assert session.scalar(select(func.count()).select_from(Model)) == 1
        model = session.get_one(Model, found[0])
        assert (model.name, model.state) == ("smollm2-135m-instruct", ModelState.PREPARING)
    assert len(set(found)) == 1
    with redis.Redis.from_url(redis_url) as broker:
        assert broker.llen("sampling") == 1


def test_a_failed_source_is_tried_again(session: Session) -> None:
    model = preparation.base_model(session, "/nowhere")
    run = queries.preparation_of(session, model.id)
    assert run is not None
    claimed = run_work.claim(session, run.id, "w", "cpu")
    assert claimed is not None
    run_work.finish(session, run.id, str(claimed.claim), RunState.FAILED, error="There is no such folder.")
    assert (model.state, model.error) == (ModelState.FAILED, "There is no such folder.")
    again = preparation.base_model(session, "/nowhere")
    assert again.id == model.id
    assert (again.state, again.error) == (ModelState.PREPARING, None)
    assert queries.preparation_of(session, model.id) is run
    assert run.state is RunState.QUEUED


def test_many_sources_are_registered_over_one_connection(session: Session) -> None:
    # After a dozen times PostgreSQL has a plan for any parameter, which has to know the unique index as well.
    for number in range(20):
        assert preparation.base_model(session, f"/models/{number}").name == f"{number}"


@pytest.mark.parametrize("source", ["", "   ", "x" * 501])
def test_an_empty_or_endless_source_is_refused(session: Session, source: str) -> None:
    with pytest.raises(Invalid, match="Name a base model"):
        preparation.base_model(session, source)


@pytest.mark.parametrize(
    ("source", "name"),
    [("tiny:7", "tiny 7"), ("/models/mine/", "mine"), ("org/name", "name"), ("builtin:x", "x")],
)
def test_names(session: Session, source: str, name: str) -> None:
    assert preparation.base_model(session, source).name == name


def test_register_is_idempotent_per_run(session: Session) -> None:
    project = factories.project(session)
    run = factories.training(session, project, "reward")
    made = [
        service.register(
            session,
            run=run,
            kind=ModelKind.REWARD,
            parent=project.base_model,
            artifact="runs/1/model",
            name="reward 1",
            metrics={"eval_accuracy": 0.7},
        )
        for _ in range(2)
    ]
    assert made[0].id == made[1].id
    assert (made[0].project_id, made[0].parent_id, made[0].run_id) == (project.id, project.base_model_id, run.id)


def test_artifact_path_says_what_is_missing(session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HONE_STORE_DIR", str(tmp_path))
    get_settings.cache_clear()
    try:
        project = factories.project(session)
        model = factories.model(session, project, artifact="runs/1/model", name="policy 1")
        with pytest.raises(Conflict, match=r"files of policy 1 are gone"):
            service.artifact_path(model)
        assert not service.is_usable(model)
        (tmp_path / "runs/1/model").mkdir(parents=True)
        (tmp_path / "runs/1/model/config.json").write_text("{}")
        assert service.artifact_path(model) == tmp_path / "runs/1/model"
        assert service.is_usable(model)
        with pytest.raises(Conflict, match="still being prepared"):
            service.artifact_path(preparation.base_model(session, "org/name"))
    finally:
        get_settings.cache_clear()


def test_lineage_runs_from_the_base_model_to_the_model(session: Session) -> None:
    project = factories.project(session)
    first = factories.model(session, project)
    second = factories.model(session, project, parent_id=first.id)
    factories.model(session, project, parent_id=first.id)
    assert [m.id for m in service.lineage(session, second)] == [project.base_model_id, first.id, second.id]
