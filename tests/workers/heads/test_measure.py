"""Figures of what labels are worth: by hand, and by simulation where chance decides."""

import math

import numpy as np
import pytest

from rlhf.live_head import sigmoid
from workers.heads import measure
from workers.heads.measure import Preferences


def preferences(count: int, seed: int, noise: float = 0.0, size: int = 5) -> Preferences:
    draw = np.random.default_rng(seed)
    z = draw.normal(size=(count, size))
    targets = (draw.random(count) < sigmoid(z @ np.linspace(-2, 2, size))).astype(float)
    flipped = draw.random(count) < noise
    return Preferences(z, np.where(flipped, 1 - targets, targets), np.ones(count), np.arange(count))


def test_a_prompt_counts_once_by_hand() -> None:
    found = measure.by_prompt(np.array([1.0, 0.0, 0.0, 1.0]), np.array([7, 3, 3, 7]))
    assert found.tolist() == [1.0, 0.0]


def test_a_curve_by_hand() -> None:
    """Ten prompts, one direction; of the head (2) seven are said right. Student's t at 9 degrees is 2.262."""
    measuring = Preferences(np.ones((10, 1)), np.array([1.0] * 7 + [0.0] * 3), np.ones(10), np.arange(10))
    (point,) = measure.curve([(25, np.array([2.0]))], measuring)
    assert point.accuracy == pytest.approx(0.7)
    assert point.loss == pytest.approx(-0.7 * math.log(1 / (1 + math.exp(-2))) - 0.3 * math.log(1 / (1 + math.exp(2))))
    half = 2.262 * math.sqrt(0.7 * 0.3 * 10 / 9 / 10)
    assert point.low == pytest.approx(0.7 - half, abs=2e-3)
    assert point.high == 1.0
    assert measure.curve([(25, np.array([2.0]))], measuring.take(slice(9))) == []


def test_better_labels_are_found_to_be_better_and_equal_ones_are_not() -> None:
    measuring = preferences(200, 1)
    found = measure.compare(preferences(200, 2), preferences(200, 3, noise=0.4), measuring, 1.0)
    assert found is not None
    assert found.labels == 200
    assert 0 < found.low < found.accuracy < found.high
    assert found.loss_high < 0
    assert measure.compare(preferences(24, 2), preferences(200, 3), measuring, 1.0) is None
    assert measure.compare(preferences(50, 2), preferences(50, 3), measuring.take(slice(9)), 1.0) is None


def test_the_interval_of_a_comparison_covers_no_difference() -> None:
    """Labels of one kind on both sides: of 60 intervals at 95% some 3 leave zero out, and more than 8 hardly ever."""
    missed = 0
    for seed in range(60):
        one, other = preferences(60, 1000 + seed), preferences(60, 2000 + seed)
        found = measure.compare(one, other, preferences(60, 3000 + seed), 1.0)
        assert found is not None
        missed += not found.low <= 0 <= found.high
    assert missed <= 8


def test_a_gain_by_hand() -> None:
    """The last labels brought nothing in 90 of 100 and a right one in 10: 0.1, which shrinks by (400 - 100) / 500."""
    brought = [(prompt, 1.0 if prompt % 10 == 0 else 0.0) for prompt in range(100)]
    found = measure.gain(brought, 400)
    assert found is not None
    assert (found.labels, found.measured) == (100, 100)
    assert found.expected == pytest.approx(0.1 * 0.6)
    assert found.low < found.expected < found.high
    assert measure.gain(brought, 199) is None
    assert measure.gain(brought[:9], 400) is None


def test_a_coin_is_a_coin() -> None:
    assert not measure.better_than_a_coin([])
    assert not measure.better_than_a_coin([math.log(2)] * 50)
    assert measure.better_than_a_coin([0.6, 0.7])
