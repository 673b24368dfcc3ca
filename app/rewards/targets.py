"""From what several people say of two responses to one soft target: the probability that the first is the better one.

Pure arithmetic on numbers; knows no database. A tie speaks for neither side. "Both bad" says nothing about which of
the two is better, so such a label gives no target: a pair with nothing else is left out of training, and counted.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from app.models import Outcome

VALUE = {Outcome.FIRST: 1.0, Outcome.TIE: 0.5, Outcome.SECOND: 0.0}
Pair = tuple[int, int, int]
"""An item and two of its positions."""

# Before anything is known of a rater, 9 of 10 of their clear choices are taken to be right: the mean of Beta(9, 1).
PRIOR_RIGHT, PRIOR_WRONG = 9.0, 1.0


@dataclass(frozen=True)
class Vote:
    """What one annotator says now of two responses. One that was imported may speak for several people, and say a
    fraction."""

    pair: Pair
    annotator_id: int
    outcome: Outcome
    probability: float | None = None
    raters: int = 1

    @property
    def value(self) -> float:
        """The probability that the first is the better one, by this vote."""
        return VALUE[self.outcome] if self.probability is None else self.probability


def mean_targets(votes: Sequence[Vote]) -> dict[Pair, float]:
    """pair -> the mean of what its raters say (first 1, tie 1/2, second 0); pairs without such a vote are absent."""
    sums: dict[Pair, list[float]] = {}
    for vote in votes:
        if vote.outcome in VALUE:
            total = sums.setdefault(vote.pair, [0.0, 0.0])
            total[0] += vote.raters * vote.value
            total[1] += vote.raters
    return {pair: said / raters for pair, (said, raters) in sums.items()}


def reliability_targets(
    votes: Sequence[Vote], *, rounds: int = 200, tolerance: float = 1e-9
) -> tuple[dict[Pair, float], dict[int, float]]:
    """Targets weighted by how reliable each rater is, and each rater's reliability.

    Dawid and Skene (1979), "Maximum likelihood estimation of observer error-rates using the EM algorithm", with two
    classes, one reliability r per rater (the same for both classes: which response is stored first means nothing), and
    a Beta prior on it (Raykar et al. 2010, "Learning from crowds"). E: the log odds of a pair are the sum over its
    raters of +-log(r / (1 - r)), ties adding 0. M: r = (prior + expected right choices) / (prior + clear choices).
    A fraction p counts as a choice with the weight 2p - 1, a vote of n people n times.
    Returns ({pair: target}, {annotator: reliability}); annotators without a clear choice have the prior's mean.
    """
    given = [vote for vote in votes if vote.outcome in VALUE]
    if not given:
        return {}, {}
    pairs, pair_of = np.unique(np.array([vote.pair for vote in given]), axis=0, return_inverse=True)
    raters, rater_of = np.unique([vote.annotator_id for vote in given], return_inverse=True)
    people = np.array([float(vote.raters) for vote in given])
    # +1 first, -1 second, 0 tie, times those who say so
    side = people * np.array([2.0 * vote.value - 1.0 for vote in given])
    clear = np.abs(side)
    clear_of_rater = np.bincount(rater_of, clear, len(raters))
    counts = np.bincount(pair_of, people, len(pairs))
    target = 0.5 + 0.5 * np.bincount(pair_of, side, len(pairs)) / counts  # start from the mean
    reliability = np.full(len(raters), PRIOR_RIGHT / (PRIOR_RIGHT + PRIOR_WRONG))
    for _ in range(rounds):
        right = clear * np.where(side > 0, target[pair_of], 1.0 - target[pair_of])
        expected = np.bincount(rater_of, right, len(raters))
        reliability = (PRIOR_RIGHT + expected) / (PRIOR_RIGHT + PRIOR_WRONG + clear_of_rater)
        odds = np.bincount(pair_of, side * np.log(reliability / (1.0 - reliability))[rater_of], len(pairs))
        updated = 1.0 / (1.0 + np.exp(-odds))
        moved = float(np.abs(updated - target).max())
        target = updated
        if moved < tolerance:
            break
    return (
        dict(zip(map(tuple, pairs.tolist()), target.tolist(), strict=True)),
        dict(zip(raters.tolist(), reliability.tolist(), strict=True)),
    )
