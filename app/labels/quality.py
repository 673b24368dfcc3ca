"""How well people agree, and how each of them works. Counts what `queries` brings; needs no HTTP.

Krippendorff's alpha (Krippendorff, "Content Analysis", 2004, ch. 11) is taken on the ordinal scale a < neither < b,
where tie and both bad are one: 1 is perfect agreement, 0 is what chance would give. Its interval is a percentile
bootstrap over pairs.
"""

import warnings
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from itertools import combinations
from math import sqrt

import krippendorff
import numpy as np
from sqlalchemy.orm import Session

from app.labels import queries
from app.models import Choice, Project

RESAMPLES = 300
_PLACES = {Choice.A: 0, Choice.TIE: 1, Choice.BOTH_BAD: 1, Choice.B: 2}
_Z95 = 1.959964

Vote = tuple[int, int, Choice]
"""Pair, annotator, choice."""


@dataclass(frozen=True)
class Agreement:
    """Agreement of everybody in a project. `percent` is the share of equal answers among two people's answers to the
    same pair; tie and both bad are one answer."""

    pairs: int
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


def agreement_of(votes: Iterable[Vote], seed: int = 0) -> Agreement:
    """Agreement over pairs that several people answered."""
    by_pair: dict[int, list[int]] = defaultdict(list)
    for pair, _, choice in votes:
        by_pair[pair].append(_PLACES[choice])
    counts = np.array([np.bincount(places, minlength=3) for places in by_pair.values() if len(places) > 1])
    if not len(counts):
        return Agreement(0, 0, None, None, None, None)
    voters = counts.sum(axis=1)
    both, same = (voters * (voters - 1) // 2).sum(), (counts * (counts - 1) // 2).sum()
    rng = np.random.default_rng(seed)
    drawn = [_alpha(counts[rng.integers(len(counts), size=len(counts))]) for _ in range(RESAMPLES)]
    known = [value for value in drawn if value is not None]
    low, high = (float(bound) for bound in np.percentile(known, [2.5, 97.5])) if known else (None, None)
    return Agreement(len(counts), int(both), float(same / both), _alpha(counts), low, high)


def _alpha(counts: "np.ndarray[tuple[int, int], np.dtype[np.int64]]") -> float | None:
    """None where everybody gave one and the same answer everywhere: there is nothing to disagree on."""
    if (counts.sum(axis=0) > 0).sum() < 2:
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        value = krippendorff.alpha(value_counts=counts, value_domain=[0, 1, 2], level_of_measurement="ordinal")
    return float(value) if np.isfinite(value) else None


def agreement(session: Session, project: Project) -> Agreement:
    """Agreement in a project now."""
    return agreement_of(queries.shared_votes(session, project.id))


def annotators(session: Session, project: Project) -> list[Annotator]:
    """Everybody who has answered, the busiest first."""
    others, consensus = _matches(queries.shared_votes(session, project.id))
    found = []
    for row in queries.work_done(session, project.id):
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
    return found


def _share(pair: list[int]) -> float | None:
    return pair[0] / pair[1] if pair[1] else None


def _matches(votes: Iterable[Vote]) -> tuple[dict[int, list[int]], dict[int, list[int]]]:
    """Annotator -> [equal answers, comparisons] with each other person, and with the majority of the others."""
    by_pair: dict[int, dict[int, int]] = defaultdict(dict)
    for pair, annotator, choice in votes:
        by_pair[pair][annotator] = _PLACES[choice]
    others: dict[int, list[int]] = defaultdict(lambda: [0, 0])
    consensus: dict[int, list[int]] = defaultdict(lambda: [0, 0])
    for given in by_pair.values():
        for one, two in combinations(given, 2):
            for person in (one, two):
                others[person][0] += given[one] == given[two]
                others[person][1] += 1
        for person, place in given.items():
            ranked = Counter(value for other, value in given.items() if other != person).most_common(2)
            if ranked and (len(ranked) == 1 or ranked[0][1] > ranked[1][1]):
                consensus[person][0] += place == ranked[0][0]
                consensus[person][1] += 1
    return others, consensus
