"""How reliable raters are, by what others and attention checks say, and what that makes of their votes.

Pure arithmetic on numbers; knows no database.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.rewards.columns import Columns
from app.rewards.targets import Checks, Fitted, Pair, Vote

# Before anything is known of a rater, 9 of 10 of their clear choices are taken to be right: the mean of Beta(9, 1).
# Attention checks count as choices of which one knows.
PRIOR_RIGHT, PRIOR_WRONG = 9.0, 1.0
LEVELS: Mapping[int, Sequence[float]] = {2: (0.8, 0.95), 3: (0.75, 0.9, 0.97), 4: (0.7, 0.82, 0.92, 0.97)}
"""By the number of levels of strength: how often a choice of each level is right, before repeats tell."""
LEVEL_PRIOR = 20.0  # choices that the table above is worth
SIDES = np.array([0.0, 1.0])
TASTES = (np.arange(5) + 0.5) / 5  # shares of people who prefer the first, where people differ
TASTE_AT_FIRST, TASTE_PRIOR = 1 / 3, 0.1  # the latter: a pair that was judged before, by a tenth one of taste
Floats = NDArray[np.float64]


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
    return fit(Columns.of(votes), checks or {}, levels, rounds=rounds, tolerance=tolerance)


def fit(
    votes: Columns,
    checks: Mapping[int, Checks],
    levels: int = 0,
    *,
    targets: bool = True,
    rounds: int = 100,
    tolerance: float = 1e-4,
) -> Fitted:
    """As `reliability_targets` says, the targets only where they are wanted."""
    if not len(votes.pair):
        return Fitted()
    several = votes.in_order(several=True)
    data = _Data.of(several, np.unique(votes.rater), checks, levels)
    state = _State.first(data, TASTE_AT_FIRST if len(several.pairs) else 0.0)
    before = np.full(len(several.pairs), 0.5)
    for _ in range(rounds if len(several.pairs) else 0):
        state, updated = _round(data, state)
        moved = float(np.abs(updated - before).max())
        before = updated
        if moved < tolerance:
            break
    found: dict[Pair, float] = {}
    if targets:
        ordered = votes.in_order(several=False)
        _, post = _posterior(_Data.of(ordered, data.raters, checks, levels), state)
        found = dict(zip(ordered.names(), (post @ _points()).tolist(), strict=True))
    certain = _sigmoid(_logit(PRIOR_RIGHT / (PRIOR_RIGHT + PRIOR_WRONG)) + state.level)
    return Fitted(
        found,
        dict(zip(data.raters.tolist(), _sigmoid(state.rater).tolist(), strict=True)),
        dict(zip(data.raters.tolist(), _shares(votes, data, state).tolist(), strict=True)),
        {level: float(certain[level]) for level in range(1, len(certain))},
        state.taste,
    )


@dataclass(frozen=True)
class _Data:
    """Votes in order of pair, and what is known of their raters: of each vote its pair, the place of its rater, its
    level of strength (0: none), its value, how many it is."""

    number: int  # of pairs
    raters: NDArray[np.int64]  # whoever voted, here or not
    pair: NDArray[np.int64]
    rater: NDArray[np.int64]
    level: NDArray[np.int64]
    value: Floats
    count: Floats
    right: Floats  # of each rater: the prior and the checks
    wrong: Floats
    levels: Floats  # of each level from 0 on: how often it is right, by the prior

    @classmethod
    def of(cls, votes: Columns, raters: NDArray[np.int64], checks: Mapping[int, Checks], levels: int) -> "_Data":
        known = [checks.get(each, Checks()) for each in raters.tolist()]
        prior = LEVELS.get(levels, ())
        return cls(
            len(votes.pairs),
            raters,
            votes.pair,
            np.searchsorted(raters, votes.rater),
            np.where(votes.level <= len(prior), votes.level, 0),
            votes.value,
            votes.count,
            PRIOR_RIGHT + np.array([each.passed for each in known]),
            PRIOR_WRONG + np.array([each.missed for each in known]),
            np.array([PRIOR_RIGHT / (PRIOR_RIGHT + PRIOR_WRONG), *prior]),
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
    log = np.add.reduceat(likely, np.searchsorted(data.pair, np.arange(data.number)), axis=0)
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
    taste = float((post[:, len(SIDES) :].sum() + TASTE_PRIOR) / (data.number + 1))
    return _State(rater, level, taste), post @ _points()


def _logit(p: Floats | float) -> Floats:
    return np.asarray(np.log(p) - np.log1p(-np.asarray(p)))


def _sigmoid(x: Floats) -> Floats:
    return np.asarray(1.0 / (1.0 + np.exp(-x)))


def _shares(votes: Columns, several: _Data, state: _State) -> Floats:
    """(raters,): what a choice of each weighs, 1 on average over all choices: (2r - 1)^2, which is how much one that is
    right with the probability r tells of two nearly equal responses beside one that is always right; below 1/2 nothing.

    Log odds of r are drawn towards those of all raters by how little is known of each (DerSimonian and Laird 1986,
    "Meta-analysis in clinical trials"), so that raters who differ by no more than chance weigh the same.
    """
    own = _sigmoid(state.rater)
    known = (several.right + several.wrong) * own * (1 - own)
    if several.number:
        each, post = _posterior(several, state)
        certain = _sigmoid(state.rater[several.rater] + state.level[several.level])
        slope = (each * post[several.pair]).sum(axis=1) - certain
        known = known + np.bincount(several.rater, several.count * slope**2, len(own))
    centre = known @ state.rater / known.sum()
    beyond = known @ (state.rater - centre) ** 2 - (len(own) - 1)
    spread = max(0.0, beyond / max(known.sum() - known @ known / known.sum(), 1e-9))
    centre = state.rater @ (1 / (spread + 1 / known)) / (1 / (spread + 1 / known)).sum()
    drawn = centre + (state.rater - centre) * spread / (spread + 1 / known)
    found = np.maximum(2 * _sigmoid(drawn) - 1, 0.0) ** 2
    total = np.bincount(np.searchsorted(several.raters, votes.rater), votes.count, len(own))
    average = float(found @ total / total.sum())
    return found / average if average > 0 else np.ones(len(own))
