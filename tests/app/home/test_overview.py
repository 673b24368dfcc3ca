"""All projects at a glance: figures, what each needs, and the order that is asked for."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy.orm import Session

from app.home import overview_queries
from app.home.overview import Glance, Sort, Urgency, overview
from app.models import (
    ModelKind,
    ModelState,
    Outcome,
    Project,
    PromptStatus,
    Role,
    RunKind,
    RunState,
    User,
)
from tests import factories
from tests.app.conftest import Browser, Cast

As = Callable[[str], Browser]


@pytest.fixture
def boss(session: Session) -> User:
    made: User = factories.user(session, name="Boss")
    return made


def project(session: Session, boss: User, name: str, items: int = 1, **over: Any) -> Project:
    made: Project = factories.project(session, name=name, **over)
    factories.member(session, made, boss, Role.MANAGER)
    for _ in range(items):
        factories.item(session, factories.prompt(session, made), made.base_model)
    return made


def label(session: Session, made: Project, person: User, at: datetime, outcome: Outcome = Outcome.FIRST) -> None:
    it = factories.item(session, factories.prompt(session, made), made.base_model, slots_left=0)
    for who, said in ((person, Outcome.FIRST), (factories.user(session), outcome)):
        factories.label(session, it, who, said, created_at=at)


def look(session: Session, user: User, sort: Sort = Sort.ATTENTION) -> dict[str, Glance]:
    session.flush()
    session.expire_all()
    return {glance.project.name: glance for glance in overview(session, user, sort)}


def test_figures_are_each_projects_own(session: Session, boss: User) -> None:
    now = datetime.now(UTC)
    one, two = project(session, boss, "One", items=3), project(session, boss, "Two")
    label(session, one, boss, now)
    label(session, one, boss, now, Outcome.SECOND)
    label(session, one, boss, now - timedelta(days=8))
    factories.run(session, two, RunKind.SAMPLING, state=RunState.RUNNING)
    found = look(session, boss)
    assert [(g.today, g.week, g.labels, g.queue, g.active_runs) for g in (found["One"], found["Two"])] == [
        (4, 4, 6, 3, 0), (0, 0, 0, 1, 1),
    ]  # fmt: skip
    assert found["One"].agreement.percent == pytest.approx(2 / 3)
    assert found["Two"].agreement.percent is None


def test_the_last_hour_reaches_back_over_the_beginning_of_the_week(session: Session, boss: User) -> None:
    now = datetime.now(UTC)
    made = project(session, boss, "Ours")
    label(session, made, boss, now - timedelta(minutes=30))
    session.flush()
    found = overview_queries.figures(session, [made.id], now, now)[made.id]
    assert (found.today, found.week, found.hour, found.last_at) == (0, 0, 2, now - timedelta(minutes=30))
    assert float(found.hour_seconds) == pytest.approx(1800, abs=60)


def needs(session: Session, boss: User, made: Project) -> tuple[Urgency, str]:
    attention = look(session, boss)[made.name].attention
    return attention.urgency, attention.sentence


def test_what_stops_the_loop_comes_before_what_waits_and_what_is_next(session: Session, boss: User) -> None:
    made = project(session, boss, "Ours", items=0)
    assert needs(session, boss, made) == (Urgency.NOW, "There are no prompts yet.")
    factories.prompt(session, made)
    made.automation = made.automation.model_copy(update={"keep_queue_filled": False})
    assert needs(session, boss, made) == (Urgency.NOW, "The queue is empty, and automatic sampling is off.")
    factories.item(session, factories.prompt(session, made), made.base_model)
    assert needs(session, boss, made) == (Urgency.NONE, "60 more labels until the first reward model.")
    now = datetime.now(UTC)
    for minute in range(3):  # six labels in twenty minutes: 54 more take three hours
        label(session, made, boss, now - timedelta(minutes=20 - 5 * minute))
    told = "54 more labels until the first reward model. About 3 h at the pace of the last hour."
    assert needs(session, boss, made) == (Urgency.NONE, told)
    for _ in range(27):
        label(session, made, boss, now)
    assert needs(session, boss, made) == (Urgency.SOON, "60 labels, enough for the first reward model.")
    factories.prompt(session, made, status=PromptStatus.REVIEW)
    assert needs(session, boss, made) == (Urgency.SOON, "1 prompt from chat to review.")
    factories.member(session, made, factories.user(session), paused_at=now)
    assert needs(session, boss, made) == (Urgency.SOON, "1 person is paused.")
    failed = factories.training(session, made, "reward", state=RunState.FAILED)
    assert needs(session, boss, made) == (Urgency.NOW, f"Run {failed.id} failed.")
    factories.training(session, made, "reward", state=RunState.SUCCEEDED)
    assert needs(session, boss, made)[0] is Urgency.SOON
    made.base_model.state = ModelState.FAILED
    assert needs(session, boss, made) == (Urgency.NOW, f"The base model {made.base_model.name} cannot be used.")


def test_a_new_reward_model_is_due_by_the_projects_own_number(session: Session, boss: User) -> None:
    made = project(session, boss, "Ours")
    factories.model(session, made, kind=ModelKind.REWARD)
    factories.snapshot(session, made)
    wanted = made.automation.labels_between_rewards
    assert needs(session, boss, made) == (Urgency.NONE, f"{wanted} more labels until a new reward model.")


def test_the_order_is_what_is_asked_for(session: Session, boss: User) -> None:
    quiet, busy = project(session, boss, "b quiet", items=1), project(session, boss, "A busy", items=5)
    project(session, boss, "c empty", items=0)
    label(session, busy, boss, datetime.now(UTC))
    assert list(look(session, boss)) == ["c empty", "A busy", "b quiet"]  # what needs somebody, then the newest
    assert list(look(session, boss, Sort.NAME)) == ["A busy", "b quiet", "c empty"]
    assert next(iter(look(session, boss, Sort.TODAY))) == "A busy"
    assert list(look(session, boss, Sort.QUEUE)) == ["c empty", "b quiet", "A busy"]
    assert list(look(session, boss, Sort.NEWEST)) == ["c empty", "A busy", "b quiet"]
    factories.run(session, quiet)
    assert next(iter(look(session, boss, Sort.RUNS))) == "b quiet"


def test_only_projects_that_one_manages_are_there(as_: As, cast: Cast, session: Session) -> None:
    factories.project(session, name="Elsewhere")
    session.flush()
    seen = {who: as_(who).get("/api/v1/overview").json()["projects"] for who in ("manager", "annotator", "admin")}
    names = {who: {one["name"] for one in projects} for who, projects in seen.items()}
    assert (names["manager"], names["annotator"]) == ({cast.project.name}, set())
    assert names["admin"] >= {"Elsewhere", cast.project.name}
    page = as_("manager").get("/?sort=name")
    assert page.status_code == 200
    assert 'aria-sort="ascending"' in page.text
    assert as_("manager").get("/?sort=colour").status_code == 422
