"""The SQL of reward models: snapshots of labels, the rows they train on, and scores beside labels."""

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, exists, func, insert, literal, or_, select
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import Session, aliased, joinedload

from app.models import (
    Choice,
    Label,
    Model,
    ModelKind,
    Pair,
    Prompt,
    Purpose,
    Response,
    ResponseScore,
    Snapshot,
    SnapshotLabel,
    Split,
    User,
)


def _answer(question: str) -> ColumnElement[Choice]:
    """A label's choice on one of the further questions, or on the main one, which is named by an empty text; null where
    the question was not asked."""
    if not question:
        return Label.choice.expression
    return func.jsonb_extract_path_text(Label.questions, question, type_=Label.choice.type)


def usable_labels(session: Session, project_id: int, question: str = "") -> list[Row[Any]]:
    """Current labels that a reward model may learn from or be measured on: (id, pair_id, annotator_id, choice,
    questions, strength, split, answer), in order of id; `answer` is the choice on `question`. Attention checks and
    evaluation pairs are not among them."""
    return list(
        session.execute(
            select(
                Label.id,
                Label.pair_id,
                Label.annotator_id,
                Label.choice,
                Label.questions,
                Label.strength,
                Prompt.split,
                _answer(question).label("answer"),
            )
            .join(Pair, Pair.id == Label.pair_id)
            .join(Prompt, Prompt.id == Pair.prompt_id)
            .where(Label.project_id == project_id, Label.superseded_at.is_(None), Pair.purpose == Purpose.TRAIN)
            .order_by(Label.id)
        )
    )


def add_snapshot(session: Session, snapshot: dict[str, Any], label_ids: Sequence[int]) -> Snapshot:
    """The project's snapshot with this content; the one that is there already where the content is the same."""
    same = select(Snapshot).where(
        Snapshot.project_id == snapshot["project_id"], Snapshot.content_hash == snapshot["content_hash"]
    )
    added: Snapshot | None = session.scalar(
        postgresql.insert(Snapshot)
        .values(**snapshot)
        .on_conflict_do_nothing(index_elements=["project_id", "content_hash"])
        .returning(Snapshot)
    )
    if added is None:
        return session.scalars(same).one()
    ids = func.unnest(literal(list(label_ids), postgresql.ARRAY(Label.id.type))).column_valued("label_id")
    session.execute(insert(SnapshotLabel).from_select(["snapshot_id", "label_id"], select(literal(added.id), ids)))
    return added


def snapshot_votes(session: Session, snapshot_id: int, question: str = "") -> list[Row[Any]]:
    """(pair_id, annotator_id, choice) of the snapshot's labels that answer the question, in order of pair and
    annotator."""
    choice = _answer(question)
    return list(
        session.execute(
            select(Label.pair_id, Label.annotator_id, choice.label("choice"))
            .join(SnapshotLabel, SnapshotLabel.label_id == Label.id)
            .where(SnapshotLabel.snapshot_id == snapshot_id, choice.is_not(None))
            .order_by(Label.pair_id, Label.annotator_id, Label.id)
        )
    )


def snapshot_pairs(session: Session, snapshot_id: int) -> Iterator[Row[Any]]:
    """(pair_id, split, chooses, messages, text_a, text_b) of the snapshot's pairs, in order of id."""
    a, b = aliased(Response), aliased(Response)
    inside = (
        select(Label.pair_id)
        .join(SnapshotLabel, SnapshotLabel.label_id == Label.id)
        .where(SnapshotLabel.snapshot_id == snapshot_id)
    )
    statement: Select[Any] = (
        select(
            Pair.id,
            Prompt.split,
            Prompt.chooses.label("chooses"),
            Prompt.messages,
            a.text.label("text_a"),
            b.text.label("text_b"),
        )
        .join(Prompt, Prompt.id == Pair.prompt_id)
        .join(a, a.id == Pair.response_a_id)
        .join(b, b.id == Pair.response_b_id)
        .where(Pair.id.in_(inside))
        .order_by(Pair.id)
    )
    yield from session.execute(statement.execution_options(yield_per=1000))


def latest_snapshot(session: Session, project_id: int) -> Snapshot | None:
    """The snapshot made last."""
    return session.scalar(select(Snapshot).where(Snapshot.project_id == project_id).order_by(Snapshot.id.desc()))


def labels_since(session: Session, project_id: int, snapshot_id: int | None) -> int:
    """Current labels newer than the newest one of a snapshot; all of them where there is none."""
    # Pairs of another purpose are few: leaving those out costs a fifth of looking every pair up.
    other = exists().where(Pair.id == Label.pair_id, Pair.purpose != Purpose.TRAIN)
    statement = select(func.count()).where(Label.project_id == project_id, Label.superseded_at.is_(None), ~other)
    if snapshot_id is not None:
        newest = select(func.max(SnapshotLabel.label_id)).where(SnapshotLabel.snapshot_id == snapshot_id)
        statement = statement.where(Label.id > func.coalesce(newest.scalar_subquery(), 0))
    return session.scalar(statement) or 0


def models(session: Session, project_id: int, limit: int = 100) -> list[Model]:
    """The project's reward models, the newest first."""
    return list(
        session.scalars(
            select(Model)
            .where(Model.project_id == project_id, Model.kind == ModelKind.REWARD)
            .order_by(Model.id.desc())
            .limit(limit)
        )
    )


def count_models(session: Session, project_id: int) -> int:
    """How many reward models the project has made."""
    found = session.scalar(select(func.count()).where(Model.project_id == project_id, Model.kind == ModelKind.REWARD))
    return found or 0


def responses_to_score(session: Session, project_id: int, model_id: int, open_limit: int) -> list[Row[Any]]:
    """(response_id, messages, text) that the model has not scored: of every pair with a current label, and of up to
    `open_limit` pairs that wait for one."""
    labelled = select(Label.pair_id).where(Label.project_id == project_id, Label.superseded_at.is_(None))
    waiting = (
        select(Pair.id)
        .where(Pair.project_id == project_id, Pair.slots_left > 0, Pair.withdrawn_at.is_(None))
        .order_by(Pair.priority.desc(), Pair.id)
        .limit(open_limit)
    )
    pairs = (
        select(Pair.response_a_id, Pair.response_b_id)
        .where(Pair.purpose == Purpose.TRAIN, or_(Pair.id.in_(labelled), Pair.id.in_(waiting)))
        .cte("pairs")
    )
    wanted = select(pairs.c.response_a_id.label("id")).union(select(pairs.c.response_b_id))
    scored = select(ResponseScore.response_id).where(ResponseScore.model_id == model_id)
    return list(
        session.execute(
            select(Response.id, Prompt.messages, Response.text)
            .join(Prompt, Prompt.id == Response.prompt_id)
            .where(Response.id.in_(wanted), Response.id.not_in(scored))
            .order_by(Response.prompt_id, Response.id)
        )
    )


def add_scores(session: Session, model_id: int, rows: Sequence[dict[str, Any]]) -> None:
    """Upsert scores: {"response_id", "score", "spread"}."""
    for start in range(0, len(rows), 5000):
        statement = postgresql.insert(ResponseScore).values(
            [{"model_id": model_id, **row} for row in rows[start : start + 5000]]
        )
        session.execute(
            statement.on_conflict_do_update(
                index_elements=["model_id", "response_id"],
                set_={"score": statement.excluded.score, "spread": statement.excluded.spread},
            )
        )


def judged_labels(session: Session, model_id: int, project_id: int, question: str = "") -> Iterator[Any]:
    """(label_id, pair_id, annotator_id, choice, split, chooses, score_a, score_b, tokens_a, tokens_b) of every current
    label on answers that the model has scored, where it answers the question."""
    choice = _answer(question)
    a, b = aliased(Response), aliased(Response)
    score_a, score_b = aliased(ResponseScore), aliased(ResponseScore)
    yield from session.execute(
        select(
            Label.id.label("label_id"),
            Label.pair_id,
            Label.annotator_id,
            choice.label("choice"),
            Prompt.split,
            Prompt.chooses.label("chooses"),
            score_a.score.label("score_a"),
            score_b.score.label("score_b"),
            a.token_count.label("tokens_a"),
            b.token_count.label("tokens_b"),
        )
        .join(Pair, Pair.id == Label.pair_id)
        .join(Prompt, Prompt.id == Pair.prompt_id)
        .join(a, a.id == Pair.response_a_id)
        .join(b, b.id == Pair.response_b_id)
        .join(score_a, (score_a.response_id == a.id) & (score_a.model_id == model_id))
        .join(score_b, (score_b.response_id == b.id) & (score_b.model_id == model_id))
        .where(
            Label.project_id == project_id,
            Label.superseded_at.is_(None),
            Pair.purpose == Purpose.TRAIN,
            choice.is_not(None),
        )
        .order_by(Label.id),
        execution_options={"yield_per": 5000},
    )


def labels_by_id(session: Session, ids: Sequence[int]) -> list[Label]:
    """These labels where they are still current, with all that a page shows of them."""
    return list(
        session.scalars(
            select(Label)
            .where(Label.id.in_(ids), Label.superseded_at.is_(None))
            .options(
                joinedload(Label.annotator),
                joinedload(Label.pair).options(
                    joinedload(Pair.prompt), joinedload(Pair.response_a), joinedload(Pair.response_b)
                ),
            )
        )
    )


def names_of(session: Session, user_ids: Sequence[int]) -> dict[int, str]:
    """id -> name."""
    return {row.id: row.name for row in session.execute(select(User.id, User.name).where(User.id.in_(user_ids)))}


def unsure_pairs(session: Session, model_id: int, project_id: int) -> list[Row[Any]]:
    """(pair_id, score_a, score_b, spread_a, spread_b) of the waiting pairs that the model has scored."""
    score_a, score_b = aliased(ResponseScore), aliased(ResponseScore)
    return list(
        session.execute(
            select(
                Pair.id,
                score_a.score.label("score_a"),
                score_b.score.label("score_b"),
                score_a.spread.label("spread_a"),
                score_b.spread.label("spread_b"),
            )
            .join(score_a, (score_a.response_id == Pair.response_a_id) & (score_a.model_id == model_id))
            .join(score_b, (score_b.response_id == Pair.response_b_id) & (score_b.model_id == model_id))
            .where(
                Pair.project_id == project_id,
                Pair.purpose == Purpose.TRAIN,
                Pair.slots_left > 0,
                Pair.withdrawn_at.is_(None),
            )
            .order_by(Pair.id)
        )
    )


def usable_counts(session: Session, project_id: int) -> Any:
    """(train, holdout, both_bad): pairs with a usable label on either side, and labels that call both bad."""
    current = (Label.project_id == project_id, Label.superseded_at.is_(None))
    usable = select(Label.id).where(*current, Label.pair_id == Pair.id, Label.choice != Choice.BOTH_BAD).exists()
    both_bad = (
        select(func.count())
        .select_from(Label)
        .join(Pair, Pair.id == Label.pair_id)
        .where(*current, Label.choice == Choice.BOTH_BAD, Pair.purpose == Purpose.TRAIN)
    )
    return session.execute(
        select(
            func.count().filter(Prompt.split == Split.TRAIN).label("train"),
            func.count().filter(Prompt.split == Split.HOLDOUT).label("holdout"),
            both_bad.scalar_subquery().label("both_bad"),
        )
        .select_from(Pair)
        .join(Prompt, Prompt.id == Pair.prompt_id)
        .where(Pair.project_id == project_id, Pair.purpose == Purpose.TRAIN, usable)
    ).one()
