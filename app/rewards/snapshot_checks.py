"""Whether a snapshot still holds what it says, and what it keeps of labels that went with their person.

While nothing has gone, its labels give its content hash. When labels are deleted, they are compared with the hash once
more, and the hash of those that stay is written down: from then on those have to give that one. What went cannot be
looked at again; that it was whole then is what the platform testifies.
"""

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import Session

from app.models import Snapshot, Split
from app.models.documents import DeletedLabels, RaterNote
from app.part_size import PartSize
from app.rewards import snapshot_queries, snapshots
from app.web.filters import plural

READ = 2_000  # labels, in the first transaction
Writing = Callable[[], AbstractContextManager[Session]]


@dataclass(frozen=True)
class Checked:
    """What a look at a snapshot found: whether what it holds is what was written down last, and all in a sentence."""

    intact: bool
    sentence: str


def check(session: Session, snapshot: Snapshot) -> Checked:
    """Read the labels that a snapshot holds and compare them with what was written down of them."""
    gone, holds = snapshot.deleted, plural(snapshot.label_count, "label")
    if snapshots.hash_of(session, snapshot) != (gone["hash"] if gone else snapshot.content_hash):
        older = "" if gone else ", or it was taken by an older version, which counted otherwise"
        return Checked(False, f"What it holds is not what was written down: its labels were changed{older}.")
    if gone is None:
        return Checked(True, f"It holds {holds}, just as it was taken.")
    was = (
        "all that it held was as it was taken when the first of them went"
        if gone["verified"]
        else "what it held could not be compared with its hash when they went, which an older version had taken"
    )
    went = f"{plural(gone['labels'], 'label')} went with their person; {was}"
    return Checked(True, f"{went}. The {holds} that it still holds are as they were.")


@dataclass(frozen=True)
class Leaving:
    """What a snapshot is to be without somebody's labels, and what it was when it was read."""

    count: int
    gone: DeletedLabels | None
    left: int
    raters: dict[int, RaterNote]
    pairs: dict[Split, int]
    deleted: DeletedLabels


def without(writing: Writing, person_id: int, snapshot_id: int) -> Leaving | None:
    """What a snapshot is to be without a person's labels. That takes seconds where it is large, so it is read in
    transactions of a moment each: nothing changes what it holds but `let_go`. None where it is gone itself."""
    with writing() as session:
        snapshot = session.get(Snapshot, snapshot_id)
        if snapshot is None:
            return None
        gone, count, was = snapshot.deleted, snapshot.label_count, snapshot.content_hash
        noted, levels = snapshot.raters, snapshot.levels
    stated: list[Any] = []
    others: list[Any] = []
    after: int | None = 0
    size = PartSize(READ)
    while after is not None:
        began = time.perf_counter()
        with writing() as session:
            upto = snapshot_queries.nth_held(session, snapshot_id, after, size.rows)
            if upto is not None:
                some = snapshots.held_between(session, snapshot_id, after, upto)
                stated += some.stated
                others += some.others
            after = upto
        size.took(time.perf_counter() - began)
    held = snapshots.Labels(stated, others)
    left, raters = held.without(person_id), {who: each for who, each in noted.items() if who != person_id}
    pairs, many = snapshots.usable_pairs(left.stated, ""), len(left.ids)
    deleted = DeletedLabels(
        labels=count - many + (gone["labels"] if gone else 0),
        hash=snapshots.content_hash(left, raters, levels),
        verified=gone["verified"] if gone else snapshots.content_hash(held, noted, levels) == was,
    )
    return Leaving(count, gone, many, raters, {split: len(of) for split, of in pairs.items()}, deleted)


def let_go(session: Session, person_id: int, snapshot_id: int, leaving: Leaving) -> bool:
    """Take a person's labels out of a snapshot and write down what it holds since, all at once, so that it is right at
    every moment. False: it was changed since it was read, so that it is to be read again."""
    snapshot = session.get(Snapshot, snapshot_id, with_for_update={"key_share": True}, populate_existing=True)
    if snapshot is None or (snapshot.deleted, snapshot.label_count) != (leaving.gone, leaving.count):
        return False
    snapshot_queries.take_out(session, snapshot.id, person_id)
    snapshot.raters, snapshot.label_count, snapshot.deleted = leaving.raters, leaving.left, leaving.deleted
    snapshot.train_pair_count, snapshot.holdout_pair_count = leaving.pairs[Split.TRAIN], leaving.pairs[Split.HOLDOUT]
    session.flush()
    return True
