"""The checklist of the first round, ticked by the rows that its steps leave; and how long the next step takes."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.home import service
from app.home.first_round import FirstRound, first_round
from app.methods import METHODS
from app.models import AuditEvent, ModelKind, Project, RunKind, RunState, TrainingConfig, TurnRole
from app.rewards.service import FIRST_TRAINING
from tests import factories
from tests.app.conftest import Browser, Cast

As = Callable[[str], Browser]


def look(session: Session, project: Project) -> FirstRound:
    session.flush()
    session.expire_all()
    return first_round(session, project, service.situation(session, project))


def label_items(session: Session, project: Project, count: int) -> None:
    prompt, person = factories.prompt(session, project), factories.user(session)
    for _ in range(count):
        item = factories.item(session, prompt, project.base_model, slots_left=0)
        factories.label(session, item, person)


@pytest.fixture
def project(session: Session) -> Project:
    made: Project = factories.project(session, name="Ours")
    return made


def test_each_step_is_ticked_by_what_it_leaves(session: Session, project: Project) -> None:
    names = ["prompts", "pairs", "labels", "reward-model", "policy", "chat"]
    seen = look(session, project)
    assert ([step.name for step in seen.steps], seen.done, seen.shown) == (names, 0, True)
    factories.prompt(session, project)
    assert open_steps(session, project) == names[1:]
    factories.item(session, factories.prompt(session, project), project.base_model)
    assert open_steps(session, project) == names[2:]
    label_items(session, project, FIRST_TRAINING - 1)
    [labels] = [step for step in look(session, project).steps if step.name == "labels"]
    assert (labels.state, labels.done) == (f"{FIRST_TRAINING - 1} of {FIRST_TRAINING}", False)
    label_items(session, project, 1)
    assert open_steps(session, project) == names[3:]
    factories.model(session, project, kind=ModelKind.REWARD)
    assert open_steps(session, project) == names[4:]
    policy = factories.model(session, project)
    chat = factories.conversation(session, project, factories.user(session))
    factories.turn(session, chat, 0, role=TurnRole.ASSISTANT, model_id=project.base_model_id)
    assert open_steps(session, project) == names[5:]  # it was the base model that answered
    [last] = look(session, project).steps[5:]
    assert (last.page, last.button) == ("policies", "Promote a policy")
    project.policy_id = policy.id
    assert look(session, project).steps[5].page == "chat"
    factories.turn(session, chat, 1, role=TurnRole.ASSISTANT, model_id=policy.id)
    seen = look(session, project)
    assert (seen.done, seen.current, seen.shown) == (6, None, False)


def open_steps(session: Session, project: Project) -> list[str]:
    return [step.name for step in look(session, project).steps if not step.done]


def test_it_is_hidden_and_shown_again_by_page_and_api(as_: As, cast: Cast, session: Session) -> None:
    manager, page = as_("manager"), f"/projects/{cast.project.id}"
    assert "First steps" in manager.get(page).text
    for _ in range(2):  # sent twice, done once
        assert manager.submit(f"{page}/first-round", hidden="true").status_code == 303
    text = manager.get(page).text
    assert '<h2 id="first-title">' not in text
    assert "Show the first steps" in text
    assert manager.get(f"/api/v1{page}/loop").json()["first_round_hidden"] is True
    said = session.scalars(select(AuditEvent.action).where(AuditEvent.action.startswith("project.first_round"))).all()
    assert said == ["project.first_round_hidden"]
    answer = manager.patch(
        f"/api/v1{page}", json={"first_round_hidden": False}, headers={"X-CSRF-Token": manager.csrf()}
    )
    assert answer.json()["first_round_hidden"] is False
    assert '<h2 id="first-title">' in manager.get(page).text
    assert as_("annotator").submit(f"{page}/first-round", hidden="true").status_code == 403


def time_left(session: Session, project: Project) -> str | None:
    session.flush()
    session.expire_all()
    return service.next_step(service.situation(session, project)).time


def test_the_time_to_the_next_training_is_by_the_pace_of_the_last_hour(session: Session, project: Project) -> None:
    factories.item(session, factories.prompt(session, project), project.base_model)
    assert time_left(session, project) is None  # nothing was measured yet
    person = factories.user(session)
    now = datetime.now(UTC)
    for minute in range(10):  # one every two minutes, the first 20 minutes ago: 50 are left, so 100 minutes
        item = factories.item(session, factories.prompt(session, project), project.base_model, slots_left=0)
        factories.label(session, item, person, created_at=now - timedelta(minutes=20 - 2 * minute))
    assert time_left(session, project) == "About 1 h 40 min at the pace of the last hour."


def test_where_nobody_labels_now_it_is_one_persons_work(session: Session, project: Project) -> None:
    factories.item(session, factories.prompt(session, project), project.base_model)
    person, then = factories.user(session), datetime.now(UTC) - timedelta(days=2)
    for seconds in (10, 20, 30, 30, 60, 90):  # the median is 30: 54 labels are left, 27 minutes
        item = factories.item(session, factories.prompt(session, project), project.base_model, slots_left=0)
        factories.label(session, item, person, created_at=then, seconds=float(seconds))
    assert time_left(session, project) == "About 25 min of one person’s work, at 30 s a label."


def test_labels_that_do_not_say_how_long_they_took_tell_no_pace(session: Session, project: Project) -> None:
    """A program that labels by calls need not say it."""
    factories.item(session, factories.prompt(session, project), project.base_model)
    person, then = factories.user(session), datetime.now(UTC) - timedelta(days=2)
    for seconds in (None, None, None, None, None, 30.0):
        item = factories.item(session, factories.prompt(session, project), project.base_model, slots_left=0)
        factories.label(session, item, person, created_at=then, seconds=seconds)
    assert time_left(session, project) is None


def test_a_run_says_what_is_left_of_it_and_a_training_what_the_last_one_took(
    session: Session, project: Project
) -> None:
    factories.prompt(session, project)
    run = factories.run(
        session, project, RunKind.SAMPLING, state=RunState.RUNNING, step=10, total_steps=50, steps_per_second=0.1
    )
    assert time_left(session, project) == "About 7 min left."  # 400 seconds
    run.state = RunState.SUCCEEDED
    label_items(session, project, FIRST_TRAINING)
    assert time_left(session, project) is None
    now = datetime.now(UTC)
    ended = {"state": RunState.SUCCEEDED, "started_at": now - timedelta(seconds=30), "ended_at": now}
    other = factories.project(session, base_model_id=project.base_model_id)
    form = METHODS["reward"].form().config()
    ended["config"], ended["attempt"] = TrainingConfig(settings=form.settings, options=form.options), 1
    ended["snapshot_id"] = factories.snapshot(session, other, train_pair_count=200).id
    factories.training(session, other, "reward", **ended)
    assert time_left(session, project) == "Less than a minute, judged by earlier ones."
    ended["started_at"] = now - timedelta(minutes=4)
    factories.training(session, project, "reward", **ended)
    assert time_left(session, project) == "About 4 min, judged by earlier ones."
