"""An interval for a mean of values in [0, 1] that stays valid however often one looks.

The hedged capital confidence sequence of Waudby-Smith and Ramdas, "Estimating means of bounded random variables by
betting", JRSS B 86 (2024), Theorem 3 with the predictable plug-in bets of equations (25) and (26), c = theta = 1/2.
A mean m is left out once a gambler who bets against it would have multiplied their money by 1 / alpha; by Ville's
inequality that ever happens to the true mean with a probability of at most alpha. Pure arithmetic.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

GRID = 1000
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Interval:
    """Bounds of a mean."""

    low: float
    high: float


def bets(values: Floats, alpha: float) -> Floats:
    """The stake before each value, from the values before it alone: (n,) for n values."""
    n = len(values)
    t = np.arange(1, n + 1)
    means = (0.5 + np.cumsum(values)) / (t + 1)
    variances = (0.25 + np.cumsum((values - means) ** 2)) / (t + 1)
    before = np.concatenate([[0.25], variances[:-1]])
    return np.asarray(np.sqrt(2 * np.log(2 / alpha) / (before * t * np.log(t + 1))))


def log_capital(values: Floats, means: Floats, alpha: float = 0.05) -> Floats:
    """Log of the hedged capital against each of `means` (k,) after each of `values` (n,): shape (n, k)."""
    stake = bets(values, alpha)[:, None]
    edge = values[:, None] - means[None, :]
    with np.errstate(divide="ignore"):
        up = np.minimum(stake, 0.5 / means[None, :])
        down = np.minimum(stake, 0.5 / (1.0 - means[None, :]))
    rising = np.cumsum(np.log1p(up * edge), axis=0)
    falling = np.cumsum(np.log1p(-down * edge), axis=0)
    return np.asarray(np.maximum(rising, falling) + np.log(0.5))


def anytime_interval(values: Sequence[float], alpha: float = 0.05) -> Interval:
    """The (1 - alpha) interval for the mean after these values in the order they came, each in [0, 1].

    The running intersection over all looks, on a grid of 1/1000 that is rounded outwards; [0, 1] before any value.
    """
    return _interval(tuple(values), alpha)


@lru_cache(maxsize=256)  # pages ask for the same evaluation again and again; a thousand values take 50 ms
def _interval(values: tuple[float, ...], alpha: float) -> Interval:
    x = np.asarray(values, dtype=np.float64)
    if len(x) == 0:
        return Interval(0.0, 1.0)
    if x.min() < 0 or x.max() > 1:
        raise ValueError("the values must lie in [0, 1]")
    grid = np.linspace(0.0, 1.0, GRID + 1)
    inside = np.flatnonzero((log_capital(x, grid, alpha) < np.log(1 / alpha)).all(axis=0))
    if len(inside) == 0:  # the values drifted so far that no one mean fits them all
        centre = float(x.mean())
        return Interval(centre, centre)
    return Interval(float(grid[max(inside[0] - 1, 0)]), float(grid[min(inside[-1] + 1, GRID)]))
