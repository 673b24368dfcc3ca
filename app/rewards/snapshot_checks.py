"""Whether a snapshot still holds what it says, and what it keeps of labels that went with their person.

While nothing has gone, its labels give its content hash. When labels are deleted, they are compared with the hash once
more, and the hash of those that stay is written down: from then on those have to give that one. What went cannot be
looked at again; that it was whole then is what the platform testifies.
"""

from dataclasses import dataclass

from sqlalchemy.orm import Session

from app.models import Snapshot, Split
from app.models.documents import DeletedLabels
from app.rewards import snapshot_queries, snapshots
from app.web.filters import plural


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


def let_go(session: Session, person_id: int, snapshot_id: int) -> bool:
    """Take a person's labels out of a snapshot and write down what it holds since, all at once, so that it is right at
    every moment. False: it was changed while it was read, so that it is to be read again."""
    snapshot = session.get_one(Snapshot, snapshot_id, populate_existing=True)
    gone, count = snapshot.deleted, snapshot.label_count
    held = snapshots.held(session, snapshot)
    before = snapshots.content_hash(held, snapshot.raters, snapshot.levels)
    left, raters = held.without(person_id), {who: each for who, each in snapshot.raters.items() if who != person_id}
    pairs, after = snapshots.usable_pairs(left.stated, ""), snapshots.content_hash(left, raters, snapshot.levels)
    # Nothing else changes what a snapshot holds. It is locked only now, since reading all of it takes seconds.
    session.refresh(snapshot, with_for_update={"key_share": True})
    if (snapshot.deleted, snapshot.label_count) != (gone, count):
        return False
    snapshot_queries.take_out(session, snapshot.id, person_id)
    snapshot.raters, snapshot.label_count = raters, len(left.ids)
    snapshot.train_pair_count, snapshot.holdout_pair_count = len(pairs[Split.TRAIN]), len(pairs[Split.HOLDOUT])
    snapshot.deleted = DeletedLabels(
        labels=count - snapshot.label_count + (gone["labels"] if gone else 0),
        hash=after,
        verified=gone["verified"] if gone else before == snapshot.content_hash,
    )
    session.flush()
    return True
