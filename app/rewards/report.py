"""How a reward model does against every label there is: computed once after a scoring, kept with the model.

Everything is measured on labels of holdout prompts, except the disputed ones, which come from all. Pure arithmetic
on rows; knows no database. Intervals are by prompt: labels of one prompt are alike.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import exp
from statistics import fmean

from app.models import Outcome
from app.models.documents import Agreement, AnnotatorShare, ConfidenceBin, LengthGroup, Report, Share
from app.statistics.shares import Tally

BINS = 10
LENGTHS = (-50, -10, 10, 50)  # tokens that the preferred response is longer; the edges of five groups
DISPUTED = 50


@dataclass(frozen=True)
class Judged:
    """A label beside the model's scores."""

    label_id: int
    prompt_id: int
    item_id: int
    annotator_id: int  # as `Label.rater` has it: below zero for an imported one
    places: tuple[int, int]  # which two of the item's responses
    outcome: Outcome
    holdout: bool
    difference: float  # score of the first minus that of the second
    tokens: int | None  # tokens of the first minus those of the second, where both are known


def build(rows: Sequence[Judged]) -> Report:
    """The report as plain values for the model's record."""
    clear = [row for row in rows if row.outcome in (Outcome.FIRST, Outcome.SECOND)]
    holdout = [row for row in clear if row.holdout]
    disputed = sorted((row for row in clear if not _right(row)), key=lambda row: -abs(row.difference))[:DISPUTED]
    return {
        "labels": len(rows),
        "holdout": _share(holdout),
        "calibration": _calibration(holdout),
        "by_length": _by_length(holdout),
        "by_annotator": _by_annotator(holdout),
        "agreement": _agreement(rows),
        "disputed": [{"label_id": row.label_id, "gap": round(abs(row.difference), 4)} for row in disputed],
    }


def _right(row: Judged) -> bool:
    return row.difference > 0 if row.outcome is Outcome.FIRST else row.difference < 0


def _share(rows: Sequence[Judged]) -> Share:
    agreed = Tally()
    for row in rows:
        agreed.add(row.prompt_id, _right(row))
    low, high = agreed.interval
    return {"labels": len(rows), "accuracy": agreed.share, "low": low, "high": high}


def _calibration(rows: Iterable[Judged]) -> list[ConfidenceBin]:
    """Confidence from 0.5 to 1 in equal bins: how many labels, the mean confidence, the share that agrees."""
    bins: dict[int, list[Judged]] = defaultdict(list)
    for row in rows:
        bins[min(BINS - 1, int((_confidence(row) - 0.5) * 2 * BINS))].append(row)
    return [{"confidence": fmean(map(_confidence, bins[index])), **_share(bins[index])} for index in sorted(bins)]


def _confidence(row: Judged) -> float:
    return 1 / (1 + exp(-min(abs(row.difference), 700.0)))


def _by_length(rows: Iterable[Judged]) -> list[LengthGroup]:
    """Accuracy where the preferred response is much shorter, shorter, alike, longer, much longer; where it is known."""
    groups: dict[int, list[Judged]] = defaultdict(list)
    for row in rows:
        if row.tokens is None:
            continue
        longer = row.tokens if row.outcome is Outcome.FIRST else -row.tokens
        groups[sum(longer > edge for edge in LENGTHS)].append(row)
    edges = [None, *LENGTHS, None]
    return [
        {"from": None if (low := edges[index]) is None else low + 1, "to": edges[index + 1], **_share(groups[index])}
        for index in range(len(LENGTHS) + 1)
    ]


def _by_annotator(rows: Iterable[Judged]) -> list[AnnotatorShare]:
    people: dict[int, list[Judged]] = defaultdict(list)
    for row in rows:
        people[row.annotator_id].append(row)
    return [{"annotator_id": person, **_share(given)} for person, given in sorted(people.items())]


def _agreement(rows: Iterable[Judged]) -> Agreement:
    """How often two people agree on a pair that both found clear: what a model of their taste can reach at best."""
    pairs: dict[tuple[int, int, tuple[int, int]], list[int]] = defaultdict(lambda: [0, 0])
    for row in rows:
        if row.outcome in (Outcome.FIRST, Outcome.SECOND):
            pairs[row.prompt_id, row.item_id, row.places][row.outcome is Outcome.SECOND] += 1
    agreed = Tally()
    for (prompt_id, _, _), (a, b) in pairs.items():
        agreed.add(prompt_id, a * (a - 1) // 2 + b * (b - 1) // 2, (a + b) * (a + b - 1) // 2)
    low, high = agreed.interval
    return {"comparisons": int(agreed.trials), "share": agreed.share, "low": low, "high": high}
