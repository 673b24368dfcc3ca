"""Intervals of means and of shares: pure functions of numbers."""

from __future__ import annotations

import math
import statistics
from collections.abc import Hashable, Sequence

Z = 1.959963984540054  # of a normal distribution, 95% on both sides


def t_quantile(degrees: int) -> float:
    """Student's t that 95% lie within, for so many degrees of freedom.

    The expansion of Abramowitz and Stegun (1964), 26.7.5, about the normal quantile: off by 0.1% at 5 degrees, by 1%
    at 3; below that it is too low.
    """
    z, n = Z, degrees
    return (
        z
        + (z**3 + z) / (4 * n)
        + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * n**2)
        + (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / (384 * n**3)
    )


def mean_error(values: Sequence[float], groups: Sequence[Hashable]) -> float | None:
    """Standard error of the mean of values of which those of one group, a prompt mostly, may be alike.

    With a value a group it is stdev / sqrt(n). None where there is one group: anything is possible.
    """
    mean = statistics.fmean(values)
    sums: dict[Hashable, float] = {}
    for value, group in zip(values, groups, strict=True):
        sums[group] = sums.get(group, 0.0) + value - mean
    if len(sums) < 2:
        return None
    return math.sqrt(math.fsum(each * each for each in sums.values()) * len(sums) / (len(sums) - 1)) / len(values)


def mean_interval(values: Sequence[float], groups: Sequence[Hashable]) -> tuple[float, float]:
    """Student's 95% interval of the mean of values of which those of one group, a prompt mostly, may be alike; of one
    group anything is possible."""
    error = mean_error(values, groups)
    if error is None:
        return -math.inf, math.inf
    half = t_quantile(len(set(groups)) - 1) * error
    mean = statistics.fmean(values)
    return mean - half, mean + half
