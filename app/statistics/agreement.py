"""How far people agree: Krippendorff's alpha ("Content Analysis", 2004, ch. 11), and the share of equal choices.

Responses lie on the ordinal scale a < neither < b, where tie and both bad are one: 1 is perfect agreement, 0 is what
chance would give. What is judged of one prompt is alike, so intervals come from drawing prompts. Prompts with the same
choices are alike to all of this, so that a hundred thousand of them are a few hundred with a number each.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import sqrt
from statistics import NormalDist

import numpy as np

from app.statistics.shares import clustered

RESAMPLES = 500
_Z95 = 1.959964

Tally = tuple[int, ...]
"""How many people chose each place of the scale, of one pair of responses: a, neither, b."""

Prompts = tuple[Tally, ...]
"""The tallies of the pairs of one prompt."""

Floats = np.ndarray[tuple[int, ...], np.dtype[np.float64]]


@dataclass(frozen=True)
class Agreement:
    """`items` pairs of responses were judged by several people; `percent` is the share of equal choices among two
    people's choices on the same one. Intervals are 95%, by prompt."""

    items: int
    comparisons: int
    percent: float | None
    percent_low: float
    percent_high: float
    alpha: float | None
    low: float | None
    high: float | None


def agreement_of(prompts: Mapping[Prompts, int], seed: int = 0) -> Agreement:
    """Agreement, from how many prompts have each set of tallies."""
    found: dict[Prompts, int] = {}
    for tallies, count in prompts.items():
        if shared := tuple(tally for tally in tallies if sum(tally) > 1):
            found[shared] = found.get(shared, 0) + count
    if not found:
        return Agreement(0, 0, None, 0.0, 1.0, None, None, None)
    times = np.array(list(found.values()))
    items, same, both = (np.array([sum(map(count, tallies)) for tallies in found]) for count in (_one, _same, _both))
    observed = np.array(
        [np.sum([coincidences(np.array(tally, float)) for tally in tallies], axis=0) for tallies in found]
    )
    whole = np.tensordot(times[None, :], observed, 1)
    [alpha] = alphas(whole)
    drawn = np.random.default_rng(seed).multinomial(times.sum(), times / times.sum(), size=RESAMPLES)
    resampled = alphas(np.tensordot(drawn, observed, 1))
    low, high = _interval(float(alpha), resampled, alphas(whole - observed), times)
    percent_low, percent_high = clustered(
        pair for pair, count in zip(zip(same.tolist(), both.tolist(), strict=True), times.tolist(), strict=True)
        for _ in range(count)
    )  # fmt: skip
    return Agreement(
        items=int((items * times).sum()),
        comparisons=int((both * times).sum()),
        percent=float((same * times).sum() / (both * times).sum()),
        percent_low=percent_low,
        percent_high=percent_high,
        alpha=float(alpha) if np.isfinite(alpha) else None,
        low=low,
        high=high,
    )


def _one(tally: Tally) -> int:
    return 1


def _same(tally: Tally) -> int:
    return sum(count * (count - 1) // 2 for count in tally)


def _both(tally: Tally) -> int:
    return sum(tally) * (sum(tally) - 1) // 2


def _interval(
    value: float, drawn: Floats, without: Floats, times: np.ndarray[tuple[int, ...], np.dtype[np.int64]]
) -> tuple[float | None, float | None]:
    """95%, from what the value is in samples that were drawn again, and in those without one of each sort of prompts,
    of which there are `times`.

    BCa (Efron 1987, "Better bootstrap confidence intervals"), by Student's quantile, and widened as so many prompts
    ask for (Hesterberg 2015, "What teachers should know about the bootstrap"): plain percentiles are too narrow, and
    miss the truth more often on one side than on the other.
    """
    drawn = drawn[np.isfinite(drawn)]
    if not len(drawn):
        return None, None
    normal, prompts = NormalDist(), int(times.sum())
    below = ((drawn < value).sum() + (drawn == value).sum() / 2) / len(drawn)
    bias = normal.inv_cdf(min(max(float(below), 1 / len(drawn)), 1 - 1 / len(drawn)))
    times, without = times[np.isfinite(without)], without[np.isfinite(without)]
    apart = (np.average(without, weights=times) if len(without) else 0.0) - without
    spread = float(times @ apart**2)
    skew = float(times @ apart**3) / (6 * spread**1.5) if spread > 0 else 0.0
    free = max(prompts - 1, 1)
    width = (_Z95 + (_Z95**3 + _Z95) / (4 * free)) * sqrt(prompts / free)
    moved = [bias + side * width for side in (-1, 1)]
    places = [100 * normal.cdf(bias + each / max(1 - skew * each, 1e-3)) for each in moved]
    low, high = np.percentile(drawn, places)
    return float(low), float(high)


def coincidences(counts: Floats) -> Floats:
    """(places, places): how often one of two people chose the one place and the other the other, of one pair.

    counts: (places,), of two people or more.
    """
    found: Floats = (np.outer(counts, counts) - np.diag(counts)) / (counts.sum() - 1)
    return found


def alphas(observed: Floats) -> Floats:
    """Krippendorff's alpha (ordinal) of samples, from the coincidences that each adds up to: (samples, places, places).

    Returns (samples,); NaN where all made one and the same choice: there is nothing to disagree on.
    """
    n = observed.sum(axis=2)
    before = np.cumsum(n, axis=1) - n / 2  # choices below the middle of each place
    distance = (before[:, :, None] - before[:, None, :]) ** 2
    disagreement = (observed * distance).sum(axis=(1, 2))
    by_chance = (n[:, :, None] * n[:, None, :] * distance).sum(axis=(1, 2)) / (n.sum(axis=1) - 1)
    with np.errstate(invalid="ignore", divide="ignore"):
        found: Floats = 1.0 - disagreement / by_chance
    return found
