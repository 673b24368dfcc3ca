"""The replay of bench-worth: its arithmetic by hand, and that a rule that knows the answer is found to save labels."""

import numpy as np
import pytest

from bench.worth_features import Features
from bench.worth_replay import ORDERS, Curve, isotonic, ratio, replay_order, split, until, vectors_of


def test_rising_and_reaching_by_hand() -> None:
    assert isotonic(np.array([1.0, 3.0, 2.0, 4.0])).tolist() == [1.0, 2.5, 2.5, 4.0]
    assert until(np.array([0.0, 1.0, 2.0]), np.array([10.0, 20.0, 30.0]), 1.5) == 25.0
    assert until(np.array([0.0, 1.0]), np.array([10.0, 20.0]), 5.0) == 40.0  # never: as if twice what was spent


def test_a_rule_twice_as_fast_has_the_ratio_of_a_half() -> None:
    grid = np.arange(25.0, 801.0, 25.0)
    chance = [Curve(grid, grid / 1000, 1 - grid / 1000) for _ in range(5)]
    fast = [Curve(grid, grid / 500, 1 - grid / 500) for _ in range(5)]
    for measure in ("accuracy", "loss"):
        found = ratio(chance, fast, measure, 400)
        assert found.ratio == pytest.approx(0.5)
        assert found.low == pytest.approx(found.high)
        assert ratio(chance, chance, measure, 400).ratio == pytest.approx(1.0)


def test_a_replay_holds_prompts_apart_and_asks_nothing_twice() -> None:
    draw = np.random.default_rng(0)
    states = draw.normal(size=(400, 12))
    taste = states @ draw.normal(size=12)
    targets = (taste[::2] > taste[1::2]).astype(float)
    found = Features(states, np.ones(400), np.arange(400) // 4, np.arange(400).reshape(200, 2), targets)
    data = split(found, vectors_of(found, 8), seed=1)
    assert len(data.z) + len(data.test_z) == 200
    assert len(np.unique(data.prompt)) == 70
    for name in ("random", "uncertain", "BALD", "greatest variance"):
        curve = replay_order(data, ORDERS[name], 100, seed=2)
        assert curve.spent.tolist() == [25, 50, 75, 100]
        assert curve.accuracy[-1] > 0.6
