"""The SQL of labels that are there: lists and export."""

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import ColumnElement, exists, select
from sqlalchemy.orm import Session, aliased, joinedload

from app.models import Choice, Label, Pair, Prompt, Purpose, Response, User
from app.web.pages import Page, page

_BATCH = 500  # rows of an export


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


def for_export(session: Session, project_id: int) -> Iterator[Sequence[Any]]:
    """Standing labels in the order they were given, with all that they are about, batch by batch as the server has
    them: objects of a million rows would be held until the end, and cost five times as much."""
    a, b = aliased(Response), aliased(Response)
    statement = (
        select(
            Label.id, Label.pair_id, Label.annotator_id, Label.choice, Label.strength, Label.questions, Label.reasons,
            Label.comment, Label.seconds, Label.left, Label.late, Label.created_at, Pair.prompt_id, Pair.purpose,
            Prompt.split, Prompt.messages, a.text.label("text_a"), a.model_id.label("model_a"),
            b.text.label("text_b"), b.model_id.label("model_b"),
        )
        .join(Pair, Pair.id == Label.pair_id)
        .join(Prompt, Prompt.id == Pair.prompt_id)
        .join(a, a.id == Pair.response_a_id)
        .join(b, b.id == Pair.response_b_id)
        .where(Label.project_id == project_id, Label.superseded_at.is_(None))
        .order_by(Label.id)
    )  # fmt: skip
    yield from session.execute(statement, execution_options={"yield_per": _BATCH}).partitions()
