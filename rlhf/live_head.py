"""A Bayesian last layer that learns from each preference in well under a millisecond: numpy alone, no torch.

Two responses are compared by the difference z of their features (`rlhf.feature_space`). A weight vector w has the prior
N(0, I / precision), and the first response is the better one with the probability sigmoid(w.z) (Bradley and Terry
1952). The posterior is kept as a normal one, N(mean, covariance): each preference updates it once (`update`, a step of
the extended Kalman filter), and `refit` finds the exact maximum and the Laplace approximation around it (MacKay 1992,
"The evidence framework applied to classification networks"). It knows neither items nor people nor a database.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

PRECISION = 0.3  # of the prior, for features of a norm of about 1
GRADIENT_NORM = 1e-9  # at which a refit is done
MOST_STEPS = 100
SURE_WIDTH = 1.0  # how many standard deviations an optimistic bound lies above the mean


def sigmoid(x: Floats) -> Floats:
    """1 / (1 + e^-x), without overflow."""
    return np.asarray(0.5 * (1.0 + np.tanh(0.5 * x)))


def negative_log_posterior(w: Floats, z: Floats, targets: Floats, weights: Floats, precision: float) -> float:
    """sum_i weights_i * CE(targets_i, sigmoid(z_i.w)) + precision / 2 * |w|^2, up to a constant, in nats.

    w: (size,); z: (n, size); targets: (n,), the probability that the first is better; weights: (n,), from 0 on.
    """
    logits = z @ w
    return float(weights @ (np.logaddexp(0.0, logits) - targets * logits) + 0.5 * precision * (w @ w))


def gradient(w: Floats, z: Floats, targets: Floats, weights: Floats, precision: float) -> Floats:
    """Of `negative_log_posterior` by w, (size,)."""
    return np.asarray((weights * (sigmoid(z @ w) - targets)) @ z + precision * w)


def hessian(w: Floats, z: Floats, weights: Floats, precision: float) -> Floats:
    """Of `negative_log_posterior` by w, (size, size)."""
    s = sigmoid(z @ w)
    scaled = z * np.sqrt(weights * s * (1.0 - s))[:, None]
    return np.asarray(scaled.T @ scaled + precision * np.eye(len(w)))  # of a matrix by itself BLAS makes one half


@dataclass(frozen=True)
class Refit:
    """How a refit went. `moved`: how far the mean was from the exact one before, |online - exact| / |exact|, from the
    prior's mean (zero) on."""

    steps: int
    gradient_norm: float
    moved: float


class LiveHead:
    """mean: (size,); covariance: (size, size), symmetric. Begins as the prior."""

    def __init__(self, size: int, precision: float = PRECISION) -> None:
        if size < 1 or not precision > 0:
            raise ValueError("a head has at least one weight, and a prior of a precision above 0")
        self.precision = precision
        self.mean: Floats = np.zeros(size)
        self.covariance: Floats = np.eye(size) / precision

    @property
    def size(self) -> int:
        return len(self.mean)

    def update(self, z: Floats, target: float, weight: float = 1.0) -> None:
        """Learn from one preference: z (size,), target in 0..1, weight from 0 on. Raises ValueError for what is none.

        With s = sigmoid(w.z) and k = weight s (1 - s): S <- S - k (Sz)(Sz)' / (1 + k z.Sz), which is the inverse of
        S^-1 + k zz' (Sherman and Morrison 1950), and w <- w + weight (target - s) S z.
        """
        if not (np.isfinite(z).all() and 0.0 <= target <= 1.0 and 0.0 <= weight < math.inf):
            raise ValueError("a preference has finite features, a target in 0..1 and a weight from 0 on")
        s = float(sigmoid(self.mean @ z))
        curvature = weight * s * (1.0 - s)
        along = self.covariance @ z
        self.covariance -= (curvature / (1.0 + curvature * float(z @ along))) * np.outer(along, along)
        self.mean += weight * (target - s) * (self.covariance @ z)

    def refit(self, z: Floats, targets: Floats, weights: Floats) -> Refit:
        """The exact posterior mode of these preferences, by Newton steps that are halved until they improve; the
        covariance is the inverse of the Hessian there. What was learned before only shortens the way."""
        if not (np.isfinite(z).all() and np.isfinite(targets).all() and np.isfinite(weights).all()):
            raise ValueError("features, targets and weights must be finite")
        w, steps = self.mean.copy(), 0
        slope = gradient(w, z, targets, weights, self.precision)
        while (norm := float(np.linalg.norm(slope))) > GRADIENT_NORM and steps < MOST_STEPS:
            step = np.asarray(np.linalg.solve(hessian(w, z, weights, self.precision), slope), dtype=np.float64)
            w = self._damped(w, step, slope, z, targets, weights)
            slope = gradient(w, z, targets, weights, self.precision)
            steps += 1
        moved = float(np.linalg.norm(w - self.mean)) / max(float(np.linalg.norm(w)), 1e-12)
        inverse = np.linalg.inv(hessian(w, z, weights, self.precision))
        self.mean, self.covariance = w, (inverse + inverse.T) / 2
        return Refit(steps, norm, moved)

    def _damped(self, w: Floats, step: Floats, slope: Floats, z: Floats, targets: Floats, weights: Floats) -> Floats:
        """Armijo's rule, with room for rounding near the minimum."""
        before = negative_log_posterior(w, z, targets, weights, self.precision)
        length, room = 1.0, 1e-12 * (1.0 + abs(before))
        expected = float(slope @ step)
        while length > 1e-10:
            after = negative_log_posterior(w - length * step, z, targets, weights, self.precision)
            if after <= before - 1e-4 * length * expected + room:
                break
            length /= 2
        return np.asarray(w - length * step)

    def to_bytes(self) -> bytes:
        """What it knows."""
        return to_bytes(mean=self.mean, covariance=self.covariance)

    @classmethod
    def from_bytes(cls, data: bytes, precision: float = PRECISION) -> LiveHead:
        """A head that knows what `to_bytes` said, to four bytes a number."""
        known = from_bytes(data)
        head = cls(len(known["mean"]), precision)
        head.mean, head.covariance = known["mean"], known["covariance"]
        return head

    def scores(self, features: Floats) -> Floats:
        """The mean's scores of responses: features (..., size) to (...)."""
        return np.asarray(features @ self.mean)

    def variances(self, z: Floats) -> Floats:
        """Of the scores' differences, z.Sz: z (..., size) to (...)."""
        return np.asarray(np.einsum("...i,...i->...", z @ self.covariance, z))

    def probabilities(self, z: Floats) -> Floats:
        """That the first is the better one, averaged over the posterior as MacKay (1992) approximates it: the logit is
        divided by sqrt(1 + pi/8 z.Sz). z (..., size) to (...)."""
        return sigmoid(self.scores(z) / np.sqrt(1.0 + math.pi / 8.0 * self.variances(z)))

    def widest_gap(
        self, features: Floats, pairs: Sequence[tuple[int, int]] | None = None, width: float = SURE_WIDTH
    ) -> tuple[int, int]:
        """Which two of several responses to show, of all pairs or of these: (better, worse), the pair whose gap may be
        the greatest.

        That of the greatest w.z + width * sqrt(z.Sz), as DeltaUCB picks them ("ActiveUltraFeedback", 2603.09692), with
        the bound taken of the difference itself, in which what both share cancels. features: (responses, size), two at
        least. Of equals the first.
        """
        either = [*combinations(range(len(features)), 2)] if pairs is None else pairs
        both = [pair for a, b in either for pair in ((a, b), (b, a))]
        if not both:
            raise ValueError("two responses are needed to show two")
        z = np.stack([features[a] - features[b] for a, b in both])
        return both[int(np.argmax(self.scores(z) + width * np.sqrt(self.variances(z))))]


def unsureness(scores: Sequence[float]) -> float:
    """How near to a coin's the preferences among responses of these scores are: minus the mean gap of each two, so that
    more is less sure. Two scores at least."""
    if len(scores) == 2:
        return -abs(scores[0] - scores[1])
    gaps = [abs(one - other) for one, other in combinations(scores, 2)]
    return -math.fsum(gaps) / len(gaps)


def to_bytes(**arrays: Floats) -> bytes:
    """Arrays by name, as numpy keeps them, in float32."""
    file = BytesIO()
    np.savez(file, **{name: np.asarray(each, dtype=np.float32) for name, each in arrays.items()})  # type: ignore[arg-type]
    return file.getvalue()


def from_bytes(data: bytes) -> dict[str, Floats]:
    """What `to_bytes` made. Nothing pickled is read."""
    with np.load(BytesIO(data), allow_pickle=False) as found:
        return {name: found[name].astype(np.float64) for name in found.files}


def log_losses(probabilities: Floats, targets: Floats) -> Floats:
    """-[t log p + (1 - t) log(1 - p)], each in nats."""
    p = np.clip(probabilities, 1e-12, 1.0 - 1e-12)
    return np.asarray(-(targets * np.log(p) + (1.0 - targets) * np.log1p(-p)))


def right(probabilities: Floats, targets: Floats) -> Floats:
    """1 where the likelier one is the preferred one, 0 where it is not, 1/2 where either says nothing."""
    return np.asarray(0.5 + 0.5 * np.sign(probabilities - 0.5) * np.sign(targets - 0.5))
