"""Whose labels count, and how much: what a snapshot freezes of annotators, what a run is told, what its model tells."""

from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy.orm import Session

from app.methods import Method
from app.models import Outcome, Project, Purpose, Run, RunState, Split, TrainingConfig, User
from app.policies.dpo import DPO
from app.rewards import preferences, snapshots
from app.rewards.counting import Counting, told
from app.rewards.method import REWARD
from app.runs import training
from app.web.errors import Conflict
from tests import factories
from tests.asking import asking

A, B = Outcome.FIRST, Outcome.SECOND


@pytest.fixture
def project(session: Session) -> Project:
    found: Project = factories.project(session)
    return found


@pytest.fixture
def people(session: Session, project: Project) -> list[User]:
    found = [factories.user(session) for _ in range(3)]
    for person in found:
        factories.member(session, project, person)
    return found


def labelled(session: Session, project: Project, who: User, split: Split = Split.TRAIN, **over: object) -> int:
    """A pair of which somebody prefers the first; its id."""
    item = factories.item(session, factories.prompt(session, project, split=split), project.base_model, slots_left=0)
    factories.label(session, item, who, A, **over)
    return int(item.id)


def pause(session: Session, project: Project, who: User) -> None:
    member = next(each for each in project.members if each.user_id == who.id)
    member.paused_at = datetime.now(UTC)
    session.flush()


def enough(session: Session, project: Project, who: User) -> None:
    for _ in range(4):
        labelled(session, project, who)
    labelled(session, project, who, Split.HOLDOUT)


def test_labels_of_paused_people_late_and_surplus_ones_count_as_is_said(
    session: Session, project: Project, people: list[User]
) -> None:
    careful, paused, slow = people
    enough(session, project, careful)
    items = {
        "paused": labelled(session, project, paused),
        "late": labelled(session, project, slow, late=True),
        "surplus": labelled(session, project, slow, late=True, surplus=True),
    }
    pause(session, project, paused)
    snapshot = snapshots.take(session, project)
    assert snapshot.raters == {paused.id: {"passed": 0, "missed": 0, "paused": True}}

    def weights(how: Counting) -> dict[str, float | None]:
        found = {row["pair_id"]: row["weight"] for row in snapshots.training_rows(session, snapshot, how)[0]}
        return {name: found.get(item) for name, item in items.items()}

    assert weights(Counting()) == {"paused": 1.0, "late": 1.0, "surplus": 1.0}
    how = Counting(weigh_pairs=True, paused=0.0, late=0.5, surplus=0.25)
    assert weights(how) == {"paused": None, "late": 0.5, "surplus": 0.25}
    said = told(session, snapshot, how)
    assert "1 preference of paused people: left out." in said
    assert "2 preferences that came late: counted 0.5 each." in said
    assert "1 preference beyond the overlap: counted 0.25 each." in said
    assert "paused" not in told(session, snapshot, Counting())


def test_a_snapshot_keeps_what_was_known_when_it_was_taken(
    session: Session, project: Project, people: list[User]
) -> None:
    person = people[0]
    enough(session, project, person)
    before = snapshots.take(session, project)
    assert (before.raters, before.levels) == ({}, 0)
    for passed in (True, True, False):
        check = factories.item(session, factories.prompt(session, project), project.base_model, purpose=Purpose.CHECK)
        factories.label(session, check, person, A, passed=passed)
    project.answer = asking(levels=3)
    after = snapshots.take(session, project)
    assert (after.id != before.id, after.levels) == (True, 3)
    assert after.raters == {person.id: {"passed": 2, "missed": 1, "paused": False}}
    by_reliability = Counting(aggregation="reliability")
    rows = snapshots.training_rows(session, after, by_reliability)
    pause(session, project, person)
    assert snapshots.training_rows(session, after, by_reliability) == rows
    assert [row["preference"] for row in rows[0]] == [pytest.approx(11 / 13)] * 4  # Beta(9 + 2, 1 + 1)


def test_strength_counts_where_it_is_asked_for(session: Session, project: Project, people: list[User]) -> None:
    project.answer = asking(levels=2)
    enough(session, project, people[0])
    slight = labelled(session, project, people[0], strength=1)
    snapshot = snapshots.take(session, project)
    found = {
        how.strength: {row["pair_id"]: row["preference"] for row in snapshots.training_rows(session, snapshot, how)[0]}
        for how in (Counting(), Counting(strength=True))
    }
    assert (found[False][slight], found[True][slight]) == (1.0, pytest.approx(0.8))
    assert "80%, 95%" in told(session, snapshot, Counting(strength=True))


def test_what_is_left_must_be_enough(session: Session, project: Project, people: list[User]) -> None:
    enough(session, project, people[0])
    pause(session, project, people[0])
    wanted = REWARD.form()
    assert (wanted.paused, wanted.late, wanted.surplus, wanted.strength, wanted.weigh_pairs) == (0, 1, 1, True, True)
    with pytest.raises(Conflict, match="0 usable pairs to learn from and 0 to measure on are left"):
        preferences.snapshot(session, project, wanted, None)
    assert preferences.snapshot(session, project, wanted.model_copy(update={"paused": 0.5}), None).label_count == 5


@pytest.mark.parametrize("method", [REWARD, DPO], ids=lambda method: str(method.name))
def test_the_command_is_told_what_the_card_says(
    session: Session, project: Project, people: list[User], stored: Any, method: Method
) -> None:
    stored(project.base_model)
    enough(session, project, people[0])
    form = method.form()
    snapshot = preferences.snapshot(session, project, form, None)
    run: Run = factories.training(session, project, method.name, snapshot_id=snapshot.id, config=form.config())
    assert isinstance(run.asked(TrainingConfig).options["paused"], float)
    note = method.data(session, run).settings["data_note"]
    assert note.startswith(
        "5 pairs by 1 annotator. Targets: the average of a pair's labels, ties as half votes, each wei"
    )
    assert "from 1.00 to 1.00 times the average." in note


@pytest.mark.parametrize("method", [REWARD, DPO], ids=lambda method: str(method.name))
def test_a_project_goes_on_counting_as_its_last_training_did(
    session: Session, project: Project, people: list[User], stored: Any, method: Method
) -> None:
    """By reliability where nothing was trained yet, and whatever was before: automatic, by the page and by programs."""
    stored(project.base_model)
    enough(session, project, people[0])

    def begun(**given: str) -> str:
        form = training.checked(method, method.usual(session, project) | given)
        run = training.start(session, project, None, method, form)
        run.state = RunState.SUCCEEDED
        session.flush()
        return str(run.asked(TrainingConfig).options["aggregation"])

    assert method.usual(session, project) == {}
    assert begun() == "weighted"
    assert begun(aggregation="mean") == "mean"
    assert begun() == "mean"
    assert method.usual(session, project) == {"aggregation": "mean"}
    automatic = training.start(session, project, None, method, automatic=True)
    assert automatic.asked(TrainingConfig).options["aggregation"] == "mean"
    other = factories.project(session)
    assert method.usual(session, other) == {}


def test_a_run_from_before_these_options_counts_as_it_did() -> None:
    assert Counting.of({"aggregation": "reliability", "question": "Kinder?"}) == Counting("Kinder?", "reliability")
