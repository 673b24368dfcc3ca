"""The rules of answers: saved once however often they are sent, revised with history, late ones kept.

How LOOP.md's invariants 1 to 3 are kept, literally:
1. An answer is one row, written in the transaction that is committed before the response leaves. The same assignment
   sent again with the same answer gives the same label; with another answer it gives a revision that supersedes.
2. A label takes over the slot of its lease. At any moment open leases and standing labels that are not `surplus` are at
   most the pair's overlap, and unique indexes keep a person from having two of either on one pair.
3. A lease that expired or was skipped gave its slot back. If its answer comes all the same, it is kept and marked
   `late`: it takes a slot again if one is free. If the slot went to somebody else meanwhile, the answer is kept as
   `surplus`: it stands as this person's opinion and may train, but it fills no slot, so nothing goes beyond overlap.
"""

import json
import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import func
from sqlalchemy.orm import Session

from app.accounts import audit
from app.labels import saving
from app.labels.answers import Answer
from app.labels.saving import Own, Saved
from app.models import Assignment, AssignmentState, Label, Member, Project, Purpose, User
from app.pairs import leases
from app.pairs.leases import Search
from app.pairs.queue import Task

# A project's totals are counted anew after this long, or after a hundred times what the counting took.
_TOTALS_SECONDS = 15.0

# A person's answers of today are counted from the last label that was counted; all of them again after this long, since
# a transaction that was counted may have been undone.
_TODAY_SECONDS = 600.0

_totals: dict[int, tuple[float, tuple[int, int]]] = {}  # project -> until when, labels and open answers
_today: dict[tuple[int, int], "_Day"] = {}  # by project and person


@dataclass(frozen=True)
class Progress:
    """What the screen tells: comparisons that this person first answered today and their pace (median seconds), the
    project's labels and open answers."""

    today: int
    pace: float | None
    labels: int
    wanted: int

    @property
    def many(self) -> bool:
        """Whether more answers are asked for than were counted."""
        return self.wanted >= saving.MOST_COUNTED

    @property
    def seconds_left(self) -> float | None:
        """How long the rest takes one person at this pace."""
        return self.wanted * self.pace if self.pace and self.wanted else None


@dataclass(frozen=True)
class Submitted:
    """What became of an answer, and a word to the person where there is one. An answer that cannot be taken has no
    `label_id` and says so by its `status`; it is no exception, so that the audit trail keeps it. `task` is the next
    pair where it was asked for, `progress` what the screen then tells, where it came along."""

    label_id: int | None
    warning: str | None = None
    status: int = 200
    task: Task | None = None
    progress: Progress | None = None


def next_task(session: Session, user: User, project: Project, member: Member | None) -> Task | None:
    """The pair this person compares now; None where there is none, or no work for them."""
    return leases.claim_pair(session, user, project) if _works(project, member) else None


def _works(project: Project, member: Member | None) -> bool:
    return project.archived_at is None and (member is None or member.paused_at is None)


def submit_and_claim(
    session: Session, user: User, project: Project, member: Member | None, assignment_id: int, answer: Answer
) -> Submitted:
    """Save an answer, as `submit`, and bring the next pair; in the usual case both in one statement."""
    search = leases.search_for(user, project) if _works(project, member) else None
    done = submit(session, user, project, member, assignment_id, answer, search)
    return done if done.task else replace(done, task=next_task(session, user, project, member))


def submit(
    session: Session,
    user: User,
    project: Project,
    member: Member | None,
    assignment_id: int,
    answer: Answer,
    search: Search | None = None,
) -> Submitted:
    """Save an answer. Somebody else's assignment answers 404; one whose pair was withdrawn meanwhile 409. With `search`
    the next pair may come in the same statement."""
    values: dict[str, Any] = {
        "id": assignment_id,
        "user": user.id,
        "project": project.id,
        "choice": answer.choice,
        "strength": answer.strength,
        "questions": json.dumps(dict(answer.questions)),
        "reasons": json.dumps(answer.reasons),
        "comment": answer.comment,
        "seconds": answer.seconds,
    }
    day = _day_of(user, project)
    if search is not None and not search.check and day is not None:
        saved = saving.answer_and_claim(session, values | search.values | {"since": day.midnight, "counted": day.last})
    else:
        saved = saving.answer_open(session, values)
    if saved is None:
        assignment = saving.locked_assignment(session, project.id, user.id, assignment_id)
        if assignment is None:
            audit.record(
                session, user, "answer.refused", project_id=project.id, assignment=assignment_id, reason="foreign"
            )
            return Submitted(None, "That comparison was not one of yours, so the answer was not saved.", 404)
        if assignment.state is AssignmentState.OPEN and assignment.pair.withdrawn_at is None:
            saved = saving.answer_open(session, values)  # opened again meanwhile, in another tab
        if saved is None:
            return _answer_ended(session, user, project, assignment, answer)
    if project.id in _totals:
        until, (labels, wanted) = _totals[project.id]
        _totals[project.id] = (until, (labels + 1, max(wanted - 1, 0)))
    done = Submitted(saved.label_id, _judge_check(session, user, project, member, saved))
    if search and day and saved.task and saved.own:
        search.found(saved.task)
        own = _count_on(user, project, day, saved.own)
        done = replace(done, task=saved.task, progress=Progress(*own, *_totals_of(session, project)))
    return done


def _answer_ended(session: Session, user: User, project: Project, assignment: Assignment, answer: Answer) -> Submitted:
    """An answer to a lease that is not open: sent again, changed, late, or to a pair that was withdrawn."""
    if assignment.pair.withdrawn_at is not None:
        audit.record(
            session, user, "answer.refused", project_id=project.id, subject=assignment, reason="the pair was withdrawn"
        )
        return Submitted(None, "That comparison was withdrawn meanwhile, so no answer is needed any more.", 409)
    standing = saving.current_label(session, assignment.pair_id, user.id)
    if standing is not None and answer.says_the_same(standing):
        return Submitted(standing.id)
    if standing is not None:
        late, surplus = standing.late, standing.surplus
    else:
        late, surplus = True, not saving.take_slot(session, assignment.pair_id)
    assignment.state = AssignmentState.LABELLED
    label = Label(
        project_id=project.id,
        pair_id=assignment.pair_id,
        annotator_id=user.id,
        assignment_id=assignment.id,
        choice=answer.resolved(assignment.left),
        questions=answer.resolved_questions(assignment.left),
        strength=answer.strength,
        reasons=list(answer.reasons),
        comment=answer.comment,
        seconds=answer.seconds,
        left=assignment.left,
        late=late,
        surplus=surplus,
    )
    return Submitted(saving.add(session, label, supersedes=standing).id)


def _judge_check(session: Session, user: User, project: Project, member: Member | None, saved: Saved) -> str | None:
    """After an attention check: a word of warning for one missed, a pause past the bound."""
    if saved.purpose is not Purpose.CHECK or saved.expected is None or saved.choice == saved.expected.value:
        return None
    missed = saving.missed_checks(session, project.id, user.id, project.check_window)
    audit.record(session, user, "check.missed", project_id=project.id, recent=missed)
    if missed >= project.check_misses and member is not None and member.paused_at is None:
        member.paused_at = func.now()
        member.pause_reason = f"Missed {missed} of the last {project.check_window} attention checks"
        session.flush()
        session.refresh(member)
        audit.record(session, None, "member.paused", project_id=project.id, user_id=user.id, reason=member.pause_reason)
        return None  # the screen says that work is paused, and why
    return "The comparison before this one was an attention check, and the other answer was right. Please read both."


def progress(session: Session, user: User, project: Project) -> Progress:
    """What the screen tells."""
    day = _day_of(user, project)
    if day is None:
        midnight = _midnight()
        last = saving.last_label_before(session, project.id, user.id, midnight)
        day = _Day(time.monotonic() + _TODAY_SECONDS, midnight, last, 0)
    found = saving.own_progress(session, project.id, user.id, day.midnight, day.last)
    return Progress(*_count_on(user, project, day, found), *_totals_of(session, project))


def _totals_of(session: Session, project: Project) -> tuple[int, int]:
    """The project's labels and open answers, counted anew every few seconds, not for each page."""
    started = time.monotonic()
    until, totals = _totals.get(project.id, (0.0, (0, 0)))
    if started >= until:
        totals = saving.project_totals(session, project.id)
        took = time.monotonic() - started
        _totals[project.id] = (time.monotonic() + max(_TOTALS_SECONDS, 100 * took), totals)
    return totals


@dataclass(frozen=True)
class _Day:
    """A person's answers since midnight up to their label `last`, which need not be counted again before `until`: so
    that counting takes a time that does not grow with the answers."""

    until: float
    midnight: datetime
    last: int
    answers: int


def _midnight() -> datetime:
    return datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def _day_of(user: User, project: Project) -> _Day | None:
    day = _today.get((project.id, user.id))
    return day if day is not None and time.monotonic() < day.until and day.midnight == _midnight() else None


def _count_on(user: User, project: Project, day: _Day, own: Own) -> tuple[int, float | None]:
    """Answers since midnight, and pace."""
    day = replace(day, last=own.last, answers=day.answers + own.new)
    _today[project.id, user.id] = day
    return day.answers, own.pace
