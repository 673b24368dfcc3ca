"""The fast path: an answer saved and the next item leased by one statement, and everything that it leaves alone."""

import random
from dataclasses import replace
from math import sqrt

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from app import models as m
from app.labels import leases, progress, service, turn
from app.labels.task import Task
from tests.app.conftest import Cast
from tests.app.labels.conftest import AddItems, at_once, outcome_of, outcomes, said
from tests.app.labels.test_pages import labels_of

LEFT, RIGHT = said("left"), said("right")


def claim(session: Session, cast: Cast) -> Task:
    task = leases.claim_item(session, cast.project, cast.annotator)
    assert task is not None
    return task


def test_the_next_item_and_the_progress_come_with_the_answer(session: Session, cast: Cast, add_items: AddItems) -> None:
    wanted = add_items(cast.project, 3)
    task = claim(session, cast)
    for number in (1, 2):
        shown = at_once(session, cast.annotator, cast.project, task.id, replace(RIGHT, seconds=float(number)))
        assert shown is not None
        assert shown.progress.today == number
        label = labels_of(session, cast.project)[-1]
        assert (label.item_id, outcomes(label)) == (wanted[number - 1].id, {"": outcome_of("right", task.order)})
        assert shown.task is not None
        assert shown.task.item_id == wanted[number].id
        assert shown.task == claim(session, cast), "it is the lease that they hold"
        task = shown.task
    assert shown is not None
    assert shown.progress.pace == 1.0, "of the answers before this one"
    progress._today.clear()
    progress._totals.clear()
    counted = progress.count(session, cast.project, cast.annotator)
    assert replace(shown.progress, pace=1.5) == counted, "as if counted anew"


def test_an_answer_after_which_no_item_comes_is_kept_all_the_same(
    session: Session, cast: Cast, add_items: AddItems
) -> None:
    add_items(cast.project, 1)
    assert at_once(session, cast.annotator, cast.project, claim(session, cast).id, LEFT) is None
    assert len(labels_of(session, cast.project)) == 1


def test_an_attention_check_is_not_answered(session: Session, cast: Cast, add_items: AddItems) -> None:
    add_items(cast.project, 1, purpose=m.Purpose.CHECK, expected={"best": 0})
    add_items(cast.project, 2)
    task = turn.claim(session, turn.searching(cast.project.id, cast.annotator.id, 30, range(8)), check=True)
    assert task is not None
    assert at_once(session, cast.annotator, cast.project, task.id, LEFT) is None
    assert session.scalars(select(m.Assignment.state)).all() == [m.AssignmentState.OPEN]
    assert labels_of(session, cast.project) == []


def test_attention_checks_come_as_often_as_the_project_says(
    session: Session, cast: Cast, add_items: AddItems, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leases, "_draw", random.Random(5))
    answers, share = 150, 0.3
    add_items(cast.project, answers, purpose=m.Purpose.CHECK, expected={"best": 0})
    add_items(cast.project, answers)
    cast.project.check_share, cast.project.check_window, cast.project.check_misses = share, 50, 50
    task: Task | None = claim(session, cast)
    came = 0
    for _ in range(answers):
        assert task is not None
        shown = at_once(session, cast.annotator, cast.project, task.id, LEFT)
        if shown is not None:
            task = shown.task
        else:
            task = service.submit_and_claim(session, cast.project, cast.annotator, None, task.id, LEFT).task
        assert task is not None
        came += session.get_one(m.Item, task.item_id).purpose is m.Purpose.CHECK
    assert abs(came - share * answers) < 4 * sqrt(answers * share * (1 - share))
