"""The runs' pages and their JSON API."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import event
from sqlalchemy.orm import Session

from app.models import ModelKind, Run, RunState, TrainingConfig
from app.runs import folders, work
from tests import factories
from tests.app.conftest import Browser, Cast

As = Callable[[str], Browser]


@pytest.fixture
def run(session: Session, cast: Cast) -> Run:
    made: Run = factories.training(
        session,
        cast.project,
        "ppo",
        state=RunState.RUNNING,
        claim="token",
        step=3,
        total_steps=12,
        unit="updates",
        steps_per_second=0.5,
        attempt=1,
        config=TrainingConfig(settings={"beta": 0.05}),
    )
    for step in (1, 2, 3):
        factories.run_metric(session, made, step, step / 10, "objective/scores")
        factories.run_sample(session, made, step, response=f"Said at {step}", score=0.25)
    return made


def test_a_running_run_shows_rate_time_left_and_latest_values(as_: As, cast: Cast, run: Run) -> None:
    page = as_("manager").get(f"/projects/{cast.project.id}/runs/{run.id}").text
    assert "3 of 12 updates, 0.50 a second, 18 s left" in page
    assert 'value="0.2500"' in page  # the progress bar
    assert "objective/scores" in page
    assert "0.3000" in page  # the table of latest values needs no JavaScript
    assert "Said at 3" in page
    assert "Said at 2" not in page
    assert "Said at 2" in as_("manager").get(f"/projects/{cast.project.id}/runs/{run.id}?step=2").text


def test_without_inline_script_or_style(as_: As, cast: Cast, run: Run) -> None:
    page = as_("manager").get(f"/projects/{cast.project.id}/runs/{run.id}").text
    assert " style=" not in page
    assert "<style" not in page
    assert "<script>" not in page


def test_what_a_model_said_is_escaped(as_: As, cast: Cast, run: Run, session: Session) -> None:
    factories.run_sample(
        session, run, 4, response="<script>alert(1)</script>", prompt=[{"role": "user", "content": "<b>"}]
    )
    page = as_("manager").get(f"/projects/{cast.project.id}/runs/{run.id}").text
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)" in page


def test_a_run_that_wants_a_gpu_says_what_it_waits_for(as_: As, cast: Cast, session: Session) -> None:
    waiting = factories.run(session, cast.project, needs_gpu=True)
    page = as_("manager").get(f"/projects/{cast.project.id}/runs/{waiting.id}").text
    assert "Waits for a worker with a GPU: nobody serves the queue “gpu” now." in page


def test_the_list_filters_and_refuses_unknown_filters(as_: As, cast: Cast, session: Session, run: Run) -> None:
    other = factories.run(session, cast.project, state=RunState.FAILED, error="The disk is full.")
    base = f"/projects/{cast.project.id}/runs"
    browser = as_("manager")
    everything = browser.get(base).text
    assert f"PPO {run.id}" in everything
    assert f"Sampling {other.id}" in everything
    table = browser.get(f"{base}?kind=sampling&state=failed").text.split("<tbody>")[1]
    assert f"Sampling {other.id}" in table
    assert f"PPO {run.id}" not in table
    assert browser.get(f"{base}?state=succeeded").text.count("No run fits this filter") == 1
    assert browser.get(f"{base}?kind=nonsense").status_code == 422


def test_cancel_resume_clone_delete(as_: As, cast: Cast, session: Session, run: Run) -> None:
    browser = as_("manager")
    base = f"/projects/{cast.project.id}/runs"
    answer = browser.submit(f"{base}/{run.id}/cancel")
    assert (answer.status_code, answer.headers["location"]) == (303, f"{base}/{run.id}")
    session.refresh(run)
    assert run.state is RunState.CANCELLING
    assert browser.submit(f"{base}/{run.id}/cancel").status_code == 409
    assert browser.submit(f"{base}/{run.id}/delete").status_code == 409
    work.finish(session, run.id, "token", RunState.CANCELLED)
    folder = folders.folder(run.id)
    folder.mkdir(parents=True)
    browser.submit(f"{base}/{run.id}/resume")
    session.refresh(run)
    assert run.state is RunState.QUEUED
    browser.submit(f"{base}/{run.id}/cancel")
    copied = browser.submit(f"{base}/{run.id}/clone").headers["location"]
    copy = session.get_one(Run, int(copied.rsplit("/", 1)[1]))
    assert (copy.parent_id, copy.config, copy.created_by_id) == (run.id, run.config, cast.manager.id)
    run_id = run.id
    assert browser.submit(f"{base}/{run_id}/delete").headers["location"] == base
    session.expire_all()
    assert session.get(Run, run_id) is None
    assert session.get_one(Run, copy.id).parent_id is None
    assert browser.get(f"{base}/{run_id}").status_code == 404


def test_a_run_that_others_come_from_stays(as_: As, cast: Cast, session: Session) -> None:
    sampling = factories.run(session, cast.project, state=RunState.SUCCEEDED)
    prompt = factories.prompt(session, cast.project)
    factories.item(session, prompt, cast.project.base_model, run_id=sampling.id)
    trained = factories.training(session, cast.project, "reward", state=RunState.SUCCEEDED)
    factories.model(session, cast.project, kind=ModelKind.REWARD, run_id=trained.id)
    for made in (sampling, trained):
        answer = as_("manager").submit(f"/projects/{cast.project.id}/runs/{made.id}/delete")
        assert answer.status_code == 409
        assert "cannot be deleted" in answer.text


def test_compare_shows_several_runs_and_no_foreign_one(as_: As, cast: Cast, session: Session, run: Run) -> None:
    second = factories.training(session, cast.project, "ppo", state=RunState.SUCCEEDED)
    factories.run_metric(session, second, 1, 0.77, "objective/scores")
    base = f"/projects/{cast.project.id}/runs/compare"
    page = as_("manager").get(f"{base}?run={run.id}&run={second.id}").text
    assert f"/runs/{run.id}/points" in page
    assert f"/runs/{second.id}/points" in page
    assert "0.7700" in page
    foreign = factories.run(session, cast.other)
    assert as_("manager").get(f"{base}?run={foreign.id}").status_code == 404


def test_a_run_of_another_project_does_not_exist_here(as_: As, cast: Cast, session: Session) -> None:
    foreign = factories.run(session, cast.other)
    base = f"/projects/{cast.project.id}/runs/{foreign.id}"
    browser = as_("manager")
    for path in ("", "/points", "/samples", "/log", "/events"):
        assert browser.get(base + path).status_code == 404, path
    for action in ("cancel", "resume", "clone", "delete"):
        assert browser.submit(f"{base}/{action}").status_code == 404, action
        assert browser.get(f"/api/v1{base}").status_code == 404


def test_points_are_thinned_and_gaps_are_null(as_: As, cast: Cast, session: Session, run: Run) -> None:
    from app.runs import figures

    figures.add_metrics(session, run.id, [("long", step, float(step)) for step in range(1, 6001)])
    figures.add_metrics(session, run.id, [("rare", step, 1.0) for step in (7, 1999)])
    figures.add_metrics(session, run.id, [("broken", 1, float("nan")), ("broken", 2, float("inf")), ("broken", 4, 1.0)])
    points = as_("manager").get(f"/projects/{cast.project.id}/runs/{run.id}/points").json()
    steps, values = points["long"]
    assert 1000 < len(steps) <= 1502
    assert steps[-1] == 6000
    assert values == [float(step) for step in steps]
    assert points["rare"] == [[7, 1999], [1.0, 1.0]]
    assert points["broken"] == [[1, 2, 4], [None, None, 1.0]]


def test_the_api_says_the_same(client: Browser, cast: Cast, session: Session, run: Run) -> None:
    headers = client.bearer(cast.manager)
    base = f"/api/v1/projects/{cast.project.id}/runs"
    listed = client.get(f"{base}?kind=training&method=ppo", headers=headers).json()
    assert [each["id"] for each in listed["items"]] == [run.id]
    shown: dict[str, Any] = client.get(f"{base}/{run.id}", headers=headers).json()
    assert (shown["state"], shown["step"], shown["config"]["settings"]) == ("running", 3, {"beta": 0.05})
    metrics = client.get(f"{base}/{run.id}/metrics?since=2", headers=headers).json()
    assert metrics == {"curves": {"objective/scores": {"steps": [2, 3], "values": [0.2, 0.3]}}}
    samples = client.get(f"{base}/{run.id}/samples", headers=headers).json()
    assert [each["response"] for each in samples["items"]] == ["Said at 3"]
    assert client.post(f"{base}/{run.id}/cancel", headers=headers).json()["state"] == "cancelling"
    assert client.post(f"{base}/{run.id}/resume", headers=headers).status_code == 409
    assert client.post(f"{base}/{run.id}/clone", headers=headers).status_code == 409  # one training at a time
    work.finish(session, run.id, "token", RunState.CANCELLED)
    assert client.post(f"{base}/{run.id}/clone", headers=headers).status_code == 201
    assert client.delete(f"{base}/{run.id}", headers=headers).status_code == 204


def test_the_number_of_queries_does_not_grow_with_the_list(as_: As, cast: Cast, session: Session) -> None:
    def count() -> int:
        seen: list[str] = []

        def note(*args: Any) -> None:
            seen.append(args[2])

        connection = session.connection().engine
        event.listen(connection, "before_cursor_execute", note)
        try:
            assert browser.get(f"/projects/{cast.project.id}/runs").status_code == 200
        finally:
            event.remove(connection, "before_cursor_execute", note)
        return len(seen)

    browser = as_("manager")
    for _ in range(2):
        factories.run(session, cast.project, snapshot_id=factories.snapshot(session, cast.project).id)
    few = count()
    for _ in range(30):
        model = factories.model(session, cast.project)
        snapshot = factories.snapshot(session, cast.project)
        factories.training(session, cast.project, "reward", model_id=model.id, snapshot_id=snapshot.id)
    session.expire_all()
    many = count()
    assert few > 0
    assert many <= few + 4
