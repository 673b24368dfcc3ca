"""The SQL of exports. Labels are read in batches, each by its own statement, in the order in which they were given or
by item: the next batch begins behind the last one, so that an export that was broken off can go on."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import chain, repeat
from typing import Any

from sqlalchemy import JSON, ColumnElement, Row, Select, func, literal, or_, select
from sqlalchemy.dialects.postgresql import aggregate_order_by
from sqlalchemy.orm import InstrumentedAttribute, Session

from app.labels.queries import conditions
from app.models import (
    ImportedAnnotator,
    Instructions,
    Item,
    ItemResponse,
    Label,
    Model,
    Preference,
    Prompt,
    Purpose,
    Response,
    Split,
    User,
)
from app.models.export_settings import ExportLayout, ExportSettings, LabelConditions
from app.rewards.snapshot_queries import usable

BATCH, FIRST = 500, 50  # labels
MANY = 100_000
ITEMS, FIRST_ITEMS = 200, 20

_WRITTEN = {
    "position": ItemResponse.position,
    "text": Response.text,
    "name": func.coalesce(Model.name, Response.imported_from),
    "model": Response.model_id,
    "author": Response.author_id,
    "author_name": User.name,
    "imported_from": Response.imported_from,
    "strategy": Response.strategy,
    "temperature": Response.temperature,
    "top_p": Response.top_p,
    "top_k": Response.top_k,
    "seed": Response.seed,
    "finish_reason": Response.finish_reason,
    "token_count": Response.token_count,
    "metadata": Response.extra,
}
"""Of each response that a label is about."""
_STATED = (
    Preference.question, Preference.first, Preference.second, Preference.outcome, Preference.strength,
    Preference.probability, Preference.raters,
)  # fmt: skip


@dataclass(frozen=True)
class Moment:
    """The labels of a moment, which stay the same whatever comes later: those up to a number, as they stood then."""

    upto: int
    at: datetime


def now(session: Session) -> Moment:
    """This moment. The newest label may be another project's: to find the project's own takes a walk through those."""
    newest = select(func.coalesce(func.max(Label.id), 0)).scalar_subquery()
    return Moment(*session.execute(select(newest, func.clock_timestamp())).one())


def count(session: Session, project_id: int, wanted: ExportSettings, moment: Moment, most: int | None = None) -> int:
    """How many labels the export is made of; at most `most`, from which on nobody counts."""
    of = _conditions(project_id, wanted, moment, None)
    counted = select(literal(1)).select_from(Label).where(*of)
    if len(counted.get_final_froms()) > 1:  # without a look at items and prompts, where nothing is asked of those
        counted = _with_prompts(select(literal(1)).select_from(Label)).where(*of)
    found = counted.limit(most).subquery()
    return session.scalar(select(func.count()).select_from(found)) or 0


def labels(
    session: Session,
    project_id: int,
    wanted: ExportSettings,
    moment: Moment,
    split: Split | None,
    after: int,
    size: int | None = None,
) -> Iterator[Sequence[Row[Any]]]:
    """Labels with all that they are about, in order of number from behind `after` on, batch by batch."""
    after = _before_the_first(session, project_id, wanted, after, Label.id)
    statement = _wanted(_rows(), project_id, wanted, moment, split).order_by(Label.id)
    for most in _sizes(size, FIRST, BATCH):
        found = session.execute(statement.where(Label.id > after).limit(most)).all()
        if not found:
            return
        yield found
        after = found[-1].id


def items(
    session: Session,
    project_id: int,
    wanted: ExportSettings,
    moment: Moment,
    split: Split | None,
    after: int,
    size: int | None = None,
) -> Iterator[Sequence[Row[Any]]]:
    """The same in order of item and label, no item in two batches; `after` is an item."""
    after = _before_the_first(session, project_id, wanted, after, Label.item_id)
    every = select(Label.item_id).distinct().select_from(Label)
    numbers = _wanted(every, project_id, wanted, moment, split).order_by(Label.item_id)
    statement = _wanted(_rows(), project_id, wanted, moment).order_by(Label.item_id, Label.id)
    for most in _sizes(size, FIRST_ITEMS, ITEMS):
        ids = session.scalars(numbers.where(Label.item_id > after, Item.id > after).limit(most)).all()
        if not ids:
            return
        yield session.execute(statement.where(Label.item_id.in_(ids))).all()
        after = ids[-1]


def _before_the_first(
    session: Session, project_id: int, wanted: ExportSettings, after: int, number: InstrumentedAttribute[int]
) -> int:
    """A number from `after` on behind which the labels begin. PostgreSQL takes a project's labels for evenly spread: to
    find the first few in their order it walks along the table, through all that other projects had before. Of a project
    with more than MANY it may."""
    of = conditions(project_id, LabelConditions(annotator=wanted.annotator))
    some = select(number.label("number")).where(*of, number > after).limit(MANY + 1).subquery()
    many, first = session.execute(select(func.count(), func.min(some.c.number))).one()
    return first - 1 if 0 < many <= MANY else after


def _sizes(size: int | None, first: int, others: int) -> Iterator[int]:
    """Of batches: a small one first, so that somebody who waits has something soon."""
    return repeat(size) if size else chain([min(first, others)], repeat(others))


def _rows() -> Select[*tuple[Any, ...]]:
    responses = (
        select(_listed(_WRITTEN, ItemResponse.position))
        .select_from(ItemResponse)
        .join(Response, Response.id == ItemResponse.response_id)
        .outerjoin(Model, Model.id == Response.model_id)
        .outerjoin(User, User.id == Response.author_id)
        .where(ItemResponse.item_id == Item.id, or_(ItemResponse.label_id.is_(None), ItemResponse.label_id == Label.id))
        .scalar_subquery()
    )
    named = {column.key: column for column in _STATED}
    stated = select(_listed(named, *_STATED[:3])).where(Preference.label_id == Label.id).scalar_subquery()
    by = func.coalesce(
        select(User.name).where(User.id == Label.annotator_id).scalar_subquery(),
        select(ImportedAnnotator.name).where(ImportedAnnotator.id == Label.imported_annotator_id).scalar_subquery(),
    )
    told = select(Instructions.number).where(Instructions.id == Label.instructions_id).scalar_subquery()
    found: Select[*tuple[Any, ...]] = (
        select(
            Label.id, Label.item_id, Label.rater.label("rater"), by.label("annotator"), Label.value, Label.reasons,
            Label.comment, Label.seconds, Label.order, Label.passed, Label.late, Label.surplus, Label.created_at,
            Label.superseded_at, Item.prompt_id, Item.purpose, Prompt.split, Prompt.chooses.label("chooses"),
            Prompt.messages, usable().label("usable"), Prompt.extra.label("of_prompt"), Item.extra.label("of_item"),
            Label.extra.label("of_label"),
            responses.label("responses"), stated.label("stated"), told.label("instructions"),
        )
        .select_from(Label)
    )  # fmt: skip
    return found


def _wanted(
    statement: Select[*tuple[Any, ...]],
    project_id: int,
    wanted: ExportSettings,
    moment: Moment,
    split: Split | None = None,
) -> Select[*tuple[Any, ...]]:
    return _with_prompts(statement).where(*_conditions(project_id, wanted, moment, split))


def _with_prompts(statement: Select[*tuple[Any, ...]]) -> Select[*tuple[Any, ...]]:
    return statement.join(Item, Item.id == Label.item_id).join(Prompt, Prompt.id == Item.prompt_id)


def _conditions(
    project_id: int, wanted: ExportSettings, moment: Moment, split: Split | None
) -> list[ColumnElement[bool]]:
    of: list[ColumnElement[bool]] = [*conditions(project_id, wanted), Label.id <= moment.upto]
    if not wanted.revisions:
        of.append(or_(Label.superseded_at.is_(None), Label.superseded_at > moment.at))
    splits = wanted.splits if split is None else [split]
    if len(splits) < len(Split):
        of.append(Prompt.split.in_(splits))
    if wanted.layout is ExportLayout.SFT:
        of.append(Label.id.in_(select(ItemResponse.label_id).where(ItemResponse.label_id == Label.id)))
        if wanted.purpose is None:
            of.append(Item.purpose == Purpose.TRAIN)
    elif wanted.layout is not ExportLayout.EVERYTHING and wanted.purpose is None:
        of.append(usable())
    return of


def _listed(parts: dict[str, Any], *order: Any) -> Any:
    built = func.json_build_object(*(part for pair in parts.items() for part in pair))
    return func.json_agg(aggregate_order_by(built, *order), type_=JSON)
