"""The SQL of reward models: what they have scored, beside what people said."""

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import FromClause, Row, func, or_, select, true
from sqlalchemy.orm import Session, joinedload, selectinload

from app import bulk
from app.models import (
    LEARNT_FROM,
    ImportedAnnotator,
    Item,
    ItemResponse,
    Label,
    Model,
    ModelKind,
    Preference,
    Prompt,
    Response,
    ResponseFeatures,
    ResponseScore,
    User,
)
from app.rewards.snapshot_queries import usable_in


def count_models(session: Session, project_id: int) -> int:
    """How many reward models the project has made."""
    found = session.scalar(select(func.count()).where(Model.project_id == project_id, Model.kind == ModelKind.REWARD))
    return found or 0


def responses_to_score(session: Session, project_id: int, model_id: int, open_limit: int) -> list[Row[Any]]:
    """(response_id, messages, text) that the model has not scored, or that have no features of it: of every item with
    a current label, and of up to `open_limit` items that wait for one."""
    labelled = select(Label.item_id).where(Label.project_id == project_id, Label.superseded_at.is_(None))
    waiting = (
        select(Item.id)
        .where(Item.project_id == project_id, Item.slots_left > 0, Item.withdrawn_at.is_(None))
        .order_by(Item.level, Item.rank, Item.id)
        .limit(open_limit)
    )
    wanted = (
        select(ItemResponse.response_id)
        .join(Item, Item.id == ItemResponse.item_id)
        .where(Item.purpose.in_(LEARNT_FROM), or_(Item.id.in_(labelled), Item.id.in_(waiting)))
    )
    scored = select(ResponseScore.response_id).where(ResponseScore.model_id == model_id)
    read = select(ResponseFeatures.response_id).where(ResponseFeatures.model_id == model_id)
    return list(
        session.execute(
            select(Response.id, Prompt.messages, Response.text)
            .join(Prompt, Prompt.id == Response.prompt_id)
            .where(Response.id.in_(wanted), or_(Response.id.not_in(scored), Response.id.not_in(read)))
            .order_by(Response.prompt_id, Response.id)
        )
    )


def add_scores(session: Session, model_id: int, rows: Sequence[dict[str, Any]]) -> None:
    """Upsert scores: {"response_id", "score", "spread"}; those of responses that were deleted meanwhile are dropped."""
    for start in range(0, len(rows), 5000):
        ids = [row["response_id"] for row in rows[start : start + 5000]]
        there = select(Response.id).where(bulk.among(Response.id, ids)).order_by(Response.id)
        kept = set(session.scalars(there.with_for_update(read=True, key_share=True)))
        scores = [{"model_id": model_id, **row} for row in rows[start : start + 5000] if row["response_id"] in kept]
        if not scores:
            continue
        statement = bulk.inserting(ResponseScore, scores)
        session.execute(
            statement.on_conflict_do_update(
                index_elements=["model_id", "response_id"],
                set_={"score": statement.excluded.score, "spread": statement.excluded.spread},
            )
        )


def judged_preferences(session: Session, project_id: int, model_id: int, question: str = "") -> Iterator[Any]:
    """(label_id, prompt_id, item_id, first, second, rater, outcome, split, chooses, score_first, score_second,
    tokens_first, tokens_second) of what every current label says, on the question, of responses that the model has
    scored."""
    one, two = (_scored(model_id, position) for position in (Preference.first, Preference.second))
    yield from session.execute(
        select(
            Preference.label_id,
            Item.prompt_id,
            Label.item_id,
            Preference.first,
            Preference.second,
            Label.rater.label("rater"),
            Preference.outcome,
            Prompt.split,
            Prompt.chooses.label("chooses"),
            one.c.score.label("score_first"),
            two.c.score.label("score_second"),
            one.c.tokens.label("tokens_first"),
            two.c.tokens.label("tokens_second"),
        )
        .select_from(Preference)
        .join(Label, Label.id == Preference.label_id)
        .join(Item, Item.id == Label.item_id)
        .join(Prompt, Prompt.id == Item.prompt_id)
        .join(one, true())
        .join(two, true())
        .where(*usable_in(project_id), Preference.question == question)
        .order_by(Preference.label_id, Preference.first, Preference.second),
        execution_options={"yield_per": 5000},
    )


def _scored(model_id: int, position: Any) -> FromClause:
    """(score, spread, tokens) of the item's response at a position, where the model has scored it."""
    return (
        select(ResponseScore.score, ResponseScore.spread, Response.token_count.label("tokens"))
        .join(ItemResponse, ItemResponse.response_id == ResponseScore.response_id)
        .join(Response, Response.id == ItemResponse.response_id)
        .where(ItemResponse.item_id == Item.id, ItemResponse.position == position, ResponseScore.model_id == model_id)
        .lateral()
    )


def labels_by_id(session: Session, ids: Sequence[int]) -> list[Label]:
    """These labels where they are still current, with all that a page shows of them."""
    return list(
        session.scalars(
            select(Label)
            .where(Label.id.in_(ids), Label.superseded_at.is_(None))
            .options(
                joinedload(Label.annotator).undefer(User.shown),
                joinedload(Label.imported_annotator),
                selectinload(Label.preferences),
                joinedload(Label.item).options(
                    joinedload(Item.prompt), selectinload(Item.item_responses).joinedload(ItemResponse.response)
                ),
            )
        )
    )


def names_of(session: Session, raters: Sequence[int]) -> dict[int, str]:
    """Number of an annotator (see `Label.rater`) -> what lists call them."""
    names = {row.id: row.shown for row in session.execute(select(User.id, User.shown).where(User.id.in_(raters)))}
    imported = ImportedAnnotator.id.in_([-rater for rater in raters if rater < 0])
    return names | {-each.id: each.shown for each in session.scalars(select(ImportedAnnotator).where(imported))}
