"""Labels that a file brings: they fill no slot, teach and count as others do, and name whom the file names.

The same row is the same label, however often it comes. A person who judges an item again supersedes what they said
before; those that the file does not name are told apart by numbers.
"""

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import delete, exists, func, select, text, update
from sqlalchemy.orm import Session

from app import bulk
from app.items import written
from app.labels import outside, turn
from app.models import ImportedAnnotator, Item, Label, Run, SnapshotLabel
from app.models.values import LabelValue
from app.runs.service import project_of

Named = tuple[str, bool]
"""An annotator: the name, and whether it is a number, since the file gives none."""


@dataclass(frozen=True, slots=True)
class Given:
    """How a label was given, as only our own export tells."""

    reasons: tuple[str, ...] = ()
    seconds: float | None = None
    late: bool = False
    superseded: bool = False  # changed or withdrawn later


@dataclass(frozen=True, slots=True)
class Brought:
    """A label as a file has it. `order` are the item's positions by the places of which `value` and `preferences`
    speak; `annotator` is None where the file names nobody; `written` is a response that is this label, of which they
    speak as the place behind the others."""

    item_id: int
    key: str
    annotator: str | None
    value: LabelValue
    order: Sequence[int]
    preferences: Sequence[dict[str, Any]]
    comment: str | None
    extra: dict[str, Any]
    written: str | None = None
    given: Given = field(default_factory=Given)


_PREFER = text(
    f"""
    with saved as (
        select label_id, "order", preferences from json_to_recordset(cast(:said as json))
            as said(label_id bigint, "order" smallint[], preferences jsonb)
    ), {turn.preferring("saved", "saved.preferences", raters=True)} select
    """  # noqa: S608  fixed fragments
)


def add(session: Session, run: Run, brought: Sequence[Brought]) -> int:
    """Store labels in their order, with who prefers what by them; how many are new."""
    items = sorted({each.item_id for each in brought})
    if not items:
        return 0
    # Whoever stores labels of these items waits: what is there is read below.
    session.execute(select(Item.id).where(bulk.among(Item.id, items)).order_by(Item.id).with_for_update(key_share=True))
    known, unnamed, standing = _there(session, items)
    new: list[tuple[Brought, Named]] = []
    for each in brought:
        if (each.item_id, each.key) in known:
            continue
        known.add((each.item_id, each.key))
        if each.annotator is None:
            unnamed[each.item_id] += 1
        new.append((each, (each.annotator or str(unnamed[each.item_id]), each.annotator is None)))
    if not new:
        return 0
    ids = _annotators(session, project_of(run), sorted({who for _, who in new}))
    last = {(each.item_id, ids[who]): place for place, (each, who) in enumerate(new) if not each.given.superseded}
    now = session.scalar(select(func.clock_timestamp()))
    session.execute(
        update(Label)
        .where(bulk.among(Label.id, [standing[said] for said in last if said in standing]))
        .values(superseded_at=now)
        .execution_options(synchronize_session=False)
    )
    labels = bulk.new_ids(session, Label, len(new))
    texts = [
        written.Brought(each.item_id, id_, each.written, name)
        for id_, (each, (name, _)) in zip(labels, new, strict=True)
        if each.written is not None
    ]
    places = written.positions(session, texts) if texts else {}
    orders = [
        [*each.order, *([places[id_]] if id_ in places else ())] for id_, (each, _) in zip(labels, new, strict=True)
    ]
    rows = [
        {
            "id": labels[place],
            "project_id": project_of(run),
            "item_id": each.item_id,
            "imported_annotator_id": ids[who],
            "run_id": run.id,
            "import_key": each.key,
            "value": each.value,
            "order": orders[place],
            "reasons": list(each.given.reasons),
            "comment": each.comment,
            "seconds": each.given.seconds,
            "late": each.given.late,
            "extra": each.extra or None,
            "surplus": True,
            "superseded_at": None if last.get((each.item_id, ids[who])) == place else now,
        }
        for place, (each, who) in enumerate(new)
    ]
    bulk.insert_all(session, Label, rows)
    if texts:
        written.add_all(session, run, texts, places)
    said = [
        {"label_id": row["id"], "order": row["order"], "preferences": each.preferences}
        for row, (each, _) in zip(rows, new, strict=True)
    ]
    session.execute(_PREFER, {"said": json.dumps(said)})
    return len(new)


def known_keys(session: Session, items: Sequence[int]) -> set[tuple[int, str]]:
    """(item, key) of the imported labels of these items."""
    found = session.execute(
        select(Label.item_id, Label.import_key).where(bulk.among(Label.item_id, items), Label.import_key.is_not(None))
    )
    return {(item_id, str(key)) for item_id, key in found}


def _there(
    session: Session, items: Sequence[int]
) -> tuple[set[tuple[int, str]], dict[int, int], dict[tuple[int, int], int]]:
    """Of the imported labels of these items: (item, key) of each, how many of an item name nobody, and the current one
    of (item, annotator)."""
    known: set[tuple[int, str]] = set()
    unnamed: dict[int, int] = defaultdict(int)
    standing: dict[tuple[int, int], int] = {}
    rows = session.execute(
        select(Label.id, Label.item_id, Label.import_key, Label.imported_annotator_id, Label.superseded_at,
               ImportedAnnotator.aggregate)
        .join(ImportedAnnotator, ImportedAnnotator.id == Label.imported_annotator_id)
        .where(bulk.among(Label.item_id, items))
    )  # fmt: skip
    for row in rows:
        known.add((row.item_id, row.import_key))
        unnamed[row.item_id] += row.aggregate
        if row.superseded_at is None:
            standing[row.item_id, row.imported_annotator_id] = row.id
    return known, unnamed, standing


def _annotators(session: Session, project_id: int, named: Sequence[Named]) -> dict[Named, int]:
    rows = [{"project_id": project_id, "name": name, "aggregate": aggregate} for name, aggregate in named]
    statement = (
        select(ImportedAnnotator.name, ImportedAnnotator.aggregate, ImportedAnnotator.id)
        .where(
            ImportedAnnotator.project_id == project_id, bulk.among(ImportedAnnotator.name, [name for name, _ in named])
        )
        .order_by(ImportedAnnotator.id)
        .with_for_update(key_share=True, read=True)  # nobody forgets them before they have a label
    )
    while True:  # some may be forgotten between the two statements
        session.execute(bulk.inserting(ImportedAnnotator, rows).on_conflict_do_nothing())
        found = {(name, aggregate): id_ for name, aggregate, id_ in session.execute(statement)}
        if all(who in found for who in named):
            return found


def forget_annotators(session: Session, import_id: int) -> None:
    """Delete the imported annotators of the import's project of whom no label is left."""
    project_id = project_of(session.get_one(Run, import_id))
    nothing = ~exists().where(Label.imported_annotator_id == ImportedAnnotator.id)
    statement = select(ImportedAnnotator.id).where(ImportedAnnotator.project_id == project_id, nothing)
    ids = session.scalars(statement.with_for_update(skip_locked=True)).all()  # another import may be about to need them
    session.execute(
        delete(ImportedAnnotator)
        .where(bulk.among(ImportedAnnotator.id, ids), nothing)
        .execution_options(synchronize_session=False)
    )


_STAND_AGAIN = text(
    """
    update label set superseded_at = null where id in (
        select max(l.id) from label l join import_progress p on p.run_id = l.run_id and p.stored > 0
        where l.item_id = any(:items) and l.run_id <> :run and not exists (
            select from label now where now.item_id = l.item_id
            and now.imported_annotator_id = l.imported_annotator_id and now.superseded_at is null)
        group by l.item_id, l.imported_annotator_id)
    """
)


def take_out(session: Session, run_id: int, after: int, limit: int) -> tuple[int, int]:
    """Delete the next labels of an import, from the id `after` on; (the last one looked at, 0 at the end; how many are
    gone). Those that a snapshot holds stay, and are current no longer. What an earlier import said stands again."""
    run = session.get_one(Run, run_id)
    outside.hold_snapshots(session, project_of(run))
    found = session.scalars(
        select(Label.id).where(Label.run_id == run_id, Label.id > after).order_by(Label.id).limit(limit)
    ).all()
    if not found:
        return 0, 0
    held = set(session.scalars(select(SnapshotLabel.label_id).where(SnapshotLabel.label_id.in_(found)).distinct()))
    session.execute(
        update(Label)
        .where(Label.id.in_(held), Label.superseded_at.is_(None))
        .values(superseded_at=func.clock_timestamp())
        .execution_options(synchronize_session=False)
    )
    touched = select(Label.item_id).where(Label.id.in_(found)).distinct()
    items = session.scalars(touched).all()
    gone = set(found) - held
    texts = written.of_labels(session, gone)
    session.execute(delete(Label).where(Label.id.in_(gone)))
    written.forget(session, texts)
    session.execute(_STAND_AGAIN, {"run": run_id, "items": items})
    return found[-1], len(found) - len(held)


def left(session: Session, run_id: int) -> int:
    """How many labels of an import there are."""
    return session.scalar(select(func.count()).where(Label.run_id == run_id)) or 0
