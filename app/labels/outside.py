"""Labels given outside the queue, as a choice in a chat is: they have no assignment and fill no slot.

A withdrawn one is deleted with its item, except where a snapshot holds it: what a reward model has learned from stays
as it was, so there the label is only current no longer.
"""

from collections.abc import Sequence

from sqlalchemy import func, select, text, update
from sqlalchemy.orm import Session

from app.items import outside, queue
from app.labels import saving
from app.labels.new_label import NewLabel
from app.models import Item, Label, SnapshotLabel, User
from app.models.values import LabelValue


def give(session: Session, person: User, item: Item, value: LabelValue) -> Label:
    """This person's label on an item whose responses they saw in stored order; another one supersedes it."""
    new = NewLabel(value)
    standing = saving.current_label(session, person.id, item.id)
    if standing is not None and new.says_the_same(standing):
        return standing
    label = Label(
        project_id=item.project_id,
        item_id=item.id,
        annotator_id=person.id,
        value=value,
        order=[shown.position for shown in item.item_responses],
        surplus=True,
    )
    return saving.add(session, label, new, supersedes=standing)


def withdraw(session: Session, project_id: int, item_ids: Sequence[int]) -> None:
    """Have the labels on these items of a chat count no more."""
    hold_snapshots(session, project_id)
    given = (Label.item_id.in_(item_ids), Label.project_id == project_id)
    held = session.scalars(
        select(Label.item_id).distinct().join(SnapshotLabel, SnapshotLabel.label_id == Label.id).where(*given)
    ).all()
    session.execute(
        update(Label)
        .where(Label.item_id.in_(held), Label.superseded_at.is_(None))
        .values(superseded_at=func.clock_timestamp())
    )
    queue.withdraw(session, project_id, item_ids=held)
    outside.delete_from_chat(session, [item_id for item_id in item_ids if item_id not in set(held)])


_HOLD = text("select pg_advisory_xact_lock(hashtext('hone.snapshots'), :project)")


def hold_snapshots(session: Session, project_id: int) -> None:
    """Until this transaction ends, no snapshot is taken of labels that are being withdrawn, and no label is withdrawn
    that a snapshot is being taken of."""
    session.execute(_HOLD, {"project": project_id})
