"""Whether a snapshot still holds what it says, and what it keeps of labels that went with their person.

While nothing has gone, its labels give its content hash. When labels are deleted, they are compared with the hash once
more, and the hash of those that stay is written down: from then on those have to give that one. What went cannot be
looked at again; that it was whole then is what the platform testifies.
"""

from collections.abc import Sequence
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


@dataclass(frozen=True)
class Before:
    """A snapshot that is about to lose labels, how many it held, and whether they were what it says."""

    snapshot: Snapshot
    labels: int
    verified: bool


def before_deletion(session: Session, person_id: int) -> list[Before]:
    """Look at the snapshots that hold labels of a person, or know anything of them, before those go."""
    found = session.scalars(snapshot_queries.with_labels_of(person_id).order_by(Snapshot.id).with_for_update()).all()
    return [
        Before(each, each.label_count, each.deleted["verified"] if each.deleted else check(session, each).intact)
        for each in found
    ]


def note_deletion(session: Session, person_id: int, looked_at: Sequence[Before]) -> None:
    """Write down what these snapshots hold now that a person's labels have gone."""
    for before in looked_at:
        snapshot = before.snapshot
        snapshot.raters = {who: note for who, note in snapshot.raters.items() if who != person_id}
        session.flush()
        left = snapshots.held(session, snapshot)
        pairs = snapshots.usable_pairs(left.stated, "")
        snapshot.label_count = len(left.ids)
        snapshot.train_pair_count, snapshot.holdout_pair_count = len(pairs[Split.TRAIN]), len(pairs[Split.HOLDOUT])
        gone = before.labels - snapshot.label_count + (snapshot.deleted["labels"] if snapshot.deleted else 0)
        snapshot.deleted = DeletedLabels(
            labels=gone, hash=snapshots.hash_of(session, snapshot, left), verified=before.verified
        )
    session.flush()
