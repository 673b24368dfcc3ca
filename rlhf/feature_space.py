"""From a trunk's states of a response to the few numbers that a live head learns on. numpy alone, no torch.

States of a trunk differ in scale from one direction to the next by orders of magnitude, and a few outliers would rule a
linear head and what it is unsure about. So they are centred, whitened along their main directions, and no vector is
longer than the median one. How long the response is goes beside them, as people and judges care for it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rlhf.live_head import from_bytes, to_bytes

Floats = NDArray[np.float64]

DIRECTIONS = 64  # that are kept at most
SMALLEST_SHARE = 1e-6  # of the greatest variance: directions of less are noise, and whitening would blow it up
FEWEST = 8  # responses from which directions can be learned at all


def usable(states: Floats, lengths: Floats) -> NDArray[np.bool_]:
    """Which rows can be used: (n,). One that holds NaN or an infinity, or has no length, cannot."""
    return np.asarray(np.isfinite(states).all(axis=1) & np.isfinite(lengths) & (lengths >= 0))


def _main_directions(x: Floats) -> tuple[Floats, Floats]:
    """(k,) singular values of x (n, width), the greatest first, and their directions (k, width); k = min(n, width).

    By the smaller of x'x and xx', in a quarter of the time of a decomposition of x. Variances are exact to some
    1e-15 of the greatest, far below the share that is kept.
    """
    wide = len(x) < x.shape[1]
    variances, vectors = np.linalg.eigh(x @ x.T if wide else x.T @ x)
    spread, axes = np.sqrt(np.maximum(variances[::-1], 0.0)), vectors[:, ::-1].T
    if wide:
        axes = axes @ x / np.maximum(spread, np.finfo(float).tiny)[:, None]
    return spread, axes


@dataclass(frozen=True)
class FeatureSpace:
    """centre: (width,); directions: (width, d), each divided by its standard deviation; cap: the longest norm;
    length_mean, length_std: of log(1 + length)."""

    centre: Floats
    directions: Floats
    cap: float
    length_mean: float
    length_std: float

    @property
    def size(self) -> int:
        """Of what comes out: the directions and the length."""
        return int(self.directions.shape[1]) + 1

    @classmethod
    def fit(cls, states: Floats, lengths: Floats, most: int = DIRECTIONS) -> FeatureSpace:
        """From the states (n, width) of responses, all `usable`, and their lengths (n,) in any unit.

        Takes the `most` directions of greatest variance, fewer where there are not as many that vary. Raises ValueError
        for fewer than `FEWEST` responses, or ones that are all the same.
        """
        if len(states) < FEWEST or not usable(states, lengths).all():
            raise ValueError(f"a space of features needs {FEWEST} responses with finite states")
        centre = states.mean(axis=0)
        spread, axes = _main_directions(states - centre)
        if not spread[0] > 0:
            raise ValueError("the states of all responses are the same")
        kept = min(most, int((spread**2 > SMALLEST_SHARE * spread[0] ** 2).sum()), len(states) - 1)
        directions = (axes[:kept] / (spread[:kept, None] / np.sqrt(len(states) - 1))).T
        norms = np.linalg.norm((states - centre) @ directions, axis=1)
        logs = np.log1p(lengths)
        return cls(centre, directions, float(np.median(norms)), float(logs.mean()), float(logs.std()) or 1.0)

    def __call__(self, states: Floats, lengths: Floats) -> Floats:
        """(n, width) and (n,) to (n, size): whitened, no longer than the cap, divided by it so that the longest has the
        norm 1; and the length's logarithm, standardised."""
        found = (states - self.centre) @ self.directions
        norms = np.linalg.norm(found, axis=1, keepdims=True)
        found = found / np.maximum(norms, self.cap) if self.cap > 0 else found
        length = (np.log1p(lengths) - self.length_mean) / self.length_std
        return np.concatenate([found, length[:, None]], axis=1)

    def to_bytes(self) -> bytes:
        """As it is kept."""
        scalars = np.array([self.cap, self.length_mean, self.length_std])
        return to_bytes(centre=self.centre, directions=self.directions, scalars=scalars)

    @classmethod
    def from_bytes(cls, data: bytes) -> FeatureSpace:
        """What `to_bytes` said."""
        kept = from_bytes(data)
        cap, mean, std = map(float, kept["scalars"])
        return cls(kept["centre"], kept["directions"], cap, mean, std)
