"""The SQL of live heads: features of responses, the preferences that they learn from, and what they tell."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, and_, delete, exists, func, literal, select, text
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import Session, aliased

from app import bulk
from app.models import (
    HeadReport,
    Item,
    ItemResponse,
    Label,
    Level,
    Preference,
    ProjectHead,
    Prompt,
    Response,
    ResponseFeatures,
    Split,
)
from app.rewards.snapshot_queries import usable_in

AT_ONCE = 1000


@dataclass(frozen=True)
class Features:
    """Of one response: float16 states as bytes, and its length in tokens."""

    response_id: int
    states: bytes
    tokens: int


def add_features(session: Session, model_id: int, found: Sequence[Features]) -> None:
    """Keep features, in place of those that are there; those of responses that were deleted meanwhile are dropped."""
    for start in range(0, len(found), AT_ONCE):
        part = found[start : start + AT_ONCE]
        there = select(Response.id).where(bulk.among(Response.id, [each.response_id for each in part]))
        kept = set(session.scalars(there.order_by(Response.id).with_for_update(read=True, key_share=True)))
        rows = [{"model_id": model_id, **vars(each)} for each in part if each.response_id in kept]
        if rows:
            statement = postgresql.insert(ResponseFeatures)  # one statement for any number of rows, which is kept
            statement = statement.on_conflict_do_update(
                index_elements=["model_id", "response_id"],
                set_={"states": statement.excluded.states, "tokens": statement.excluded.tokens},
            )
            session.execute(statement, rows)


def features(session: Session, model_id: int, response_ids: Sequence[int]) -> Iterator[Features]:
    """Those that are there of a model's."""
    columns = (ResponseFeatures.response_id, ResponseFeatures.states, ResponseFeatures.tokens)
    for start in range(0, len(response_ids), AT_ONCE):
        part = bulk.among(ResponseFeatures.response_id, response_ids[start : start + AT_ONCE])
        wanted = select(*columns).where(ResponseFeatures.model_id == model_id, part)
        yield from (Features(*row) for row in session.execute(wanted))


def foreign_features(session: Session, model_id: int, response_ids: Sequence[int]) -> int:
    """How many of these have features of another model alone."""
    if not response_ids:
        return 0
    own, other = aliased(ResponseFeatures), aliased(ResponseFeatures)
    read = exists().where(own.response_id == other.response_id, own.model_id == model_id)
    found = select(func.count(other.response_id.distinct())).where(bulk.among(other.response_id, response_ids), ~read)
    return session.scalar(found) or 0


def lacking(session: Session, project_id: int, model_id: int, limit: int) -> tuple[int, int]:
    """(responses of waiting items, those among them without features of the model), of `limit` items at most."""
    items = (
        select(Item.id)
        .where(
            Item.project_id == project_id, Item.slots_left > 0, Item.withdrawn_at.is_(None), Item.level == Level.TRAIN
        )
        .limit(limit)
    )
    read = and_(ResponseFeatures.response_id == ItemResponse.response_id, ResponseFeatures.model_id == model_id)
    row = session.execute(
        select(func.count(ItemResponse.response_id), func.count(ResponseFeatures.response_id))
        .outerjoin(ResponseFeatures, read)
        .where(ItemResponse.item_id.in_(items), ItemResponse.label_id.is_(None))
    ).one()
    return row[0], row[0] - row[1]


def preferences_after(
    session: Session, project_id: int, label_id: int, most: int, known: Sequence[int] = ()
) -> list[Row[Any]]:
    """(label_id, item_id, rater, prompt_id, held_out, control, placed, chosen, first, second, outcome, probability,
    raters) of current labels that are newer than a label, without those that are known: the newest `most` preferences,
    oldest first. `placed`: the live head had put the item before others; first and second are responses."""
    newer = [Label.id > label_id, *([~bulk.among(Label.id, known)] if known else [])]
    columns = _stated(session, project_id, _COLUMNS, newer)
    return [*session.execute(columns.limit(most))][::-1]


def preferences_of(session: Session, project_id: int, label_ids: Sequence[int]) -> list[Row[Any]]:
    """Those of these labels, as `preferences_after` has them, as far as they stand."""
    return [*session.execute(_stated(session, project_id, _COLUMNS, [bulk.among(Label.id, label_ids)]))][::-1]


def standing(session: Session, project_id: int, most: int) -> list[int]:
    """The label of each of the newest `most` preferences that `preferences_after` would find, newest first."""
    return [*session.scalars(_stated(session, project_id, (Preference.label_id,), []).limit(most))]


_ONE, _TWO = aliased(ItemResponse), aliased(ItemResponse)
_COLUMNS = (
    Preference.label_id,
    Label.item_id,
    Label.rater.label("rater"),
    Item.prompt_id,
    (Prompt.split == Split.HOLDOUT).label("held_out"),
    Item.control,
    (Item.rank < 0).label("placed"),
    Item.chosen,
    _ONE.response_id.label("first"),
    _TWO.response_id.label("second"),
    Preference.outcome,
    Preference.probability,
    Preference.raters,
)


_BY_LABEL = text(
    "select set_config('join_collapse_limit', '1', true), set_config('enable_hashjoin', 'off', true),"
    " set_config('enable_mergejoin', 'off', true)"
)


def _stated(
    session: Session, project_id: int, columns: Sequence[Any], which: Sequence[ColumnElement[bool]]
) -> Select[Any]:
    # As it is written, label by label: by statistics from before new labels the planner begins elsewhere, and reads all
    # there are; for 20,000 of 60,000 it would rather hash all of five tables, in twice the time.
    session.execute(_BY_LABEL)
    return (
        select(*columns)
        .select_from(Label)
        .join(Preference, Preference.label_id == Label.id)
        .join(Item, Item.id == Label.item_id)
        .join(Prompt, Prompt.id == Item.prompt_id)
        .join(_ONE, and_(_ONE.item_id == Item.id, _ONE.position == Preference.first))
        .join(_TWO, and_(_TWO.item_id == Item.id, _TWO.position == Preference.second))
        .where(*usable_in(project_id), *which, Preference.question == literal(""), Preference.probability.is_not(None))
        .order_by(Preference.label_id.desc(), Preference.first, Preference.second)
    )


def checks_after(session: Session, project_id: int, label_id: int) -> list[Row[Any]]:
    """(label_id, item_id, rater, passed) of current labels of attention checks, those newer than a label, oldest
    first."""
    found = select(Label.id.label("label_id"), Label.item_id, Label.rater.label("rater"), Label.passed).where(
        Label.project_id == project_id,
        Label.superseded_at.is_(None),
        Label.passed.is_not(None),
        Label.id > label_id,
    )
    return [*session.execute(found.order_by(Label.id))]


_NEWEST = text("select project_id, max(id) as label_id from label where id > :after group by project_id")


def newest_labels(session: Session, after: int) -> dict[int, int]:
    """Project -> its newest label, of projects that have one newer than a label."""
    return {row.project_id: row.label_id for row in session.execute(_NEWEST, {"after": after})}


def head(session: Session, project_id: int) -> ProjectHead | None:
    """What the project's head last wrote down."""
    return session.get(ProjectHead, project_id, populate_existing=True)


def written(session: Session, project_id: int) -> Row[HeadReport, int | None, bool] | None:
    """(report, model_id, whether there is a space of features) of what the project's head last wrote down."""
    columns = ProjectHead.report, ProjectHead.model_id, ProjectHead.space.is_not(None).label("has_space")
    return session.execute(select(*columns).where(ProjectHead.project_id == project_id)).one_or_none()


def tell(
    session: Session,
    project_id: int,
    report: HeadReport,
    *,
    model_id: int | None,
    knowledge: bytes | None,
    **space: bytes | None,
) -> None:
    """Write down what a head knows, in place of what it knew; `space`, which is large, only where it is new."""
    values = {"model_id": model_id, "knowledge": knowledge, "report": report, "told_at": func.now(), **space}
    statement = postgresql.insert(ProjectHead).values(project_id=project_id, **values)
    session.execute(statement.on_conflict_do_update(index_elements=["project_id"], set_=values))


def forget(session: Session, project_id: int) -> None:
    """Delete what a project's head wrote down."""
    session.execute(delete(ProjectHead).where(ProjectHead.project_id == project_id))
