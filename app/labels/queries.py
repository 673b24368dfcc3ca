"""The SQL of labels that are there: lists and export."""

from collections.abc import Iterator

from sqlalchemy import ColumnElement, exists, select
from sqlalchemy.orm import Session, joinedload

from app.models import Choice, Label, Pair, Purpose, User
from app.web.pages import Page, page


def own_labels(session: Session, project_id: int, user_id: int, before: int | None, limit: int = 30) -> Page[Label]:
    """A person's standing labels, newest first, with what they were about."""
    statement = (
        select(Label)
        .where(Label.annotator_id == user_id, Label.project_id == project_id, Label.superseded_at.is_(None))
        .options(joinedload(Label.pair).joinedload(Pair.prompt))
    )
    return page(session, statement, Label.id, before, limit)


def revisions(session: Session, pair_id: int, user_id: int) -> list[Label]:
    """All revisions of one person's answer to a pair, the standing one first."""
    return list(
        session.scalars(
            select(Label).where(Label.pair_id == pair_id, Label.annotator_id == user_id).order_by(Label.id.desc())
        )
    )


def listing(
    session: Session,
    project_id: int,
    *,
    choice: Choice | None = None,
    annotator: int | None = None,
    purpose: Purpose | None = None,
    late: bool = False,
    commented: bool = False,
    before: int | None = None,
    limit: int = 50,
) -> Page[Label]:
    """Standing labels, newest first, filtered."""
    conditions: list[ColumnElement[bool]] = [Label.project_id == project_id, Label.superseded_at.is_(None)]
    if choice:
        conditions.append(Label.choice == choice)
    if annotator:
        conditions.append(Label.annotator_id == annotator)
    if purpose:
        conditions.append(exists().where(Pair.id == Label.pair_id, Pair.purpose == purpose))
    if late:
        conditions.append(Label.late.is_(True))
    if commented:
        conditions.append(Label.comment.is_not(None))
    statement = (
        select(Label)
        .where(*conditions)
        .options(joinedload(Label.annotator), joinedload(Label.pair).joinedload(Pair.prompt))
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


def for_export(session: Session, project_id: int) -> Iterator[Label]:
    """Standing labels in the order they were given, with all that they are about, streamed."""
    statement = (
        select(Label)
        .where(Label.project_id == project_id, Label.superseded_at.is_(None))
        .options(
            joinedload(Label.pair).joinedload(Pair.prompt),
            joinedload(Label.pair).joinedload(Pair.response_a),
            joinedload(Label.pair).joinedload(Pair.response_b),
        )
        .order_by(Label.id)
        .execution_options(yield_per=500)
    )
    yield from session.scalars(statement)
