"""The rules of labels: saved once however often they are sent, revised with history, late ones kept.

The invariants of labels:
1. A label is one row, written in the transaction that is committed before the request is answered. The same assignment
   sent again with the same decision gives the same label; with another one it gives a revision that supersedes.
2. A label takes over the slot of its lease. At any moment open leases and standing labels that are not `surplus` are at
   most the item's overlap, and unique indexes keep a person from having two of either on one item.
3. A lease that expired or was skipped gave its slot back. If its label comes all the same, it is kept and marked
   `late`: it takes a slot again if one is free. If the slot went to somebody else meanwhile, the label is kept as
   `surplus`: it stands as this person's opinion and may train, but it fills no slot, so nothing goes beyond overlap.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import func
from sqlalchemy.orm import Session

from app.accounts import audit
from app.items import written
from app.labels import lease_queries, leases, progress, saving, turn
from app.labels.new_label import NewLabel
from app.labels.task import Task
from app.labels.turn import Saved
from app.models import Assignment, AssignmentState, Label, Member, Project, Purpose, User
from app.projects import instructions
from app.web.errors import Conflict


@dataclass(frozen=True)
class Submitted:
    """What became of a label, and a word to the person where there is one. What cannot be taken has no `label_id` and
    says so by its `status`; it is no exception, so that the audit trail keeps it. `task` is the next
    item where it was asked for."""

    label_id: int | None
    warning: str | None = None
    status: int = 200
    task: Task | None = None


class LabelledMeanwhile(Conflict):
    """The person has a label on the item that their screen did not show."""


def next_task(session: Session, project: Project, user: User, member: Member | None) -> Task | None:
    """The item this person compares now; None where there is none, or no work for them."""
    if project.archived_at is not None or (member is not None and member.paused_at is not None):
        return None
    return leases.claim_item(session, project, user)


def submit_and_claim(
    session: Session, project: Project, user: User, member: Member | None, assignment_id: int, new: NewLabel
) -> Submitted:
    """Save a label, as `submit`, and bring the next item."""
    done = submit(session, project, user, member, assignment_id, new)
    return replace(done, task=next_task(session, project, user, member))


def submit(
    session: Session, project: Project, user: User, member: Member | None, assignment_id: int, new: NewLabel
) -> Submitted:
    """Save a label. Somebody else's assignment gives 404; one whose item was withdrawn meanwhile 409."""
    if not new.kind.self_contained:
        new = _settled(session, project, user, assignment_id, new)
    version = instructions.seen(session, project, new.instructions)
    labelled = turn.labelling(project.id, user.id, assignment_id, new, version)
    writes = new.kind.writes(new.value) is not None
    saved = None if writes else turn.save_open(session, labelled)
    if saved is None:
        assignment = saving.locked_assignment(session, project.id, user.id, assignment_id, hold_item=writes)
        if assignment is None:
            audit.record(
                session, user, "answer.refused", project_id=project.id, assignment=assignment_id, reason="foreign"
            )
            return Submitted(None, "That comparison was not one of yours, so the answer was not saved.", 404)
        if assignment.item.kind != new.value.kind:
            return Submitted(
                None,
                f"That answer is to a {new.value.kind}, and this is a {assignment.item.kind}. Load the page again.",
                409,
            )
        if assignment.state is AssignmentState.OPEN and assignment.item.withdrawn_at is None and not writes:
            saved = turn.save_open(session, labelled)  # opened again meanwhile, in another tab
        if saved is None:
            return _save_beside(session, project, user, assignment, new, version)
    progress.note_label(project.id)
    return Submitted(saved.label_id, _judge_check(session, project, user, member, saved, new))


def _settled(session: Session, project: Project, user: User, assignment_id: int, new: NewLabel) -> NewLabel:
    """The label as it is kept of its item; Invalid where it can be none of that. What is nobody's, or of another kind,
    is for the caller."""
    task = lease_queries.task(session, project.id, user.id, assignment_id)
    if task is None or task.kind != new.kind.name:
        return new
    return replace(new, value=new.kind.settle(new.value, [shown.text for shown in task.responses]))


def _save_beside(
    session: Session, project: Project, user: User, assignment: Assignment, new: NewLabel, version: int | None
) -> Submitted:
    """A label beside the fast path: one that writes a response, or one for a lease that is not open, since it is sent
    again, changed, late, or its item was withdrawn."""
    if assignment.item.withdrawn_at is not None:
        audit.record(
            session, user, "answer.refused", project_id=project.id, subject=assignment, reason="the pair was withdrawn"
        )
        return Submitted(None, "That comparison was withdrawn meanwhile, so no answer is needed any more.", 409)
    standing = saving.current_label(session, user.id, assignment.item_id)
    if standing is not None and new.says_the_same(standing):
        return Submitted(standing.id)
    if standing is not None and new.replaces not in (None, standing.id):
        raise LabelledMeanwhile(
            f"You have answered this {new.kind.singular} meanwhile, in another tab or window: nothing was changed. "
            "Send this answer again if it is to replace that one."
        )
    if standing is not None:
        late, surplus = standing.late, standing.surplus
    elif assignment.state is AssignmentState.OPEN:
        late, surplus = saving.has_expired(session, assignment), False
        progress.note_label(project.id)
    else:  # who skipped it and comes back in time is not late
        late = assignment.state is AssignmentState.EXPIRED or saving.has_expired(session, assignment)
        surplus = not saving.take_slot(session, assignment.item_id)
    assignment.state, assignment.skip_reason, assignment.skip_note = AssignmentState.LABELLED, None, None
    label = Label(
        project_id=project.id,
        item_id=assignment.item_id,
        annotator_id=user.id,
        assignment_id=assignment.id,
        value=new.value,
        order=assignment.order,
        instructions_id=version,
        passed=_passes(new, assignment.order, assignment.item.purpose, assignment.item.expected),
        reasons=list(new.reasons),
        comment=new.comment,
        seconds=new.seconds,
        late=late,
        surplus=surplus,
    )
    text = new.kind.writes(new.value)
    if text is None:
        return Submitted(saving.add(session, label, new, supersedes=standing).id)
    position = written.next_position(session, assignment.item)
    label.order = [*assignment.order, position]
    saving.add(session, label, new, supersedes=standing)
    written.add(session, user, assignment.item, text, label, position)
    return Submitted(label.id)


def _passes(new: NewLabel, order: Sequence[int], purpose: Purpose, expected: Mapping[str, Any] | None) -> bool | None:
    """Whether an attention check was passed; None where it was none."""
    if purpose is not Purpose.CHECK or expected is None:
        return None
    return new.kind.passes(new.value, order, expected)


def _judge_check(
    session: Session, project: Project, user: User, member: Member | None, saved: Saved, new: NewLabel
) -> str | None:
    """After an attention check: a word of warning for one missed, a pause past the bound."""
    passed = _passes(new, saved.order, saved.purpose, saved.expected)
    if passed is None:
        return None
    saving.set_passed(session, saved.label_id, passed)
    if passed:
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
    return (
        f"The {new.kind.singular} before this one was an attention check, and you missed it. Please read every answer."
    )
