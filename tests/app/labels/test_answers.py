"""Saving answers: once, revised, late; the scale; attention checks."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from app import models as m
from app.annotation import RawLabel
from app.items import service as items
from app.labels import leases, progress, service
from app.labels.new_label import LONGEST_COMMENT, NewLabel, read_label
from app.labels.task import Task
from app.web.errors import Invalid, Refused, TooLarge
from tests import factories
from tests.app.conftest import Cast
from tests.app.labels.conftest import AddItems, outcome_of, outcomes, said
from tests.asking import asking


def claim(session: Session, user: m.User, project: m.Project) -> Task:
    task = leases.claim_item(session, project, user)
    assert task is not None
    return task


def send(session: Session, user: m.User, project: m.Project, task: Task, answer: NewLabel) -> m.Label:
    done = service.submit(session, project, user, None, task.id, answer)
    assert done.status == 200
    assert done.label_id is not None
    return session.get_one(m.Label, done.label_id)


def expire(session: Session, task: Task) -> None:
    session.get_one(m.Assignment, task.id).expires_at = datetime.now(UTC) - timedelta(seconds=1)
    session.flush()
    assert leases.expire_leases(session) == 1


def all_labels(session: Session, project: m.Project) -> list[m.Label]:
    return list(session.scalars(select(m.Label).where(m.Label.project_id == project.id).order_by(m.Label.id)))


LEFT, RIGHT = said("left"), said("right")


def test_left_and_right_are_stored_as_the_answers_that_were_shown_there(
    session: Session, cast: Cast, add_items: AddItems
) -> None:
    add_items(cast.project, 12)
    shown = set()
    for _ in range(12):
        task = claim(session, cast.annotator, cast.project)
        shown.add(task.order)
        label = send(session, cast.annotator, cast.project, task, LEFT)
        assert outcomes(label) == {"": outcome_of("left", task.order)}
        assert tuple(label.order) == task.order
        assert (label.late, label.surplus) == (False, False)
    assert shown == {(0, 1), (1, 0)}  # wrong once in 2048 runs


def test_the_same_answer_again_is_the_same_label_and_another_one_a_revision(
    session: Session, cast: Cast, add_items: AddItems
) -> None:
    (item,) = add_items(cast.project)
    task = claim(session, cast.annotator, cast.project)
    first = send(session, cast.annotator, cast.project, task, replace(LEFT, seconds=2.0))
    assert send(session, cast.annotator, cast.project, task, replace(LEFT, seconds=9.0)) is first
    revised = send(session, cast.annotator, cast.project, task, said("tie", comment="on second thought"))
    session.refresh(first)
    assert first.superseded_at is not None
    assert revised.superseded_at is None
    assert len(all_labels(session, cast.project)) == 2
    session.refresh(item)
    assert item.slots_left == 0


def test_a_late_answer_takes_its_slot_again_where_it_is_free(session: Session, cast: Cast, add_items: AddItems) -> None:
    (item,) = add_items(cast.project)
    task = claim(session, cast.annotator, cast.project)
    expire(session, task)
    label = send(session, cast.annotator, cast.project, task, LEFT)
    session.refresh(item)
    assert (label.late, label.surplus, item.slots_left) == (True, False, 0)


def test_a_late_answer_is_kept_as_surplus_where_somebody_else_has_the_slot(
    session: Session, cast: Cast, add_items: AddItems
) -> None:
    (item,) = add_items(cast.project)
    task = claim(session, cast.annotator, cast.project)
    expire(session, task)
    other = claim(session, cast.manager, cast.project)
    late = send(session, cast.annotator, cast.project, task, LEFT)
    assert (late.late, late.surplus, late.superseded_at) == (True, True, None)
    own = send(session, cast.manager, cast.project, other, RIGHT)
    session.refresh(item)
    assert (own.late, own.surplus, item.slots_left) == (False, False, 0)
    revised = send(session, cast.annotator, cast.project, task, RIGHT)
    assert (revised.late, revised.surplus) == (True, True)


def test_an_answer_after_the_time_but_before_the_sweep_is_late_and_counts(
    session: Session, cast: Cast, add_items: AddItems
) -> None:
    add_items(cast.project)
    task = claim(session, cast.annotator, cast.project)
    session.get_one(m.Assignment, task.id).expires_at = datetime.now(UTC) - timedelta(seconds=1)
    session.flush()
    label = send(session, cast.annotator, cast.project, task, LEFT)
    assert (label.late, label.surplus) == (True, False)
    assert leases.expire_leases(session) == 0


def test_an_answer_to_a_withdrawn_item_is_refused_and_written_down(
    session: Session, cast: Cast, add_items: AddItems
) -> None:
    (item,) = add_items(cast.project)
    task = claim(session, cast.annotator, cast.project)
    items.withdraw_prompts(session, cast.project, cast.manager, [item.prompt_id])
    done = service.submit(session, cast.project, cast.annotator, None, task.id, LEFT)
    assert (done.status, done.label_id) == (409, None)
    assert "withdrawn" in (done.warning or "")
    assert all_labels(session, cast.project) == []
    actions = session.scalars(select(m.AuditEvent.action)).all()
    assert "answer.refused" in actions


@pytest.mark.parametrize("whose", ["somebody else's", "another project's", "nobody's"])
def test_a_forged_assignment_changes_nothing(session: Session, cast: Cast, add_items: AddItems, whose: str) -> None:
    add_items(cast.project)
    task = claim(session, cast.annotator, cast.project)
    user = cast.manager if whose == "somebody else's" else cast.annotator
    project = cast.other if whose == "another project's" else cast.project
    number = 10**12 if whose == "nobody's" else task.id
    done = service.submit(session, project, user, None, number, LEFT)
    assert (done.status, done.label_id) == (404, None)
    assert all_labels(session, cast.project) == []
    assert session.get_one(m.Assignment, task.id).state is m.AssignmentState.OPEN


@pytest.mark.parametrize(
    ("settings", "given", "refusal"),
    [
        ({}, "middle", "one of the answers"),
        ({}, "left-1", "not how much"),
        ({"levels": 3}, "left", "from 1 to 3"),
        ({"levels": 3}, "right-4", "from 1 to 3"),
        ({"tie": False}, "tie", "does not take"),
        ({"both_bad": False}, "both_bad", "does not take"),
        ({}, "left ", "one of the answers"),
        ({}, "", "one of the answers"),
    ],
)
def test_an_answer_outside_the_scale_is_refused(settings: dict[str, Any], given: str, refusal: str) -> None:
    with pytest.raises(Invalid, match=refusal):
        read_label(asking(**settings), "comparison", RawLabel(given))


@pytest.mark.parametrize(
    ("settings", "comment", "reasons", "kind"),
    [
        ({"comment": "required"}, "  ", [], Invalid),
        ({"comment": "off"}, "hello", [], Invalid),
        ({}, "x" * (LONGEST_COMMENT + 1), [], TooLarge),
        ({}, "a\x00b", [], Invalid),
        ({}, "\ud800", [], Invalid),
        ({"reasons": ["Kinder"]}, None, ["Longer"], Invalid),
    ],
)
def test_comments_and_reasons_are_checked(
    settings: dict[str, Any], comment: str | None, reasons: list[str], kind: type[Refused]
) -> None:
    with pytest.raises(kind):
        read_label(asking(**settings), "comparison", RawLabel("left"), reasons, comment)


def test_a_good_answer_is_read_whole() -> None:
    settings = asking(levels=4, reasons=["Kinder", "Truer"], comment="required")
    answer = read_label(settings, "comparison", RawLabel("right-4"), ["Truer", "Kinder"], " because ", float("nan"))
    assert answer == said("right", 4, reasons=("Kinder", "Truer"), comment="because")


def check_pairs(session: Session, project: m.Project, add_items: AddItems, count: int) -> None:
    add_items(project, count, purpose=m.Purpose.CHECK, expected={"best": 0}, overlap=100)
    project.check_share = 0.5


def answer_checks(session: Session, cast: Cast, count: int, best: int) -> list[service.Submitted]:
    member = session.get_one(m.Member, (cast.project.id, cast.annotator.id))
    done = []
    while len(done) < count:
        task = leases.claim_item(session, cast.project, cast.annotator)
        if task is None:  # the coin did not fall on a check
            continue
        answer = LEFT if task.order[0] == best else RIGHT
        done.append(service.submit(session, cast.project, cast.annotator, member, task.id, answer))
    return done


def test_missed_checks_warn_and_then_pause(session: Session, cast: Cast, add_items: AddItems) -> None:
    check_pairs(session, cast.project, add_items, 6)
    done = answer_checks(session, cast, 3, 1)
    assert [each.warning is not None for each in done] == [True, True, False]
    member = session.get_one(m.Member, (cast.project.id, cast.annotator.id))
    assert member.paused_at is not None
    assert member.pause_reason == "Missed 3 of the last 10 attention checks"
    assert len(all_labels(session, cast.project)) == 3  # nobody's labels are thrown away
    actions = session.scalars(select(m.AuditEvent.action)).all()
    assert actions.count("check.missed") == 3
    assert actions.count("member.paused") == 1


@pytest.mark.parametrize(
    ("window", "misses", "answers", "paused"),
    [
        (10, 1, "b", True),
        (2, 2, "bab", False),  # never two of two in a row
        (2, 2, "bb", True),
        (3, 2, "bab", True),
        (1000, 4, "bbb", False),
    ],
)
def test_the_project_says_how_many_misses_of_how_many_checks_pause(
    session: Session, cast: Cast, add_items: AddItems, window: int, misses: int, answers: str, paused: bool
) -> None:
    check_pairs(session, cast.project, add_items, len(answers))
    cast.project.check_window, cast.project.check_misses = window, misses
    for choice in answers:
        (done,) = answer_checks(session, cast, 1, "ab".index(choice))
    member = session.get_one(m.Member, (cast.project.id, cast.annotator.id))
    assert (member.paused_at is not None) is paused
    assert (member.pause_reason is not None) is paused
    assert (done.warning is not None) is (choice == "b" and not paused)


def test_passed_checks_say_nothing(session: Session, cast: Cast, add_items: AddItems) -> None:
    check_pairs(session, cast.project, add_items, 6)
    assert all(each.warning is None for each in answer_checks(session, cast, 6, 0))


def test_progress_tells_own_count_pace_and_what_is_left(session: Session, cast: Cast, add_items: AddItems) -> None:
    add_items(cast.project, 5)
    for seconds in (2.0, 4.0, 9.0):
        task = claim(session, cast.annotator, cast.project)
        send(session, cast.annotator, cast.project, task, replace(LEFT, seconds=seconds))
    progress._totals.clear()
    told = progress.count(session, cast.project, cast.annotator)
    assert (told.today, told.pace, told.labels, told.wanted) == (3, 4.0, 3, 2)
    assert told.seconds_left == 8.0
    assert progress.count(session, cast.project, cast.manager).today == 0
    factories.label(session, add_items(cast.project)[0], cast.annotator, created_at=datetime(2020, 1, 1, tzinfo=UTC))
    assert progress.count(session, cast.project, cast.annotator).today == 3


def test_todays_count_goes_on_from_the_last_label_as_if_counted_anew(
    session: Session, cast: Cast, add_items: AddItems
) -> None:
    def today() -> int:
        went_on = progress.count(session, cast.project, cast.annotator).today
        progress._today.clear()
        assert progress.count(session, cast.project, cast.annotator).today == went_on
        return went_on

    add_items(cast.project, 3)
    old = factories.label(
        session, add_items(cast.project)[0], cast.annotator, created_at=datetime(2020, 1, 1, tzinfo=UTC)
    )
    assert today() == 0
    first = claim(session, cast.annotator, cast.project)
    send(session, cast.annotator, cast.project, first, LEFT)
    assert today() == 1
    send(session, cast.annotator, cast.project, claim(session, cast.annotator, cast.project), LEFT)
    assert today() == 2
    send(session, cast.annotator, cast.project, first, said("tie"))
    assert today() == 2, "an answer of today that was changed is one answer"
    service.submit(session, cast.project, cast.annotator, None, old.assignment_id, said("tie"))
    assert today() == 2, "an answer of another day that was changed is none of today's"
