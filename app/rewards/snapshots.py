"""Which labels a reward model learns from: frozen once, and turned into rows for the learning library."""

import json
from collections import defaultdict
from collections.abc import Sequence
from hashlib import sha256
from typing import Any

from sqlalchemy.orm import Session

from app.labels import outside
from app.models import Outcome, Project, Snapshot, Split
from app.rewards import queries
from app.rewards.forms import Aggregation
from app.rewards.targets import VALUE, Pair, Vote, mean_targets, reliability_targets
from app.web.errors import Conflict

# Below this a training or its measurement would mean nothing at all; the page advises far more.
MIN_TRAIN_PAIRS, MIN_HOLDOUT_PAIRS = 4, 1


def take(session: Session, project: Project, question: str = "") -> Snapshot:
    """Freeze the project's current labels with all their answers. The same labels give the same snapshot, whoever takes
    it, when, and for which question.

    Labels of attention checks and of evaluation pairs are not in it. Refuses where too few answer `question`, the main
    one where it is empty.
    """
    outside.hold_snapshots(session, project.id)
    stated = queries.usable_preferences(session, project.id)
    digest = sha256()
    for row in stated:
        said: list[Any] = list(row[:-1])
        digest.update(f"{json.dumps(said)}\n".encode())
    _require_enough(*_usable_pairs(stated, question))
    train, holdout = _usable_pairs(stated, "")
    label_ids = sorted({row.label_id for row in stated})
    return queries.add_snapshot(
        session,
        {
            "project_id": project.id,
            "content_hash": digest.hexdigest(),
            "label_count": len(label_ids),
            "train_pair_count": train,
            "holdout_pair_count": holdout,
        },
        label_ids,
    )


def _usable_pairs(stated: Sequence[Any], question: str) -> tuple[int, int]:
    """Pairs of responses to learn from and to measure on, by the answers to a question."""
    pairs = {
        (row.split, row.item_id, row.first, row.second)
        for row in stated
        if row.question == question and row.outcome in VALUE
    }
    train = sum(split is Split.TRAIN for split, *_ in pairs)
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
    given = queries.snapshot_preferences(session, snapshot.id, question)
    votes = [Vote((row.item_id, row.first, row.second), row.annotator_id, row.outcome) for row in given]
    targets = mean_targets(votes) if aggregation == "mean" else reliability_targets(votes)[0]
    raters: dict[Pair, int] = defaultdict(int)
    for vote in votes:
        raters[vote.pair] += vote.outcome is not Outcome.BOTH_BAD
    pairs_of: dict[int, list[Pair]] = defaultdict(list)
    for pair in sorted(targets):  # those of which nothing but "both bad" was said are not among them
        pairs_of[pair[0]].append(pair)
    rows: dict[Split, list[dict[str, Any]]] = {Split.TRAIN: [], Split.HOLDOUT: []}
    for item in queries.snapshot_responses(session, snapshot.id):
        for pair in pairs_of[item.item_id]:
            p = targets[pair]
            first, second = item.texts[str(pair[1])], item.texts[str(pair[2])]
            rows[item.split].append(
                {
                    "prompt": item.messages,
                    "chosen": first if p >= 0.5 else second,
                    "rejected": second if p >= 0.5 else first,
                    "preference": max(p, 1.0 - p),
                    "weight": 1.0,
                    "pair_id": item.item_id,
                    "raters": raters[pair],
                    **({"chooses": item.chooses} if item.split is Split.HOLDOUT else {}),
                }
            )
    return rows[Split.TRAIN], rows[Split.HOLDOUT]
