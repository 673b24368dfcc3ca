"""From what several people say of two responses to one soft target: the probability that the first is the better one,
and what the pair weighs.

Pure arithmetic on numbers; knows no database. A tie is half a vote for either side. "Both bad" says nothing about which
of the two is better, so such a label gives no target: a pair with nothing else is left out of training, and counted.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from app.models import Outcome

VALUE = {Outcome.FIRST: 1.0, Outcome.TIE: 0.5, Outcome.SECOND: 0.0}
Pair = tuple[int, int, int]
"""An item and two of its positions."""

# Before anything is known of a rater, 9 of 10 of their clear choices are taken to be right: the mean of Beta(9, 1).
# Attention checks count as choices of which one knows.
PRIOR_RIGHT, PRIOR_WRONG = 9.0, 1.0
LEVELS: Mapping[int, Sequence[float]] = {2: (0.8, 0.95), 3: (0.75, 0.9, 0.97), 4: (0.7, 0.82, 0.92, 0.97)}
"""By the number of levels of strength: how often a choice of each level is right, before repeats tell."""
LEVEL_PRIOR = 20.0  # choices that the table above is worth
SIDES = np.array([0.0, 1.0])
TASTES = (np.arange(5) + 0.5) / 5  # shares of people who prefer the first, where people differ
TASTE_AT_FIRST, TASTE_PRIOR = 1 / 3, 0.1  # the latter: a pair that was judged before, by a tenth one of taste
SIMILARITY, SIMILARITY_PRIOR = 0.5, 20.0  # of two people's labels, before repeats tell; comparisons that it is worth

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Vote:
    """What one annotator says now of two responses. One that was imported may speak for several people, and say a
    fraction. `weight`: 1, or less where the label counts for less."""

    pair: Pair
    annotator_id: int
    outcome: Outcome
    probability: float | None = None
    raters: int = 1
    strength: int | None = None
    weight: float = 1.0

    @property
    def value(self) -> float:
        """The probability that the first is the better one, by this vote."""
        return VALUE[self.outcome] if self.probability is None else self.probability

    @property
    def count(self) -> float:
        """How many votes it is."""
        return self.raters * self.weight


@dataclass(frozen=True)
class Checks:
    """A rater's attention checks."""

    passed: int = 0
    missed: int = 0


@dataclass(frozen=True)
class Fitted:
    """Targets, and what they were worked out with: each rater's reliability, how often a choice of each level of
    strength is right, and the share of pairs on which people differ by taste."""

    targets: dict[Pair, float] = field(default_factory=dict)
    reliability: dict[int, float] = field(default_factory=dict)
    levels: dict[int, float] = field(default_factory=dict)
    taste: float = 0.0


def usable(votes: Sequence[Vote]) -> list[Vote]:
    """The votes that prefer something, or call it a tie, and count."""
    return [vote for vote in votes if vote.outcome in VALUE and vote.count > 0]


def mean_targets(votes: Sequence[Vote], levels: Mapping[int, float] | None = None) -> dict[Pair, float]:
    """pair -> the mean of what its raters say (first 1, tie 1/2, second 0); pairs without such a vote are absent.

    levels: how often a choice of each level of strength is right; then such a choice says this much and no more.
    """
    sums: dict[Pair, list[float]] = {}
    for vote in usable(votes):
        sure = (levels or {}).get(vote.strength or 0, 1.0)
        total = sums.setdefault(vote.pair, [0.0, 0.0])
        total[0] += vote.count * (0.5 + (2.0 * sure - 1.0) * (vote.value - 0.5))
        total[1] += vote.count
    return {pair: said / raters for pair, (said, raters) in sums.items()}


def reliability_targets(
    votes: Sequence[Vote],
    checks: Mapping[int, Checks] | None = None,
    levels: int = 0,
    *,
    rounds: int = 100,
    tolerance: float = 1e-4,
) -> Fitted:
    """Targets weighted by how reliable each rater is.

    After Dawid and Skene (1979) with two classes, one reliability r a rater and a Beta prior on it (Raykar et al.
    2010, "Learning from crowds"), which the rater's attention checks inform. A rater says "first" with the probability
    r p + (1 - r)(1 - p), p the share of people who prefer the first. On most pairs p is 0 or 1; on a share of them,
    `taste`, it is anything between: without those, 5 people against 4 would make the five nearly certain. All is
    fitted by EM on the pairs that several people judged; alone, one vote tells nothing of its rater. Choices of a level
    of strength have log odds of their own beside their rater's, from a prior that `LEVELS` has. A tie, or a fraction
    y, is y votes for the first and 1 - y for the second; a vote of n people n votes.
    """
    given = sorted(usable(votes), key=lambda vote: vote.pair)
    if not given:
        return Fitted()
    data = _Data.of(given, checks or {}, levels)
    repeated = data.repeated()
    state = _State.first(data, TASTE_AT_FIRST if len(repeated.pairs) else 0.0)
    targets = np.full(len(repeated.pairs), 0.5)
    for _ in range(rounds if len(repeated.pairs) else 0):
        state, updated = _round(repeated, state)
        moved = float(np.abs(updated - targets).max())
        targets = updated
        if moved < tolerance:
            break
    _, post = _posterior(data, state)
    certain = _sigmoid(_logit(PRIOR_RIGHT / (PRIOR_RIGHT + PRIOR_WRONG)) + state.level)
    return Fitted(
        dict(zip(map(tuple, data.pairs.tolist()), (post @ _points()).tolist(), strict=True)),
        dict(zip(data.raters.tolist(), _sigmoid(state.rater).tolist(), strict=True)),
        {level: float(certain[level]) for level in range(1, len(certain))},
        state.taste,
    )


def weights(votes: Sequence[Vote]) -> dict[Pair, float]:
    """pair -> what it weighs: k / (1 + (k - 1) rho) of k raters, whose labels are alike by rho (of two labels of one
    pair, 1 the same and 0 unrelated; from the repeats).

    All preferences of one item together weigh one less than the responses that they compare, as if each tied one more
    to those before it: one ranking of K has K (K - 1) / 2 preferences, and weighs K - 1.
    """
    said: dict[Pair, list[Vote]] = {}
    for vote in usable(votes):
        said.setdefault(vote.pair, []).append(vote)
    alike, compared = SIMILARITY * SIMILARITY_PRIOR, SIMILARITY_PRIOR
    places: dict[int, set[int]] = {}
    pairs: dict[int, int] = {}
    for (item, first, second), given in said.items():
        places.setdefault(item, set()).update((first, second))
        pairs[item] = pairs.get(item, 0) + 1
        sides, people = [2 * vote.value - 1 for vote in given], [vote.count for vote in given]
        total, squares = sum(people), sum(n * side * side for n, side in zip(people, sides, strict=True))
        alike += (sum(n * side for n, side in zip(people, sides, strict=True)) ** 2 - squares) / 2
        compared += max(0.0, total - 1) * squares / 2
    similarity = min(1.0, max(0.0, alike / compared))
    found = {}
    for pair, given in said.items():
        people_of = sum(vote.count for vote in given)
        grown = people_of / (1 + (people_of - 1) * similarity) if people_of > 1 else people_of
        found[pair] = grown * (len(places[pair[0]]) - 1) / pairs[pair[0]]
    return found


def reweighted(vote: Vote, weight: float) -> Vote:
    """The vote, counting for less."""
    return replace(vote, weight=weight) if weight != vote.weight else vote


# ---- the fit ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Data:
    """Votes as arrays, in order of pair: of each its pair, its rater, its level of strength (0: none), its value, how
    many it is."""

    pairs: NDArray[np.int64]
    raters: NDArray[np.int64]
    pair: NDArray[np.int64]
    rater: NDArray[np.int64]
    level: NDArray[np.int64]
    value: Floats
    count: Floats
    right: Floats  # of each rater: the prior and the checks
    wrong: Floats
    levels: Floats  # of each level from 0 on: how often it is right, by the prior

    @classmethod
    def of(cls, given: Sequence[Vote], checks: Mapping[int, Checks], levels: int) -> "_Data":
        pairs, pair = np.unique(np.array([vote.pair for vote in given]), axis=0, return_inverse=True)
        raters, rater = np.unique([vote.annotator_id for vote in given], return_inverse=True)
        known = [checks.get(each, Checks()) for each in raters.tolist()]
        prior = LEVELS.get(levels, ())
        return cls(
            pairs,
            raters,
            pair.ravel(),
            rater,
            np.array([vote.strength if vote.strength and vote.strength <= len(prior) else 0 for vote in given]),
            np.array([vote.value for vote in given]),
            np.array([vote.count for vote in given]),
            PRIOR_RIGHT + np.array([each.passed for each in known]),
            PRIOR_WRONG + np.array([each.missed for each in known]),
            np.array([PRIOR_RIGHT / (PRIOR_RIGHT + PRIOR_WRONG), *prior]),
        )

    def repeated(self) -> "_Data":
        """Only the pairs that have more than one vote."""
        several = np.bincount(self.pair, minlength=len(self.pairs)) > 1
        several |= np.bincount(self.pair, self.count, len(self.pairs)) > 1
        kept = several[self.pair]
        number = np.cumsum(several) - 1
        return replace(
            self,
            pairs=self.pairs[several],
            pair=number[self.pair[kept]],
            **{name: getattr(self, name)[kept] for name in ("rater", "level", "value", "count")},
        )


@dataclass(frozen=True)
class _State:
    """What is fitted: log odds of each rater, log odds that each level adds, the share of pairs of taste."""

    rater: Floats
    level: Floats
    taste: float

    @classmethod
    def first(cls, data: _Data, taste: float) -> "_State":
        return cls(_logit(data.right / (data.right + data.wrong)), _logit(data.levels) - _logit(data.levels[0]), taste)


def _points() -> Floats:
    return np.concatenate([SIDES, TASTES])


def _posterior(data: _Data, state: _State) -> tuple[Floats, Floats]:
    """(votes, points): how likely each vote is right, were the pair's share that point; (pairs, points): the pair's
    share, given its votes."""
    points, levels = _points(), len(data.levels)
    certain = _sigmoid(state.rater[:, None] + state.level).reshape(-1, 1)  # of each rater and level
    first = np.clip(certain * points + (1 - certain) * (1 - points), 1e-12, 1 - 1e-12)
    of, value = data.rater * levels + data.level, data.value[:, None]
    likely = data.count[:, None] * (value * np.log(first)[of] + (1 - value) * np.log1p(-first)[of])
    log = np.add.reduceat(likely, np.searchsorted(data.pair, np.arange(len(data.pairs))), axis=0)
    prior = np.concatenate([np.full(2, (1 - state.taste) / 2), np.full(len(TASTES), state.taste / len(TASTES))])
    with np.errstate(divide="ignore"):
        log += np.log(prior)
    post = np.exp(log - log.max(axis=1, keepdims=True))
    right = value * (certain * points / first)[of] + (1 - value) * (certain * (1 - points) / (1 - first))[of]
    return right, post / post.sum(axis=1, keepdims=True)


def _round(data: _Data, state: _State) -> tuple[_State, Floats]:
    """One round of EM, its maximum over log odds by a Newton step each; and the pairs' targets before it."""
    each, post = _posterior(data, state)
    right = (each * post[data.pair]).sum(axis=1)
    certain = _sigmoid(state.rater[data.rater] + state.level[data.level])
    gain, curve = data.count * (right - certain), data.count * certain * (1 - certain)
    raters, levels = len(data.raters), len(data.levels)
    own = _sigmoid(state.rater)
    checked = data.right + data.wrong
    up = np.bincount(data.rater, gain, raters) + data.right - checked * own
    rater = state.rater + np.clip(up / (np.bincount(data.rater, curve, raters) + checked * own * (1 - own)), -1, 1)
    typical = _sigmoid(_logit(data.levels[0]) + state.level)
    up = np.bincount(data.level, gain, levels) + LEVEL_PRIOR * (data.levels - typical)
    down = np.bincount(data.level, curve, levels) + LEVEL_PRIOR * typical * (1 - typical)
    level = state.level + np.clip(up / down, -1, 1)
    level[0] = 0.0
    taste = float((post[:, len(SIDES) :].sum() + TASTE_PRIOR) / (len(data.pairs) + 1))
    return _State(rater, level, taste), post @ _points()


def _logit(p: Floats | float) -> Floats:
    return np.asarray(np.log(p) - np.log1p(-np.asarray(p)))


def _sigmoid(x: Floats) -> Floats:
    return np.asarray(1.0 / (1.0 + np.exp(-x)))
