"""Which labels a training learns from: frozen once, and turned into rows for the learning library."""

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from sqlalchemy import ColumnElement
from sqlalchemy.orm import Session

from app.labels import outside
from app.models import Label, Project, Snapshot, Split
from app.models.documents import RaterNote
from app.rewards import snapshot_queries
from app.rewards.counting import Counting, count
from app.rewards.targets import VALUE, Pair
from app.web.errors import Conflict
from app.web.filters import plural

# Below this a training or its measurement would mean nothing at all; the page advises far more.
MIN_TRAIN_PAIRS, MIN_HOLDOUT_PAIRS, MIN_WRITTEN = 4, 1, 4


def take(session: Session, project: Project, question: str = "") -> Snapshot:
    """Freeze the project's current labels with all they say, to learn from preferences. The same labels give the
    same snapshot, whoever takes it, when, and for what.

    Labels of attention checks and of evaluation pairs are not in it. Refuses where too few have `question`, the main
    one where it is empty, or where no label of it prefers anything.
    """
    labels = _current(session, project)
    _require_pairs(labels.stated, question)
    return _freeze(session, project, labels)


def take_written(session: Session, project: Project) -> Snapshot:
    """The same, to learn from responses that people wrote. Refuses where too few of them are there to learn from."""
    labels = _current(session, project)
    written = snapshot_queries.count_written(session, project.id)
    found, held_out = written.get(Split.TRAIN, 0), written.get(Split.HOLDOUT, 0)
    if found < MIN_WRITTEN:
        aside = f" ({plural(held_out, 'other')} to held-out prompts, which only measure)" if held_out else ""
        raise Conflict(
            f"There are too few responses written by people: {found} to training prompts{aside}; at least "
            f"{MIN_WRITTEN} are needed. Give demonstrations a share under Settings, so that people write some."
        )
    return _freeze(session, project, labels)


@dataclass(frozen=True)
class Labels:
    """The labels that a snapshot holds: what they state, and (label_id, item_id, annotator_id) of those that state
    nothing, as a response does that was written without one to improve."""

    stated: Sequence[Any]
    others: Sequence[Any]

    @property
    def ids(self) -> list[int]:
        """Their numbers, in order."""
        return sorted({row.label_id for row in (*self.stated, *self.others)})

    def without(self, person_id: int) -> "Labels":
        """These without those of a person."""
        return Labels(
            [row for row in self.stated if row.annotator_id != person_id],
            [row for row in self.others if row.annotator_id != person_id],
        )


def _current(session: Session, project: Project) -> Labels:
    outside.hold_snapshots(session, project.id)
    return _read(session, snapshot_queries.usable_in(project.id))


def _read(session: Session, which: Sequence[ColumnElement[bool]]) -> Labels:
    return Labels(snapshot_queries.preferences(session, which), snapshot_queries.without_preference(session, which))


def held(session: Session, snapshot: Snapshot) -> Labels:
    """The labels that a snapshot holds now."""
    return _read(session, snapshot_queries.held_by(snapshot.id))


def held_between(session: Session, snapshot_id: int, after: int, upto: int) -> Labels:
    """Of those the ones whose numbers lie in between."""
    return _read(session, (*snapshot_queries.held_by(snapshot_id), Label.id > after, Label.id <= upto))


def hash_of(session: Session, snapshot: Snapshot) -> str:
    """What the content hash of a snapshot is by what it holds now."""
    return content_hash(held(session, snapshot), snapshot.raters, snapshot.levels)


def _freeze(session: Session, project: Project, labels: Labels) -> Snapshot:
    raters, levels = snapshot_queries.rater_notes(session, project.id), _levels(project)
    pairs = usable_pairs(labels.stated, "")
    label_ids = labels.ids
    return snapshot_queries.add_snapshot(
        session,
        {
            "project_id": project.id,
            "content_hash": content_hash(labels, raters, levels),
            "label_count": len(label_ids),
            "train_pair_count": len(pairs[Split.TRAIN]),
            "holdout_pair_count": len(pairs[Split.HOLDOUT]),
            "raters": raters,
            "levels": levels,
        },
        label_ids,
    )


def content_hash(labels: Labels, raters: Mapping[int, RaterNote], levels: int) -> str:
    """Of labels with all they say, and what is known besides."""
    digest = sha256()
    for row in (*(row[:-1] for row in labels.stated), *labels.others):
        digest.update(f"{json.dumps(list(row))}\n".encode())
    if raters or levels:  # what is known besides; the same labels without it have the hash that they had
        digest.update(json.dumps([raters, levels]).encode())
    return digest.hexdigest()


def _levels(project: Project) -> int:
    """How many levels of strength people choose from."""
    return max((int(getattr(settings, "levels", 0)) for settings in project.answer.kinds.values()), default=0)


def usable_pairs(stated: Sequence[Any], question: str) -> dict[Split, dict[Pair, float]]:
    """Pairs of responses to learn from and to measure on, by the choices for a question, and how much more often the
    first was preferred than the second."""
    found: dict[Split, dict[Pair, float]] = {Split.TRAIN: defaultdict(float), Split.HOLDOUT: defaultdict(float)}
    for row in stated:
        if row.question == question and row.outcome in VALUE:
            found[row.split][(row.item_id, row.first, row.second)] += VALUE[row.outcome] - 0.5
    return found


def _require_pairs(stated: Sequence[Any], question: str) -> None:
    pairs = usable_pairs(stated, question)
    train, holdout = len(pairs[Split.TRAIN]), len(pairs[Split.HOLDOUT])
    if train + holdout == 0:
        raise Conflict(
            "There are no usable labels yet. Trainings learn from pairs in which a person chose an answer "
            "or called it a tie."
        )
    if train < MIN_TRAIN_PAIRS or holdout < MIN_HOLDOUT_PAIRS:
        raise Conflict(
            f"There are too few labels: {train} usable pairs to learn from and {holdout} to measure on; "
            f"at least {MIN_TRAIN_PAIRS} and {MIN_HOLDOUT_PAIRS} are needed. Label more pairs."
        )
    if not any(pairs[Split.TRAIN].values()):
        raise Conflict(
            f"All {train} pairs to learn from are ties, or their labels cancel out: nothing says which answer is "
            "better. Label more pairs."
        )


def training_rows(
    session: Session, snapshot: Snapshot, how: Counting | None = None
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """(training rows, holdout rows) for the learning library, in order of pair: a function of the snapshot alone, and
    of how its labels are counted.

    Each row is a pair with its better response as `chosen` and the probability that this is right as `preference`
    (0.5 for a tie). Only prompts of the training split are in the first list, only holdout prompts in the second;
    "chooses" says of those whether they are to choose the checkpoint, or to report on it.
    """
    counted = count(session, snapshot, how or Counting())
    targets = counted.fitted.targets
    raters: dict[Pair, int] = defaultdict(int)
    for vote in counted.votes:
        raters[vote.pair] += vote.raters
    pairs_of: dict[int, list[Pair]] = defaultdict(list)
    for pair in sorted(targets):  # those of which nothing but "both bad" was said are not among them
        pairs_of[pair[0]].append(pair)
    rows: dict[Split, list[dict[str, Any]]] = {Split.TRAIN: [], Split.HOLDOUT: []}
    for item in snapshot_queries.snapshot_responses(session, snapshot.id):
        for pair in pairs_of[item.item_id]:
            p = targets[pair]
            first, second = item.texts[str(pair[1])], item.texts[str(pair[2])]
            rows[item.split].append(
                {
                    "prompt": item.messages,
                    "chosen": first if p >= 0.5 else second,
                    "rejected": second if p >= 0.5 else first,
                    "preference": max(p, 1.0 - p),
                    "weight": counted.weights.get(pair, 1.0),
                    "pair_id": item.item_id,
                    "raters": raters[pair],
                    **({"chooses": item.chooses} if item.split is Split.HOLDOUT else {}),
                }
            )
    return rows[Split.TRAIN], rows[Split.HOLDOUT]


def require_rows(session: Session, snapshot: Snapshot, how: Counting) -> None:
    """Refuse to learn where too little is left once some labels do not count."""
    train, holdout = training_rows(session, snapshot, how)
    if len(train) < MIN_TRAIN_PAIRS or len(holdout) < MIN_HOLDOUT_PAIRS:
        raise Conflict(
            f"Without the labels that are not to count, {plural(len(train), 'usable pair')} to learn from and "
            f"{len(holdout)} to measure on are left; at least {MIN_TRAIN_PAIRS} and {MIN_HOLDOUT_PAIRS} are needed. "
            "Let labels of paused people, late or surplus labels count, or label more pairs."
        )


def written_rows(session: Session, snapshot: Snapshot) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """(training rows, holdout rows) of the responses that people wrote, {"prompt": messages, "completion": messages},
    in order of label: a function of the snapshot alone, split as `training_rows` are."""
    rows: dict[Split, list[dict[str, Any]]] = {Split.TRAIN: [], Split.HOLDOUT: []}
    for given in snapshot_queries.snapshot_written(session, snapshot.id):
        row = {"prompt": given.messages, "completion": [{"role": "assistant", "content": given.text}]}
        rows[given.split].append(row | ({"chooses": given.chooses} if given.split is Split.HOLDOUT else {}))
    return rows[Split.TRAIN], rows[Split.HOLDOUT]
