"""All that one person decided goes for good: labels with their revisions and preferences, the responses that they wrote
as labels, and the leases. Their slots are free again, so that others are asked."""

from collections.abc import Sequence

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from app.items import outside, written
from app.models import Assignment, Item, Label, Purpose, Response

_HOLD_ITEMS = text(
    """
    select id from item where id in (
        select item_id from assignment where annotator_id = :person union
        select item_id from label where annotator_id = :person
    ) order by id for no key update
    """
)
# Counted anew, since people may have had more labels on an item than are wanted of it now.
_FREE = text(
    """
    update item set slots_left = greatest(0, overlap_target
        - (select count(*) from assignment where item_id = item.id and state = 'open')
        - (select count(*) from label where item_id = item.id and superseded_at is null and not surplus))
    where id = any(:items)
    """
)
BATCH = 10_000  # items: of more one statement might take longer than any may
_DELETE = (
    text("delete from label where annotator_id = :person"),
    text("delete from assignment where annotator_id = :person"),
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


def delete(session: Session, person_id: int) -> None:
    """Delete all labels of a person. The caller holds the snapshots of `projects_of`."""
    of = {"person": person_id}
    items = list(session.scalars(_HOLD_ITEMS, of))
    chosen = select(Label.item_id).join(Item, Item.id == Label.item_id)
    chosen = chosen.where(Label.annotator_id == person_id, Item.purpose == Purpose.CHAT)
    outside.delete_from_chat(session, session.scalars(chosen.distinct()).all())
    written.delete_by(session, person_id)
    for statement in _DELETE:
        session.execute(statement, of)
    for start in range(0, len(items), BATCH):
        session.execute(_FREE, {"items": items[start : start + BATCH]})
    session.expire_all()
