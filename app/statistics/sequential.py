"""Tests of how a person works that may be looked at after every label: of fair people at most `ALPHA` is ever flagged.

Each is the capital of a gambler who bets against "this person is fair" and can only win by luck: by Ville's inequality
it ever reaches 1 / alpha with a probability of at most alpha (Ramdas et al. 2023, "Game-theoretic statistics and safe
anytime-valid inference"). Pure arithmetic on what somebody did, in their order.
"""

from collections.abc import Sequence
from math import comb

import numpy as np
from numpy.typing import NDArray

ALPHA = 0.05
# Of it, to flag by sides: whoever always chooses one is beyond any limit soon; and to flag by checks alone or by all.
SIDES, CARE = 0.1 * ALPHA, 0.45 * ALPHA
FAIR_CHECKS = 0.9  # a fair person passes at least so many attention checks
MARGIN = 0.01  # and disagrees with the others hardly more than they do among each other
BLOCK = 50  # pairs

Floats = NDArray[np.float64]
_SHARES = (np.arange(18) + 0.5) / 20  # of passed checks, below FAIR_CHECKS
_BETS = np.array([0.25, 0.5, 1.0, 2.0, 3.5])  # below 1 / 0.26: no excess is below -1/4


def sides(left: Sequence[bool]) -> Floats:
    """Log capital after each choice against "each side is chosen half of the time", as sides are drawn at random.

    A mixture of all other shares (Beta(1/2, 1/2)): each choice is predicted by (its count + 1/2) / (choices + 1).
    """
    chosen = np.asarray(left, dtype=bool)
    before = np.arange(len(chosen))
    lefts = np.cumsum(chosen) - chosen
    count = np.where(chosen, lefts, before - lefts)
    return np.asarray(np.cumsum(np.log(2 * (count + 0.5) / (before + 1))))


def care(passed: Sequence[bool | None], excess: Sequence[float]) -> Floats:
    """Log capital after each label against "passes `FAIR_CHECKS` of the attention checks, and is one like the others".

    passed: of a check, whether the answer was right; None of other labels. excess: of other labels, the share of the
    others who judged the pair with whom this person disagrees, minus the mean of that over all who judged it. Were all
    alike it would be anybody's, and 0 on average. Two gamblers, one on checks and one on pairs, the one after the other
    with all their money: the product of what mixtures of bets win.
    """
    is_check = np.array([each is not None for each in passed], dtype=bool)
    right = np.array([bool(each) for each in passed], dtype=bool)[:, None]
    won = np.where(right, np.log(_SHARES / FAIR_CHECKS), np.log((1 - _SHARES) / (1 - FAIR_CHECKS)))
    checks = np.cumsum(np.where(is_check[:, None], won, 0.0), axis=0)
    over = np.where(is_check, 0.0, np.asarray(excess, dtype=float) - MARGIN)[:, None]
    pairs = np.cumsum(np.log1p(_BETS * over), axis=0)
    return _mixture(checks) + _mixture(pairs)


def drift(disagrees: Sequence[bool]) -> int:
    """Whether a person changes: 1 where the latest look that tells so has the second half disagree more often, -1 where
    less often, 0 where none does. disagrees: with anybody, of each pair.

    After 2, 4, 8, ... blocks the halves are compared by Fisher's exact test; the j-th look has the part 1 / (j (j + 1))
    of the level, which adds up to all of it.
    """
    found, look, seen = 0, 1, 2 * BLOCK
    while seen <= len(disagrees):
        half = seen // 2
        early, late = sum(disagrees[:half]), sum(disagrees[half:seen])
        level = ALPHA / 2 / (look * (look + 1)) / 2
        if _at_least(late, half, early, half) < level:
            found = 1
        elif _at_least(early, half, late, half) < level:
            found = -1
        look, seen = look + 1, seen * 2
    return found


def flagged(log_capital: Floats, level: float) -> bool:
    """Whether it has ever reached the limit, 1 / level, which it does with a fair person with this probability."""
    return len(log_capital) > 0 and bool(log_capital.max() >= -np.log(level))


def _at_least(a: int, n: int, b: int, m: int) -> float:
    """Fisher's one-sided p: that of a + b among n + m by chance a or more are among the n."""
    return sum(comb(n, k) * comb(m, a + b - k) for k in range(a, min(n, a + b) + 1)) / comb(n + m, a + b)


def _mixture(logs: Floats) -> Floats:
    """The log of the mean over the last axis of numbers that are given by their logarithms."""
    top = logs.max(axis=-1, keepdims=True)
    return np.asarray(np.log(np.exp(logs - top).mean(axis=-1)) + top[..., 0])
