"""The SQL of labels that are there: lists and export."""

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import JSON, ColumnElement, exists, func, or_, select
from sqlalchemy.dialects.postgresql import aggregate_order_by
from sqlalchemy.orm import Session, joinedload, selectinload

from app.models import Item, ItemResponse, Label, Outcome, Preference, Prompt, Purpose, Response, User
from app.web.pages import Page, page

_BATCH = 500  # rows of an export
_WRITTEN = {
    "position": ItemResponse.position,
    "text": Response.text,
    "model": Response.model_id,
    "author": Response.author_id,
    "imported_from": Response.imported_from,
}
"""Of each response that a label is about, in an export."""


def own_labels(session: Session, project_id: int, user_id: int, before: int | None, limit: int = 30) -> Page[Label]:
    """A person's standing labels of what the queue asked them, newest first, with what they were about."""
    statement = (
        select(Label)
        .where(Label.annotator_id == user_id, Label.project_id == project_id, Label.superseded_at.is_(None))
        .where(Label.assignment_id.is_not(None))
        .options(joinedload(Label.item).joinedload(Item.prompt), selectinload(Label.preferences))
    )
    return page(session, statement, Label.id, before, limit)


def revisions(session: Session, item_id: int, user_id: int) -> list[Label]:
    """All revisions of one person's answer to an item of the queue, the standing one first."""
    return list(
        session.scalars(
            select(Label)
            .where(Label.item_id == item_id, Label.annotator_id == user_id, Label.assignment_id.is_not(None))
            .order_by(Label.id.desc())
        )
    )


def listing(
    session: Session,
    project_id: int,
    *,
    outcome: Outcome | None = None,
    annotator: int | None = None,
    purpose: Purpose | None = None,
    late: bool = False,
    commented: bool = False,
    before: int | None = None,
    limit: int = 50,
) -> Page[Label]:
    """Standing labels, newest first, filtered."""
    conditions: list[ColumnElement[bool]] = [Label.project_id == project_id, Label.superseded_at.is_(None)]
    if outcome:
        said = (Preference.label_id == Label.id, Preference.question == "", Preference.outcome == outcome)
        conditions.append(exists().where(*said))
    if annotator:
        conditions.append(Label.annotator_id == annotator)
    if purpose:
        conditions.append(exists().where(Item.id == Label.item_id, Item.purpose == purpose))
    if late:
        conditions.append(Label.late.is_(True))
    if commented:
        conditions.append(Label.comment.is_not(None))
    statement = (
        select(Label)
        .where(*conditions)
        .options(
            joinedload(Label.annotator),
            joinedload(Label.imported_annotator),
            joinedload(Label.item).joinedload(Item.prompt),
            selectinload(Label.preferences),
        )
    )
    return page(session, statement, Label.id, before, limit)


def annotators(session: Session, project_id: int) -> list[tuple[int, str]]:
    """(id, name) of everybody who has answered in this project."""
    rows = session.execute(
        select(User.id, User.name)
        .where(exists().where(Label.annotator_id == User.id, Label.project_id == project_id))
        .order_by(User.name)
    )
    return [(row.id, row.name) for row in rows]


def for_export(session: Session, project_id: int) -> Iterator[Sequence[Any]]:
    """Standing labels in the order they were given, with all that they are about, batch by batch as the server has
    them: objects of a million rows would be held until the end, and cost five times as much."""
    responses = (
        select(
            _rows(func.json_build_object(*(part for pair in _WRITTEN.items() for part in pair)), ItemResponse.position)
        )
        .select_from(ItemResponse)
        .join(Response, Response.id == ItemResponse.response_id)
        .where(ItemResponse.item_id == Item.id, or_(ItemResponse.label_id.is_(None), ItemResponse.label_id == Label.id))
        .scalar_subquery()
    )
    said = (Preference.question, Preference.first, Preference.second)
    names = (*said, Preference.outcome, Preference.strength)
    stated = (
        select(_rows(func.json_build_object(*(part for each in names for part in (each.key, each))), *said))
        .where(Preference.label_id == Label.id)
        .scalar_subquery()
    )
    statement = (
        select(
            Label.id, Label.item_id, Label.annotator_id, Label.value, Label.reasons, Label.comment,
            Label.seconds, Label.order, Label.late, Label.created_at, Item.prompt_id, Item.purpose,
            Prompt.split, Prompt.messages, responses.label("responses"), stated.label("stated"),
        )
        .join(Item, Item.id == Label.item_id)
        .join(Prompt, Prompt.id == Item.prompt_id)
        .where(Label.project_id == project_id, Label.superseded_at.is_(None))
        .order_by(Label.id)
    )  # fmt: skip
    yield from session.execute(statement, execution_options={"yield_per": _BATCH}).partitions()


def _rows(row: Any, *order: Any) -> Any:
    return func.json_agg(aggregate_order_by(row, *order), type_=JSON)
