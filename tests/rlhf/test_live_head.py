"""The live head: worked out by hand, against autograd and the direct inverse, and what order does not change."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rlhf.live_head import (
    LiveHead,
    gradient,
    hessian,
    log_losses,
    negative_log_posterior,
    right,
    sigmoid,
    unsureness,
)


def some(seed: int, count: int, size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Preferences by a taste: (z, targets, weights), ties and fractions among them."""
    draw = np.random.default_rng(seed)
    z = draw.normal(size=(count, size))
    targets = (draw.random(count) < sigmoid(z @ draw.normal(size=size))).astype(float)
    targets[::7], targets[::11] = 0.5, 0.8
    return z, targets, draw.uniform(0.2, 2.0, count)


def test_one_preference_by_hand():
    """z = 2, precision 4: S = 1/4, s = 1/2, k = 1/4. S <- 1/4 - (1/4)(1/2)^2 / (1 + 1/4) = 1/5, w <- 1/2 * 1/5 * 2."""
    head = LiveHead(1, precision=4.0)
    head.update(np.array([2.0]), 1.0)
    assert head.covariance[0, 0] == pytest.approx(0.2, abs=1e-15)
    assert head.mean[0] == pytest.approx(0.2, abs=1e-15)
    assert head.probabilities(np.array([[2.0]]))[0] == pytest.approx(
        1 / (1 + math.exp(-0.4 / math.sqrt(1 + math.pi / 8 * 0.8))), abs=1e-15
    )


def test_weight_and_tie_by_hand():
    """A tie moves nothing and makes surer. Half a weight: k = 1/8, S = 1 - (1/8) / (1 + 1/8) = 8/9, w = 1/4 * 8/9."""
    tied = LiveHead(1, precision=1.0)
    tied.update(np.array([1.0]), 0.5)
    assert (tied.mean[0], tied.covariance[0, 0]) == (0.0, pytest.approx(0.8, abs=1e-15))
    half = LiveHead(1, precision=1.0)
    half.update(np.array([1.0]), 1.0, weight=0.5)
    assert half.covariance[0, 0] == pytest.approx(8 / 9, abs=1e-15)
    assert half.mean[0] == pytest.approx(2 / 9, abs=1e-15)
    nothing = LiveHead(1, precision=1.0)
    nothing.update(np.array([1.0]), 1.0, weight=0.0)
    assert (nothing.mean[0], nothing.covariance[0, 0]) == (0.0, 1.0)


def test_covariance_is_the_direct_inverse():
    """After 500 updates S is (precision I + sum k zz')^-1, each k taken where its update was."""
    z, targets, weights = some(1, 500, 24)
    head = LiveHead(24, precision=0.5)
    direct = 0.5 * np.eye(24)
    for row, target, weight in zip(z, targets, weights, strict=True):
        s = float(sigmoid(head.mean @ row))
        direct += weight * s * (1 - s) * np.outer(row, row)
        head.update(row, target, weight)
    assert np.abs(head.covariance - np.linalg.inv(direct)).max() < 1e-8
    assert np.array_equal(head.covariance, head.covariance.T)


def test_gradient_and_hessian_are_autograds():
    z, targets, weights = some(2, 60, 9)
    w = np.random.default_rng(3).normal(size=9)

    def objective(at: torch.Tensor) -> torch.Tensor:
        given, said, count = map(torch.tensor, (z, targets, weights))
        losses = torch.nn.functional.binary_cross_entropy_with_logits(given @ at, said, reduction="none")
        return (count * losses).sum() + 0.35 * (at @ at)

    at = torch.tensor(w, requires_grad=True)
    value = objective(at)
    value.backward()
    assert negative_log_posterior(w, z, targets, weights, 0.7) == pytest.approx(value.item(), rel=1e-12)
    assert np.abs(gradient(w, z, targets, weights, 0.7) - at.grad.numpy()).max() < 1e-10
    exact = torch.autograd.functional.hessian(objective, torch.tensor(w)).numpy()
    assert np.abs(hessian(w, z, weights, 0.7) - exact).max() < 1e-10


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**31), st.integers(1, 120), st.integers(1, 20), st.floats(0.01, 100), st.floats(0.01, 30))
def test_a_refit_is_exact_and_knows_no_order(seed: int, count: int, size: int, precision: float, scale: float):
    z, targets, weights = some(seed, count, size)
    z = scale * z
    one, other = LiveHead(size, precision), LiveHead(size, precision)
    for place in range(count):
        one.update(z[place], float(targets[place]), float(weights[place]))
    told = one.refit(z, targets, weights)
    assert told.gradient_norm < 1e-8
    assert np.linalg.norm(gradient(one.mean, z, targets, weights, precision)) < 1e-8
    shuffled = np.random.default_rng(seed).permutation(count)
    other.refit(z[shuffled], targets[shuffled], weights[shuffled])
    assert np.abs(one.mean - other.mean).max() < 1e-6
    assert np.abs(one.covariance - other.covariance).max() < 1e-6
    assert other.refit(z, targets, weights).moved < 1e-6


def test_the_distance_from_online_to_exact_is_told():
    z, targets, weights = some(5, 200, 12)
    head = LiveHead(12)
    for place in range(200):
        head.update(z[place], float(targets[place]), float(weights[place]))
    before = head.mean.copy()
    told = head.refit(z, targets, weights)
    assert told.moved == pytest.approx(np.linalg.norm(before - head.mean) / np.linalg.norm(head.mean))
    assert 0 < told.moved < 0.5  # online is near


def test_separable_labels_have_an_exact_fit_too():
    """A thousand equal labels and an adversary's thousand: the prior bounds the first, and the second cancel out."""
    z = np.tile([[1.0, 0.0], [0.0, 1.0]], (1000, 1))
    head = LiveHead(2, precision=1.0)
    assert head.refit(z, np.ones(2000), np.ones(2000)).gradient_norm < 1e-8
    assert head.mean[0] == pytest.approx(head.mean[1])
    assert float(1000 * (1 - sigmoid(head.mean[:1])[0])) == pytest.approx(head.mean[0], abs=1e-8)
    against = LiveHead(2)
    against.refit(np.concatenate([z, z]), np.repeat([1.0, 0.0], 2000), np.ones(4000))
    assert np.abs(against.mean).max() < 1e-12


def test_all_ties_leave_a_coin():
    z, _, weights = some(8, 50, 4)
    head = LiveHead(4)
    head.refit(z, np.full(50, 0.5), weights)
    assert np.abs(head.mean).max() < 1e-12
    assert head.probabilities(z) == pytest.approx(np.full(50, 0.5))


@pytest.mark.parametrize(
    ("z", "target", "weight"),
    [([math.nan, 0.0], 1.0, 1.0), ([math.inf, 0.0], 1.0, 1.0), ([1.0, 0.0], 1.5, 1.0), ([1.0, 0.0], 1.0, -1.0)],
)
def test_what_is_no_preference_is_refused_and_changes_nothing(z: list[float], target: float, weight: float):
    head = LiveHead(2, precision=1.0)
    with pytest.raises(ValueError, match="a preference has"):
        head.update(np.array(z), target, weight)
    assert not head.mean.any()
    assert np.array_equal(head.covariance, np.eye(2))
    with pytest.raises(ValueError, match="finite"):
        head.refit(np.array([z]), np.array([target + math.nan]), np.ones(1))


def test_which_two_may_differ_most():
    """Before any label the two that lie farthest apart; afterwards the better of them is named first."""
    features = np.array([[0.0, 0.0], [1.0, 0.0], [-2.0, 0.0], [0.0, 0.5]])
    head = LiveHead(2)
    assert set(head.widest_gap(features)) == {1, 2}
    for _ in range(20):
        head.update(np.array([1.0, 0.0]), 0.0)
    assert head.widest_gap(features) == (2, 1)
    assert head.widest_gap(features, [(0, 3), (1, 0)]) == (0, 1)
    with pytest.raises(ValueError, match="two responses"):
        head.widest_gap(features[:1])


def test_unsure_is_near_a_coin():
    assert unsureness([0.0, 0.5]) == pytest.approx(-0.5)
    assert unsureness([0.0, 1.0, 3.0]) == pytest.approx(-2.0)  # gaps of 1, 2 and 3


def test_losses_and_right_by_hand():
    assert log_losses(np.array([0.5, 0.25]), np.array([1.0, 0.5])) == pytest.approx(
        [math.log(2), -0.5 * math.log(0.25) - 0.5 * math.log(0.75)]
    )
    assert right(np.array([0.7, 0.7, 0.5, 0.7]), np.array([1.0, 0.0, 1.0, 0.5])).tolist() == [1.0, 0.0, 0.5, 0.5]
