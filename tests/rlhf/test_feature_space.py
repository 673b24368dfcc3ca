"""The space of features: white, bounded, and clear about what it cannot use."""

import math

import numpy as np
import pytest

from rlhf.feature_space import FeatureSpace, usable


def states(seed: int = 0, count: int = 200, width: int = 12) -> tuple[np.ndarray, np.ndarray]:
    draw = np.random.default_rng(seed)
    scales = 10.0 ** np.linspace(2, -2, width)
    return draw.normal(size=(count, width)) * scales + 5.0, draw.integers(1, 400, count).astype(float)


def test_two_directions_by_hand():
    """Points on a cross: each axis has the variance 8/7 * its half length^2 / 2; all norms are equal, so each is 1."""
    cross = np.array([[3.0, 0.0], [-3.0, 0.0], [0.0, 1.0], [0.0, -1.0]] * 2)
    space = FeatureSpace.fit(cross, np.full(8, math.e - 1), most=2)
    found = space(cross, np.full(8, math.e - 1))
    assert space.size == 3
    assert np.abs(np.abs(found[:2, 0]) - 1).max() < 1e-12
    assert np.abs(np.abs(found[2:4, 1]) - 1).max() < 1e-12
    assert np.abs(found[:, 2]).max() < 1e-12  # all are of one length


def test_it_is_white_before_the_cap_and_bounded_after():
    rows, lengths = states()
    space = FeatureSpace.fit(rows, lengths, most=8)
    white = (rows - space.centre) @ space.directions
    assert np.abs(np.cov(white.T) - np.eye(8)).max() < 1e-6
    found = space(rows, lengths)
    norms = np.linalg.norm(found[:, :-1], axis=1)
    assert norms.max() == pytest.approx(1.0)
    assert (norms > 1 - 1e-9).mean() == pytest.approx(0.5, abs=0.02)  # the cap is the median
    assert found[:, -1].mean() == pytest.approx(0.0, abs=1e-9)
    outlier = space(rows[:1] * 1e6, lengths[:1])
    assert np.linalg.norm(outlier[:, :-1]) == pytest.approx(1.0)


def test_directions_without_variance_are_left_out():
    rows, lengths = states()
    rows = rows[:, 4:8]
    flat = np.concatenate([rows, np.full((200, 3), 7.0)], axis=1)
    assert FeatureSpace.fit(flat, lengths).size == 5


def test_what_cannot_be_used():
    rows, lengths = states(count=20)
    rows[3, 0], rows[4, 1], lengths[5] = math.nan, math.inf, -1.0
    good = usable(rows, lengths)
    assert np.flatnonzero(~good).tolist() == [3, 4, 5]
    with pytest.raises(ValueError, match="finite"):
        FeatureSpace.fit(rows, lengths)
    FeatureSpace.fit(rows[good], lengths[good])
    with pytest.raises(ValueError, match="needs 8"):
        FeatureSpace.fit(rows[good][:7], lengths[good][:7])
    with pytest.raises(ValueError, match="the same"):
        FeatureSpace.fit(np.ones((10, 3)), np.ones(10))


@pytest.mark.parametrize(("count", "width"), [(200, 12), (20, 60)])
def test_its_directions_are_those_of_the_singular_value_decomposition(count: int, width: int):
    rows, lengths = states(count=count, width=width)
    _, spread, axes = np.linalg.svd(rows - rows.mean(axis=0), full_matrices=False)
    kept = min(8, int((spread**2 > 1e-6 * spread[0] ** 2).sum()))
    direct = axes[:kept].T / (spread[:kept] / math.sqrt(count - 1))
    found = FeatureSpace.fit(rows, lengths, most=8).directions
    assert found.shape == direct.shape
    turned = np.sign((found * direct).sum(axis=0))
    assert np.abs(found * turned - direct).max() < 1e-8 * np.abs(direct).max()
