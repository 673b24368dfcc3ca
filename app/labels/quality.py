"""How well people agree, and how each of them works. Counts what `queries` brings; needs no HTTP.

Krippendorff's alpha (Krippendorff, "Content Analysis", 2004, ch. 11) is taken on the ordinal scale a < neither < b,
where tie and both bad are one: 1 is perfect agreement, 0 is what chance would give. Its interval is a percentile
bootstrap over items. Items with the same answers are alike to all of this, so that a hundred thousand of them are a
few dozen tallies with the number of items that have each.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from math import sqrt
from typing import Any

import numpy as np
from sqlalchemy.orm import Session

from app.annotation import KINDS
from app.annotation.kind import Figure
from app.labels import quality_queries as queries
from app.models import Project
from app.web.cache import Cache

RESAMPLES = 300
_Z95 = 1.959964

Tally = tuple[int, int, int]
"""How many people chose a, neither (tie or both bad), b."""

Floats = np.ndarray[tuple[int, ...], np.dtype[np.float64]]


@dataclass(frozen=True)
class Agreement:
    """Agreement of everybody in a project. `percent` is the share of equal answers among two people's answers to the
    same item; tie and both bad are one answer."""

    items: int
    comparisons: int
    percent: float | None
    alpha: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Annotator:
    """How one person works. Shares are of one; intervals are Wilson's, 95%."""

    id: int
    name: str
    labels: int
    pace: float | None
    left_share: float | None
    left_low: float
    left_high: float
    ties: int
    both_bad: int
    late: int
    skipped: int
    checks: int
    passed: int
    with_others: float | None
    with_consensus: float | None
    shared: int
    last_at: datetime
    paused_at: datetime | None
    pause_reason: str | None

    @property
    def leans(self) -> bool:
        """Whether the share of left choices is further from one half than chance explains."""
        return self.left_share is not None and not self.left_low <= 0.5 <= self.left_high


def wilson(successes: float, trials: float) -> tuple[float, float]:
    """Wilson's 95% interval of a share; (0, 1) without trials."""
    if not trials:
        return 0.0, 1.0
    share, z = successes / trials, _Z95
    middle = (share + z * z / (2 * trials)) / (1 + z * z / trials)
    half = z * sqrt(share * (1 - share) / trials + z * z / (4 * trials**2)) / (1 + z * z / trials)
    return max(0.0, middle - half), min(1.0, middle + half)


@dataclass(frozen=True)
class OfKind:
    """Agreement on one kind of items; `agreement` is null where it is not measured."""

    kind: str
    title: str
    labels: int
    agreement: Agreement | None
    figures: list[Figure]


@dataclass(frozen=True)
class Quality:
    """Both, as of one moment; `questions` has the agreement on each further question that was ever asked, `kinds` that
    on each kind of items that was labelled. `agreement` is over all of them."""

    agreement: Agreement
    kinds: list["OfKind"]
    questions: dict[str, Agreement]
    annotators: list[Annotator]


def agreement_of(tallies: Mapping[Tally, int], seed: int = 0) -> Agreement:
    """Agreement, from how many items have each tally."""
    shared = {tally: items for tally, items in tallies.items() if sum(tally) > 1}
    if not shared:
        return Agreement(0, 0, None, None, None, None)
    counts, items = np.array(list(shared), dtype=float), np.array(list(shared.values()))
    both = (items * counts.sum(axis=1) * (counts.sum(axis=1) - 1) / 2).sum()
    same = (items[:, None] * counts * (counts - 1) / 2).sum()
    drawn = np.random.default_rng(seed).multinomial(items.sum(), items / items.sum(), size=RESAMPLES)
    [alpha], resampled = alphas(counts, items[None, :]), alphas(counts, drawn)
    known = resampled[np.isfinite(resampled)]
    low, high = (float(bound) for bound in np.percentile(known, [2.5, 97.5])) if len(known) else (None, None)
    return Agreement(
        int(items.sum()), int(both), float(same / both), float(alpha) if np.isfinite(alpha) else None, low, high
    )


def alphas(counts: Floats, items: "np.ndarray[tuple[int, ...], np.dtype[np.int64]]") -> Floats:
    """Krippendorff's alpha (ordinal) of samples of items.

    `counts` (tallies, places): how many people chose each place; `items` (samples, tallies): how many items of each
    tally a sample has. Returns (samples,); NaN where all gave one and the same answer: there is nothing to disagree on.
    """
    voters = counts.sum(axis=1)
    own = np.eye(counts.shape[1]) * counts[:, None, :]
    coincidences = (counts[:, :, None] * counts[:, None, :] - own) / (voters - 1)[:, None, None]
    observed = np.einsum("st,tij->sij", items, coincidences)
    n = observed.sum(axis=2)
    before = np.cumsum(n, axis=1) - n / 2  # answers below the middle of each place
    distance = (before[:, :, None] - before[:, None, :]) ** 2
    disagreement = (observed * distance).sum(axis=(1, 2))
    by_chance = (n[:, :, None] * n[:, None, :] * distance).sum(axis=(1, 2)) / (n.sum(axis=1) - 1)
    with np.errstate(invalid="ignore", divide="ignore"):
        found: Floats = 1.0 - disagreement / by_chance
    return found


_cache: Cache[Quality] = Cache()


def quality(session: Session, project: Project) -> tuple[Quality, datetime]:
    """How well people agree and how each works, and when it was counted: in a very large project a while ago."""
    return _cache.get(project.id, lambda: _count(session, project.id))


def _count(session: Session, project_id: int) -> Quality:
    votes = queries.vote_tallies(session, project_id)
    agreement = _agreement(votes)
    kinds = [
        OfKind(
            name,
            KINDS[name].title,
            labels,
            _agreement([vote for vote in votes if vote.kind == name]) if KINDS[name].measured else None,
            list(KINDS[name].figures(queries.judged(session, project_id, name))) if KINDS[name].figured else [],
        )
        for name, labels in queries.kinds_labelled(session, project_id).items()
    ]
    further: dict[str, dict[Tally, int]] = defaultdict(dict)
    for row in queries.question_tallies(session, project_id):
        further[row.question][row.a, row.neither, row.b] = row.items
    others, consensus = _matches(votes)
    found = []
    for row in queries.work_done(session, project_id):
        sides = row.chose_left + row.chose_right
        low, high = wilson(row.chose_left, sides)
        found.append(
            Annotator(
                id=row.id,
                name=row.name,
                labels=row.labels,
                pace=row.pace,
                left_share=row.chose_left / sides if sides else None,
                left_low=low,
                left_high=high,
                ties=row.ties,
                both_bad=row.both_bad,
                late=row.late,
                skipped=row.skipped,
                checks=row.checks,
                passed=row.passed,
                with_others=_share(others[row.id]),
                with_consensus=_share(consensus[row.id]),
                shared=others[row.id][1],
                last_at=row.last_at,
                paused_at=row.paused_at,
                pause_reason=row.pause_reason,
            )
        )
    return Quality(agreement, kinds, {question: agreement_of(tallies) for question, tallies in further.items()}, found)


def _agreement(votes: Iterable[Any]) -> Agreement:
    answers: dict[Tally, int] = defaultdict(int)
    for vote in votes:
        answers[vote.a, vote.neither, vote.b] += vote.answers
    return agreement_of({tally: given // sum(tally) for tally, given in answers.items()})


def _share(item: list[int]) -> float | None:
    return item[0] / item[1] if item[1] else None


def _matches(votes: Iterable[Any]) -> tuple[dict[int, list[int]], dict[int, list[int]]]:
    """Annotator -> [equal answers, comparisons] with each other person, and with the majority of the others."""
    others: dict[int, list[int]] = defaultdict(lambda: [0, 0])
    consensus: dict[int, list[int]] = defaultdict(lambda: [0, 0])
    for vote in votes:
        rest = [vote.a, vote.neither, vote.b]
        rest[vote.place] -= 1
        others[vote.annotator_id][0] += rest[vote.place] * vote.answers
        others[vote.annotator_id][1] += sum(rest) * vote.answers
        if rest.count(max(rest)) == 1:
            consensus[vote.annotator_id][0] += (rest[vote.place] == max(rest)) * vote.answers
            consensus[vote.annotator_id][1] += vote.answers
    return others, consensus
