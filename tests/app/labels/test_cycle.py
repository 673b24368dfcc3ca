"""The usual turn: an answer saved and the next pair leased by one statement, and everything that it leaves alone."""

import random
from dataclasses import replace
from math import sqrt

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from app import models as m
from app.labels import progress, service
from app.labels.answers import Answer
from app.pairs import leases, queue
from app.pairs.queue import Task
from tests.app.conftest import Cast
from tests.app.labels.conftest import AddPairs, at_once
from tests.app.labels.test_pages import labels_of

LEFT, RIGHT = Answer("left"), Answer("right")


def claim(session: Session, cast: Cast) -> Task:
    task = leases.claim_pair(session, cast.annotator, cast.project)
    assert task is not None
    return task


def test_the_next_pair_and_the_progress_come_with_the_answer(session: Session, cast: Cast, add_pairs: AddPairs) -> None:
    wanted = add_pairs(cast.project, 3)
    task = claim(session, cast)
    for number in (1, 2):
        shown = at_once(session, cast.annotator, cast.project, task.id, replace(RIGHT, seconds=float(number)))
        assert shown is not None
        assert shown.progress.today == number
        label = labels_of(session, cast.project)[-1]
        assert (label.pair_id, label.choice.value) == (wanted[number - 1].id, task.left.other.value)
        assert shown.task is not None
        assert shown.task.pair_id == wanted[number].id
        assert shown.task == claim(session, cast), "it is the lease that they hold"
        task = shown.task
    assert shown is not None
    assert shown.progress.pace == 1.0, "of the answers before this one"
    progress._today.clear()
    progress._totals.clear()
    counted = progress.count(session, cast.annotator, cast.project)
    assert replace(shown.progress, pace=1.5) == counted, "as if counted anew"


def test_an_answer_after_which_no_pair_comes_is_kept_all_the_same(
    session: Session, cast: Cast, add_pairs: AddPairs
) -> None:
    add_pairs(cast.project, 1)
    assert at_once(session, cast.annotator, cast.project, claim(session, cast).id, LEFT) is None
    assert len(labels_of(session, cast.project)) == 1


def test_an_attention_check_is_not_answered(session: Session, cast: Cast, add_pairs: AddPairs) -> None:
    add_pairs(cast.project, 1, purpose=m.Purpose.CHECK, expected=m.Side.A)
    add_pairs(cast.project, 2)
    task = queue.claim_check(session, cast.project.id, cast.annotator.id, 30, m.Side.A)
    assert task is not None
    assert at_once(session, cast.annotator, cast.project, task.id, LEFT) is None
    assert session.scalars(select(m.Assignment.state)).all() == [m.AssignmentState.OPEN]
    assert labels_of(session, cast.project) == []


def test_attention_checks_come_as_often_as_the_project_says(
    session: Session, cast: Cast, add_pairs: AddPairs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leases, "_draw", random.Random(5))
    answers, share = 150, 0.3
    add_pairs(cast.project, answers, purpose=m.Purpose.CHECK, expected=m.Side.A)
    add_pairs(cast.project, answers)
    cast.project.check_share, cast.project.check_window, cast.project.check_misses = share, 50, 50
    task: Task | None = claim(session, cast)
    came = 0
    for _ in range(answers):
        assert task is not None
        shown = at_once(session, cast.annotator, cast.project, task.id, LEFT)
        if shown is not None:
            task = shown.task
        else:
            task = service.submit_and_claim(session, cast.annotator, cast.project, None, task.id, LEFT).task
        assert task is not None
        came += session.get_one(m.Pair, task.pair_id).purpose is m.Purpose.CHECK
    assert abs(came - share * answers) < 4 * sqrt(answers * share * (1 - share))
