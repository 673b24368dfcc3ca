"""Which labels a reward model learns from: frozen once, and turned into rows for the learning library."""

import json
from collections import defaultdict
from collections.abc import Sequence
from hashlib import sha256
from typing import Any

from sqlalchemy.orm import Session

from app.models import Choice, Project, Snapshot, Split
from app.rewards import queries
from app.rewards.forms import Aggregation
from app.rewards.targets import VALUE, Vote, mean_targets, reliability_targets
from app.web.errors import Conflict

# Below this a training or its measurement would mean nothing at all; the page advises far more.
MIN_TRAIN_PAIRS, MIN_HOLDOUT_PAIRS = 4, 1


def take(session: Session, project: Project, question: str = "") -> Snapshot:
    """Freeze the project's current labels with all their answers. The same labels give the same snapshot, whoever takes
    it, when, and for which question.

    Labels of attention checks and of evaluation pairs are not in it. Refuses where too few answer `question`, the main
    one where it is empty.
    """
    labels = queries.usable_labels(session, project.id, question)
    digest = sha256()
    for label in labels:
        further = json.dumps(label.questions, sort_keys=True) if label.questions else ""
        digest.update(
            f"{label.id} {label.pair_id} {label.annotator_id} {label.choice} {label.strength}{further}\n".encode()
        )
    _require_enough(*_usable_pairs(labels, "answer"))
    train, holdout = _usable_pairs(labels, "choice")
    return queries.add_snapshot(
        session,
        {
            "project_id": project.id,
            "content_hash": digest.hexdigest(),
            "label_count": len(labels),
            "train_pair_count": train,
            "holdout_pair_count": holdout,
        },
        [label.id for label in labels],
    )


def _usable_pairs(labels: Sequence[Any], answer: str) -> tuple[int, int]:
    """Pairs to learn from and pairs to measure on, by the choices in the column `answer`."""
    pairs = {(label.split, label.pair_id) for label in labels if getattr(label, answer) in VALUE}
    train = sum(split is Split.TRAIN for split, _ in pairs)
    return train, len(pairs) - train


def _require_enough(train: int, holdout: int) -> None:
    if train + holdout == 0:
        raise Conflict(
            "There are no usable labels yet. A reward model learns from pairs in which a person chose an answer "
            "or called it a tie."
        )
    if train < MIN_TRAIN_PAIRS or holdout < MIN_HOLDOUT_PAIRS:
        raise Conflict(
            f"There are too few labels: {train} usable pairs to learn from and {holdout} to measure on; "
            f"at least {MIN_TRAIN_PAIRS} and {MIN_HOLDOUT_PAIRS} are needed. Label more pairs."
        )


def training_rows(
    session: Session, snapshot: Snapshot, aggregation: Aggregation = "mean", question: str = ""
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """(training rows, holdout rows) for the learning library, in order of pair: a function of the snapshot alone.

    Each row is a pair with its better answer as `chosen` and the probability that this is right as `preference`
    (0.5 for a tie), by the answers to `question`, the main one where it is empty. Only prompts of the training split
    are in the first list, only holdout prompts in the second; "chooses" says of those whether they are to choose the
    checkpoint, or to report on it.
    """
    given = queries.snapshot_votes(session, snapshot.id, question)
    votes = [Vote(row.pair_id, row.annotator_id, row.choice) for row in given]
    targets = mean_targets(votes) if aggregation == "mean" else reliability_targets(votes)[0]
    raters: dict[int, int] = defaultdict(int)
    for vote in votes:
        raters[vote.pair_id] += vote.choice is not Choice.BOTH_BAD
    rows: dict[Split, list[dict[str, Any]]] = {Split.TRAIN: [], Split.HOLDOUT: []}
    for pair in queries.snapshot_pairs(session, snapshot.id):
        p = targets.get(pair.id)
        if p is None:  # nothing but "both bad": left out
            continue
        chosen, rejected = (pair.text_a, pair.text_b) if p >= 0.5 else (pair.text_b, pair.text_a)
        rows[pair.split].append(
            {
                "prompt": pair.messages,
                "chosen": chosen,
                "rejected": rejected,
                "preference": max(p, 1.0 - p),
                "weight": 1.0,
                "pair_id": pair.id,
                "raters": raters[pair.id],
                **({"chooses": pair.chooses} if pair.split is Split.HOLDOUT else {}),
            }
        )
    return rows[Split.TRAIN], rows[Split.HOLDOUT]
