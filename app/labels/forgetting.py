"""All that one person decided goes for good, some at a time: labels with their revisions and preferences, the responses
that they wrote as labels, and the leases. Their slots are free again, so that others are asked."""

from collections.abc import Sequence

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from app.items import outside, written
from app.labels.outside import hold_snapshots
from app.models import Assignment, Item, Label, Purpose, Response, SnapshotLabel

_HOLD_ITEMS = text("select id from item where id = any(:items) order by id for no key update")
# Counted anew, since people may have had more labels on an item than are wanted of it now.
_FREE = text(
    """
    update item set slots_left = greatest(0, overlap_target
        - (select count(*) from assignment where item_id = item.id and state = 'open')
        - (select count(*) from label where item_id = item.id and superseded_at is null and not surplus))
    where id = any(:items)
    """
)
_DELETE = (
    text("delete from label where annotator_id = :person and item_id = any(:items)"),
    text("delete from assignment where annotator_id = :person and item_id = any(:items)"),
)


def projects_of(session: Session, person_id: int) -> Sequence[int]:
    """The projects in which a person has labels, or was asked for some; in order."""
    found = select(Label.project_id).where(Label.annotator_id == person_id)
    asked = select(Assignment.project_id).where(Assignment.annotator_id == person_id)
    return sorted(session.scalars(found.union(asked)))


def counts(session: Session, person_id: int) -> tuple[int, int]:
    """How many label rows a person has, revisions among them, and responses that they wrote."""
    written_ones = select(func.count()).where(Response.author_id == person_id)
    return (
        session.scalar(select(func.count()).where(Label.annotator_id == person_id)) or 0,
        session.scalar(written_ones) or 0,
    )


def next_items(session: Session, person_id: int, most: int) -> Sequence[int]:
    """Items of one project of so many decisions or leases of a person, at most; none once all has gone."""
    for table in (Label, Assignment):
        theirs = select(table.project_id, table.item_id).where(table.annotator_id == person_id)
        found = session.execute(theirs.order_by(table.project_id, table.id.desc()).limit(most)).all()
        if found:
            return sorted({row.item_id for row in found if row.project_id == found[0].project_id})
    return []


def in_snapshots(session: Session, person_id: int, items: Sequence[int]) -> Sequence[int]:
    """The snapshots that hold labels of a person on these items."""
    held = select(SnapshotLabel.snapshot_id).join(Label, Label.id == SnapshotLabel.label_id)
    return session.scalars(held.where(Label.annotator_id == person_id, Label.item_id.in_(items)).distinct()).all()


def delete(session: Session, person_id: int, items: Sequence[int]) -> None:
    """Delete what a person decided on these items of a project, unless a snapshot has come to hold it."""
    of = {"person": person_id, "items": list(items)}
    hold_snapshots(session, session.get_one(Item, items[0]).project_id)
    if in_snapshots(session, person_id, items):
        return
    session.execute(_HOLD_ITEMS, of)
    theirs = select(Label.id).where(Label.annotator_id == person_id, Label.item_id.in_(items))
    chosen = select(Item.id).where(Item.id.in_(items), Item.purpose == Purpose.CHAT, Item.id.in_(
        select(Label.item_id).where(Label.annotator_id == person_id)
    ))  # fmt: skip
    responses = written.of_labels(session, session.scalars(theirs).all())
    outside.delete_from_chat(session, session.scalars(chosen).all())
    written.forget(session, responses)
    for statement in _DELETE:
        session.execute(statement, of)
    session.execute(_FREE, of)
    session.expire_all()


def delete_written(session: Session, person_id: int, most: int) -> bool:
    """Delete what a person wrote and no label has, so many at most; whether there was any."""
    return written.delete_by(session, person_id, most)
