"""The SQL of what can be learned from: labels that count, the snapshots that freeze them, and what those hold."""

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import JSON, ColumnElement, Row, Select, and_, delete, exists, func, insert, literal, or_, select
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import Session

from app.models import (
    LEARNT_FROM,
    Item,
    ItemResponse,
    Label,
    Member,
    Messages,
    Outcome,
    Preference,
    Project,
    Prompt,
    PromptStatus,
    Purpose,
    Response,
    Snapshot,
    SnapshotLabel,
    Split,
)
from app.models.documents import RaterNote


def usable() -> ColumnElement[bool]:
    """Of a label with its item and prompt: whether a reward model may learn from it or be measured on it while it
    stands; attention checks and evaluations are not among them, nor choices made in chats whose prompt a manager
    refused."""
    return and_(Item.purpose.in_(LEARNT_FROM), or_(Item.purpose != Purpose.CHAT, Prompt.status != PromptStatus.REFUSED))


def usable_in(project_id: int) -> tuple[ColumnElement[bool], ...]:
    """Current labels that a reward model may learn from or be measured on."""
    return Label.project_id == project_id, Label.superseded_at.is_(None), usable()


def held_by(snapshot_id: int) -> tuple[ColumnElement[bool], ...]:
    """The labels of a snapshot."""
    return (Label.id.in_(select(SnapshotLabel.label_id).where(SnapshotLabel.snapshot_id == snapshot_id)),)


def preferences(session: Session, which: Sequence[ColumnElement[bool]]) -> list[Row[Any]]:
    """(label_id, item_id, annotator_id, question, first, second, outcome, strength, split) of what labels say, in order
    of all that names a preference; `which` are `usable_in` or `held_by`."""
    return list(
        session.execute(
            select(
                Preference.label_id,
                Label.item_id,
                Label.annotator_id,
                Preference.question,
                Preference.first,
                Preference.second,
                Preference.outcome,
                Preference.strength,
                Prompt.split,
            )
            .join(Label, Label.id == Preference.label_id)
            .join(Item, Item.id == Label.item_id)
            .join(Prompt, Prompt.id == Item.prompt_id)
            .where(*which)
            .order_by(Preference.label_id, Preference.question, Preference.first, Preference.second)
        )
    )


def without_preference(session: Session, which: Sequence[ColumnElement[bool]]) -> list[Row[Any]]:
    """(label_id, item_id, annotator_id) of such labels that state no preference, in order."""
    return list(
        session.execute(
            select(Label.id.label("label_id"), Label.item_id, Label.annotator_id)
            .join(Item, Item.id == Label.item_id)
            .join(Prompt, Prompt.id == Item.prompt_id)
            .where(*which, ~exists().where(Preference.label_id == Label.id))
            .order_by(Label.id)
        )
    )


def usable_counts(session: Session, project_id: int) -> Any:
    """(train, holdout, both_bad): items with a usable label on either side, and labels that call both bad."""
    said = (
        select(Label.item_id, Preference.outcome, Prompt.split)
        .join(Preference, (Preference.label_id == Label.id) & (Preference.question == ""))
        .join(Item, Item.id == Label.item_id)
        .join(Prompt, Prompt.id == Item.prompt_id)
        .where(*usable_in(project_id))
        .subquery()
    )
    usable = said.c.outcome != Outcome.BOTH_BAD
    items = func.count(said.c.item_id.distinct())
    return session.execute(
        select(
            items.filter(usable, said.c.split == Split.TRAIN).label("train"),
            items.filter(usable, said.c.split == Split.HOLDOUT).label("holdout"),
            func.count().filter(~usable).label("both_bad"),
        )
    ).one()


def new_labels(session: Session, projects: Sequence[int]) -> dict[int, int]:
    """Of each project: current labels newer than the newest of its last snapshot; all where there is none."""
    last = select(func.max(Snapshot.id)).where(Snapshot.project_id == Project.id).correlate(Project).scalar_subquery()
    newest = select(func.max(SnapshotLabel.label_id)).where(SnapshotLabel.snapshot_id == last).correlate(Project)
    # Pairs of another purpose are few: leaving those out costs a fifth of looking every pair up.
    other = exists().where(Item.id == Label.item_id, Item.purpose.not_in(LEARNT_FROM))
    refused = exists().where(
        Label.assignment_id.is_(None),
        Item.id == Label.item_id,
        Prompt.id == Item.prompt_id,
        Prompt.status == PromptStatus.REFUSED,
    )
    current = (Label.project_id == Project.id, Label.superseded_at.is_(None))
    fresh = (
        select(func.count())
        .select_from(Label)
        .where(*current, Label.id > func.coalesce(newest.scalar_subquery(), 0), ~other, ~refused)
        .correlate(Project)
    )
    found = select(Project.id, fresh.scalar_subquery()).where(Project.id.in_(projects))
    return dict(session.execute(found).tuples().all())


def count_written(session: Session, project_id: int, after: int = 0) -> dict[Split, int]:
    """How many responses people wrote as usable labels newer than label `after`, by the split of their prompts."""
    statement = (
        select(Prompt.split, func.count().label("written"))
        .select_from(Label)
        .join(ItemResponse, ItemResponse.label_id == Label.id)
        .join(Item, Item.id == Label.item_id)
        .join(Prompt, Prompt.id == Item.prompt_id)
        .where(*usable_in(project_id), Label.id > after, ItemResponse.label_id.is_not(None))
        .group_by(Prompt.split)
    )
    return {row.split: row.written for row in session.execute(statement)}


def rater_notes(session: Session, project_id: int) -> dict[int, RaterNote]:
    """By annotator, what is known now of those who have done attention checks or are paused."""
    paused = Member.paused_at.is_not(None)
    counted = (
        select(
            Label.annotator_id,
            func.count().filter(Label.passed.is_(True)).label("passed"),
            func.count().filter(Label.passed.is_(False)).label("missed"),
        )
        .where(Label.project_id == project_id, Label.superseded_at.is_(None), Label.passed.is_not(None))
        .group_by(Label.annotator_id)
        .subquery()
    )
    found = session.execute(
        select(Member.user_id, func.coalesce(counted.c.passed, 0), func.coalesce(counted.c.missed, 0), paused)
        .outerjoin(counted, counted.c.annotator_id == Member.user_id)
        .where(Member.project_id == project_id, or_(paused, counted.c.annotator_id.is_not(None)))
        .order_by(Member.user_id)
    )
    return {who: {"passed": passed, "missed": missed, "paused": idle} for who, passed, missed, idle in found}


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


def with_labels_of(person_id: int) -> Select[Snapshot]:
    """The snapshots that hold labels of a person, or know anything of them."""
    theirs = (
        select(SnapshotLabel.snapshot_id)
        .join(Label, Label.id == SnapshotLabel.label_id)
        .where(Label.annotator_id == person_id)
    )
    known = func.jsonb_exists(Snapshot.raters, str(person_id))
    return select(Snapshot).where(or_(Snapshot.id.in_(theirs), known))


def nth_held(session: Session, snapshot_id: int, after: int, many: int) -> int | None:
    """The last of so many labels of a snapshot behind one; None behind the last."""
    numbers = select(SnapshotLabel.label_id).where(
        SnapshotLabel.snapshot_id == snapshot_id, SnapshotLabel.label_id > after
    )
    some = numbers.order_by(SnapshotLabel.label_id).limit(many).subquery()
    last: int | None = session.scalar(select(func.max(some.c.label_id)))
    return last


def take_out(session: Session, snapshot_id: int, person_id: int) -> None:
    """Take a person's labels out of a snapshot."""
    theirs = select(Label.id).where(Label.annotator_id == person_id)
    held = (SnapshotLabel.snapshot_id == snapshot_id, SnapshotLabel.label_id.in_(theirs))
    session.execute(delete(SnapshotLabel).where(*held))


def latest_snapshot(session: Session, project_id: int) -> Snapshot | None:
    """The snapshot made last."""
    return session.scalar(select(Snapshot).where(Snapshot.project_id == project_id).order_by(Snapshot.id.desc()))


def snapshot_preferences(session: Session, snapshot_id: int, question: str = "") -> list[Row[Any]]:
    """(item_id, first, second, rater, outcome, probability, raters, strength, late, surplus) by the snapshot's labels
    for the question, in order of pair of responses and rater."""
    return list(
        session.execute(
            select(
                Label.item_id,
                Preference.first,
                Preference.second,
                Label.rater.label("rater"),
                Preference.outcome,
                Preference.probability,
                Preference.raters,
                Preference.strength,
                Label.late,
                # What came from outside the queue fills no slot either, and is no opinion too many.
                (Label.surplus & Label.assignment_id.is_not(None)).label("surplus"),
            )
            .join(SnapshotLabel, SnapshotLabel.label_id == Label.id)
            .join(Preference, Preference.label_id == Label.id)
            .where(SnapshotLabel.snapshot_id == snapshot_id, Preference.question == question)
            .order_by(Label.item_id, Preference.first, Preference.second, Label.rater, Label.id)
        )
    )


def snapshot_responses(session: Session, snapshot_id: int) -> Iterator[Row[int, Split, bool, Messages, Sequence[str]]]:
    """(item_id, split, chooses, messages, texts) of the snapshot's items, in order of id; `texts` is position (in
    words, as JSON has it) -> text."""
    inside = (
        select(Label.item_id)
        .join(SnapshotLabel, SnapshotLabel.label_id == Label.id)
        .where(SnapshotLabel.snapshot_id == snapshot_id)
    )
    texts = (
        select(func.json_object_agg(ItemResponse.position, Response.text, type_=JSON))
        .join(Response, Response.id == ItemResponse.response_id)
        .where(ItemResponse.item_id == Item.id)
        .scalar_subquery()
    )
    statement = (
        select(
            Item.id.label("item_id"),
            Prompt.split,
            Prompt.chooses.label("chooses"),
            Prompt.messages,
            texts.label("texts"),
        )
        .join(Prompt, Prompt.id == Item.prompt_id)
        .where(Item.id.in_(inside))
        .order_by(Item.id)
    )
    yield from session.execute(statement.execution_options(yield_per=1000))


def snapshot_written(session: Session, snapshot_id: int) -> list[Row[Any]]:
    """(messages, text, split, chooses) of the responses that people wrote as labels of the snapshot, in their order."""
    return list(
        session.execute(
            select(Prompt.messages, Response.text, Prompt.split, Prompt.chooses)
            .select_from(SnapshotLabel)
            .join(ItemResponse, ItemResponse.label_id == SnapshotLabel.label_id)
            .join(Response, Response.id == ItemResponse.response_id)
            .join(Prompt, Prompt.id == Response.prompt_id)
            .where(SnapshotLabel.snapshot_id == snapshot_id)
            .order_by(SnapshotLabel.label_id)
        )
    )
