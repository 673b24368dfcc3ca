"""What a live head's labels are worth: its curve, what choosing brings beside chance, and what comes next. Pure numpy.

What measures does not teach: preferences on holdout prompts, and those of the random share before they are learned.
Several preferences on one prompt say less than as many on several, so that every interval is over prompts.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.models.head import CurvePoint, Gain, Measured
from app.policies.intervals import anytime_interval
from rlhf.intervals import Z, mean_interval
from rlhf.live_head import LiveHead, log_losses, right, sigmoid

Floats = NDArray[np.float64]

LEAST_PROMPTS = 10  # that measure; with fewer an interval says nothing
LEAST_LABELS = 25  # of each share, to compare them
MOST_COMPARED = 500  # preferences of each share: more cost time and change little
DRAWS = 40
LAG = 100  # labels between the two heads whose difference is what labels brought
WINDOW = 400  # measuring labels that the gain is taken from


@dataclass(frozen=True)
class Preferences:
    """z: (n, size), differences of features; targets, weights: (n,); prompts: (n,), numbers of prompts."""

    z: Floats
    targets: Floats
    weights: Floats
    prompts: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.targets)

    def take(self, places: NDArray[np.int64] | NDArray[np.bool_] | slice) -> Preferences:
        """Some of them."""
        return Preferences(self.z[places], self.targets[places], self.weights[places], self.prompts[places])


def by_prompt(values: Floats, prompts: NDArray[np.int64]) -> Floats:
    """The mean of each prompt's values, in the order in which prompts come first."""
    _, first, place = np.unique(prompts, return_index=True, return_inverse=True)
    means = np.bincount(place, values) / np.bincount(place)
    return np.asarray(means[np.argsort(first)])


def curve(means: Sequence[tuple[int, Floats]], measuring: Preferences) -> list[CurvePoint]:
    """How well heads of so many labels, (labels, mean), say what measures; nothing where that is too little."""
    if len(np.unique(measuring.prompts)) < LEAST_PROMPTS:
        return []
    points = []
    for labels, mean in means:
        p = sigmoid(measuring.z @ mean)
        values = by_prompt(right(p, measuring.targets), measuring.prompts)
        low, high = mean_interval([float(value) for value in values], range(len(values)))
        points.append(
            CurvePoint(
                labels=labels,
                accuracy=float(values.mean()),
                low=max(low, 0.0),
                high=min(high, 1.0),
                loss=float(by_prompt(log_losses(p, measuring.targets), measuring.prompts).mean()),
            )
        )
    return points


def compare(one: Preferences, other: Preferences, measuring: Preferences, precision: float) -> Measured | None:
    """How much better a head says what measures that learned from as many of `one` as of `other`, the first of each;
    None where there are too few.

    The interval is normal, by the spread of a bootstrap that draws the prompts of all three anew, since which labels
    there were to learn from is as much by chance as what measures.
    """
    count = min(len(one), len(other), MOST_COMPARED)
    if count < LEAST_LABELS or len(np.unique(measuring.prompts)) < LEAST_PROMPTS:
        return None
    sides = one.take(slice(count)), other.take(slice(count))
    heads = [LiveHead(measuring.z.shape[1], precision) for _ in sides]

    def difference(weights: Sequence[Floats], measured: Floats) -> tuple[float, float]:
        found = []
        for head, side, times in zip(heads, sides, weights, strict=True):
            head.refit(side.z, side.targets, side.weights * times)
            p = sigmoid(measuring.z @ head.mean)
            found.append((right(p, measuring.targets) @ measured, log_losses(p, measuring.targets) @ measured))
        return (found[0][0] - found[1][0]) / measured.sum(), (found[0][1] - found[1][1]) / measured.sum()

    alone = [np.ones(count), np.ones(count)]
    accuracy, loss = difference(alone, _evenly(measuring.prompts))
    draw = np.random.default_rng(0)
    tries = [
        difference(
            [_drawn(side.prompts, draw) for side in sides], _drawn(measuring.prompts, draw) * _evenly(measuring.prompts)
        )
        for _ in range(DRAWS)
    ]
    half, half_loss = (Z * float(np.std(each, ddof=1)) for each in zip(*tries, strict=True))
    return Measured(
        labels=count,
        accuracy=accuracy,
        low=accuracy - half,
        high=accuracy + half,
        loss=loss,
        loss_low=loss - half_loss,
        loss_high=loss + half_loss,
    )


def _evenly(prompts: NDArray[np.int64]) -> Floats:
    """Weights by which each prompt counts once."""
    _, place, counts = np.unique(prompts, return_inverse=True, return_counts=True)
    return np.asarray(1.0 / counts[place])


def _drawn(prompts: NDArray[np.int64], draw: np.random.Generator) -> Floats:
    """How often each row comes where as many prompts are drawn anew as there are; each at least once in a thousand, so
    that no side is left with nothing."""
    names, place = np.unique(prompts, return_inverse=True)
    times = draw.multinomial(len(names), np.full(len(names), 1.0 / len(names)))
    return np.asarray(np.maximum(times, 1e-3)[place], dtype=np.float64)


def gain(brought: Iterable[tuple[int, float]], labels: int) -> Gain | None:
    """What the next labels are expected to bring in accuracy, by what the last `LAG` brought: (prompt, right now minus
    right `LAG` labels before, in -1..1) of each label that measured, in the order they came, before it was learned.

    The mean's interval is one that may be looked at as often as one likes (`app.policies.intervals`), of one mean a
    prompt. An error that falls as 1 / labels falls by (n - LAG) / (n + LAG) of that with the next ones.
    """
    recent = list(brought)
    values = by_prompt(np.array([value for _, value in recent]), np.array([prompt for prompt, _ in recent], np.int64))
    if len(values) < LEAST_PROMPTS or labels < 2 * LAG:
        return None
    found = anytime_interval([float(value) for value in (values + 1) / 2])
    shrink = (labels - LAG) / (labels + LAG)
    return Gain(
        labels=LAG,
        measured=len(recent),
        expected=float(values.mean()) * shrink,
        low=(2 * found.low - 1) * shrink,
        high=(2 * found.high - 1) * shrink,
    )


def better_than_a_coin(losses: Sequence[float]) -> bool:
    """Whether the mean log-loss of predictions is below that of a coin. Ties and adversaries leave it there."""
    return bool(losses) and math.fsum(losses) / len(losses) < math.log(2) - 1e-6
