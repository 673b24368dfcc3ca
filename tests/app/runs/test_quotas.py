"""How much one project or person takes of what all share: quotas where runs are made, turns where they are taken."""

from threading import Barrier, Thread
from typing import Any

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.db import task_session
from app.models import ImportConfig, Project, Run, RunKind, RunState
from app.runs import service, work
from app.runs.states import LARGE
from app.settings import get_settings
from app.web.errors import Conflict, Refused, TooMany
from tests import factories


@pytest.fixture(autouse=True)
def own_limits(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("REDIS_URL", redis_url)
    get_settings.cache_clear()
    yield
    get_settings.cache_clear()


def start(session: Session, project: Project, kind: RunKind | str, **more: Any) -> Run:
    """A run of a kind, or a training by a method."""
    if not isinstance(kind, RunKind):
        kind, more["method"] = RunKind.TRAINING, kind
    config = factories.asked(kind, session, project)
    return service.create(session, project, config, model=project.base_model, **more)


@pytest.mark.parametrize(
    ("kind", "most"), [(RunKind.SAMPLING, 8), (RunKind.SCORING, 8), (RunKind.EVALUATION, 8), ("reward", 1), ("ppo", 1)]
)
def test_a_project_has_so_many_runs_of_a_kind_at_once(session, kind, most):
    project, neighbour = factories.project(session), factories.project(session)
    runs = [start(session, project, kind) for _ in range(most)]
    with pytest.raises(Conflict, match=r"Cancel it|cancel one"):
        start(session, project, kind)
    with pytest.raises(Conflict):
        service.clone(session, None, runs[0])
    start(session, neighbour, kind)
    service.request_cancel(session, None, runs[0])
    start(session, project, kind)
    with pytest.raises(Conflict, match=r"running already|queued or running"):
        service.resume(session, None, runs[0])


def test_forty_clones_are_not_forty_runs(as_, cast, session):
    run = factories.run(session, cast.project, RunKind.SAMPLING, state=RunState.SUCCEEDED)
    statuses = []
    for _ in range(40):
        answer = as_("manager").submit(f"/projects/{cast.project.id}/runs/{run.id}/clone")
        statuses.append(answer.status_code)
    assert statuses[:8] == [303] * 8
    assert set(statuses[8:]) == {409}
    assert "as many as it may" in answer.text
    assert session.scalar(select(func.count()).where(Run.project_id == cast.project.id, Run.state == "queued")) == 8


def test_a_person_starts_so_many_runs_in_an_hour(session, monkeypatch):
    monkeypatch.setenv("HONE_RUNS_PER_HOUR", "5")
    get_settings.cache_clear()
    user, other = factories.user(session), factories.user(session)
    for _ in range(5):
        start(session, factories.project(session), RunKind.SAMPLING, created_by=user)
    with pytest.raises(
        TooMany, match=r"^You have begun 5 runs in the last hour, as many as one person may\. Please wait"
    ):
        start(session, factories.project(session), RunKind.SAMPLING, created_by=user)
    start(session, factories.project(session), RunKind.SAMPLING, created_by=other)
    start(session, factories.project(session), RunKind.SAMPLING, automatic=True)


def test_what_a_training_brings_with_it_always_has_a_place(session):
    project = factories.project(session)
    for _ in range(8):
        start(session, project, RunKind.EVALUATION)
    start(session, project, RunKind.EVALUATION, automatic=True)


def test_starts_at_the_same_moment_keep_the_quota(database):
    with task_session() as session:
        project_id = factories.project(session).id
    barrier, outcomes = Barrier(8), []

    def begin() -> None:
        with task_session() as session:
            project = session.get_one(Project, project_id)
            barrier.wait()
            try:
                outcomes.append(start(session, project, "ppo").id)
            except Refused as refusal:
                outcomes.append(refusal.message)

    threads = [Thread(target=begin) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(isinstance(each, int) for each in outcomes) == 1


def test_projects_take_turns_whichever_message_comes(session):
    greedy, modest = factories.project(session), factories.project(session)
    crowd = [factories.run(session, greedy, RunKind.EVALUATION) for _ in range(6)]
    late = [factories.run(session, modest, RunKind.SAMPLING) for _ in range(2)]
    other_queue = factories.training(session, modest, "ppo")
    taken = []
    for run in [*crowd, *late]:  # the messages come in the order of the runs
        claimed = work.claim_turn(session, run.id, "worker", "cpu")
        assert claimed is not None
        taken.append(claimed.id)
        work.finish(session, claimed.id, claimed.claim or "", RunState.SUCCEEDED)
    assert taken == [crowd[0].id, late[0].id, crowd[1].id, late[1].id, *(run.id for run in crowd[2:])]
    assert work.claim_turn(session, crowd[0].id, "worker", "cpu") is None
    assert service.current(session, other_queue).state is RunState.QUEUED


def test_a_project_with_a_run_at_work_lets_others_go_first(session):
    first, second = factories.project(session), factories.project(session)
    factories.training(session, second, "reward", state=RunState.SUCCEEDED)
    mine = [factories.training(session, first, "reward") for _ in range(3)]
    theirs = factories.training(session, second, "ppo")
    claimed = [work.claim_turn(session, mine[0].id, f"worker-{n}", "cpu") for n in range(2)]
    assert [run.id for run in claimed if run] == [mine[0].id, theirs.id]


def test_an_import_begins_beside_another_and_what_is_undone_is_undone_alone(session):
    project, other = factories.project(session), factories.project(session)

    large, small, undo, later = [
        factories.run(session, project, kind) for kind in (RunKind.IMPORT, RunKind.IMPORT, RunKind.UNDO, RunKind.IMPORT)
    ]
    elsewhere = factories.run(session, other, RunKind.UNDO)
    known = {large.id: "large", small.id: "small", undo.id: "undo", later.id: "later", elsewhere.id: "elsewhere"}

    def taken() -> str | None:
        found = work.claim_turn(session, large.id, "worker", "cpu")
        return found and known[found.id]

    def ends(run: Run) -> None:
        session.refresh(run)
        assert work.finish(session, run.id, run.claim or "", RunState.SUCCEEDED)

    assert [taken(), taken(), taken(), taken()] == ["large", "elsewhere", "small", None]
    ends(small)
    assert taken() is None  # what is undone waits for the imports of its project, and later ones for it
    ends(large)
    assert [taken(), taken()] == ["undo", None]
    ends(undo)
    assert [taken(), taken()] == ["later", None]


def test_one_large_import_is_at_work_at_a_time_so_that_a_small_one_need_not_wait(session):
    def queued(size: int | None) -> Run:
        config = ImportConfig(file="imports/1/x", name="x", what="labels", size=size)
        return factories.run(session, factories.project(session), RunKind.IMPORT, config=config)

    large, hub, another, small = queued(LARGE), queued(None), queued(10**9), queued(LARGE - 1)

    def taken() -> int | None:
        found = work.claim_turn(session, hub.id, "worker", "cpu")
        return found and found.id

    assert [taken(), taken(), taken()] == [large.id, small.id, None]
    session.refresh(large)
    work.finish(session, large.id, large.claim or "", RunState.SUCCEEDED)
    assert [taken(), taken()] == [hub.id, None]
    session.refresh(hub)  # fetched, it is as large as it is
    hub.config = hub.asked(ImportConfig).model_copy(update={"size": 400})
    session.flush()
    assert [taken(), taken()] == [another.id, None]


def test_the_gpu_has_a_queue_of_its_own(session):
    project, other = factories.project(session), factories.project(session)
    on_cpu = factories.training(session, project, "ppo")
    on_gpu = [factories.training(session, each, "ppo", needs_gpu=True) for each in (project, project, other)]
    order = [work.claim_turn(session, on_gpu[0].id, "gpu", "GPU") for _ in range(3)]
    assert [run.id for run in order if run] == [on_gpu[0].id, on_gpu[2].id, on_gpu[1].id]
    assert service.current(session, on_cpu).state is RunState.QUEUED
    assert work.claim_turn(session, 10**15, "gpu", "GPU") is None


def test_workers_at_once_never_take_one_run_twice(database):
    with task_session() as session:
        projects = [factories.project(session) for _ in range(3)]
        ids = [factories.run(session, project, RunKind.SAMPLING).id for project in projects for _ in range(4)]
    barrier, taken = Barrier(6), []

    def take(name: str) -> None:
        barrier.wait()
        for run_id in ids[::2] if name.endswith("0") else ids[1::2]:
            with task_session() as session:
                run = work.claim_turn(session, run_id, name, "cpu")
                if run is not None:
                    taken.append(run.id)

    threads = [Thread(target=take, args=(f"worker-{n}{n % 2}",)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(taken) == sorted(ids)


def test_thirty_projects_are_too_many_for_one_person(as_, cast, session):
    browser = as_("colleague")
    headers = {"X-CSRF-Token": browser.csrf()}
    statuses = [
        browser.post("/api/v1/projects", json={"name": f"P{n}", "starter_prompts": False}, headers=headers).status_code
        for n in range(30)
    ]
    assert statuses[:20] == [201] * 20
    assert set(statuses[20:]) <= {409, 429}


def test_archived_projects_do_not_count_and_administrators_are_not_counted(as_, cast, session, monkeypatch):
    monkeypatch.setenv("HONE_PROJECTS_PER_PERSON", "2")
    get_settings.cache_clear()

    def create(who: str) -> Any:
        browser = as_(who)
        headers = {"X-CSRF-Token": browser.csrf()}
        return browser.post("/api/v1/projects", json={"name": "P", "starter_prompts": False}, headers=headers)

    made = [create("manager") for _ in range(3)]
    assert [each.status_code for each in made] == [201, 201, 409]
    assert "Archive one" in made[2].json()["detail"]
    as_("manager").submit(f"/projects/{made[0].json()['id']}/settings/archive")
    assert create("manager").status_code == 201
    assert [create("admin").status_code for _ in range(3)] == [201] * 3
