import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn.functional import logsigmoid

from rlhf.losses import centring_loss, preference_loss

differences = st.floats(-30, 30)
probabilities = st.floats(0, 1)


def double(value: float) -> torch.Tensor:
    return torch.tensor([value], dtype=torch.float64)


def loss_at(difference: float, preference: float = 1.0, margin: float = 0.0) -> float:
    return float(preference_loss(double(difference), double(0.0), double(preference), double(margin)))


@pytest.mark.parametrize(
    ("difference", "expected"),
    [
        (0.0, 0.6931471805599453),  # ln 2
        (1.0, 0.31326168751822286),  # ln(1 + e^-1)
        (-1.0, 1.3132616875182228),  # ln(1 + e)
        (3.0, 0.04858735157374206),  # ln(1 + e^-3)
    ],
)
def test_a_clear_pair_by_hand(difference: float, expected: float) -> None:
    assert loss_at(difference) == pytest.approx(expected, abs=1e-12)


def test_the_default_is_a_clear_pair_without_margin() -> None:
    scores = torch.tensor([0.3, -2.0]), torch.tensor([0.1, 1.5])
    assert torch.allclose(preference_loss(*scores), -logsigmoid(scores[0] - scores[1]))


@given(st.floats(0.001, 700))
def test_a_right_order_costs_between_0_and_ln_2(difference: float) -> None:
    assert 0 <= loss_at(difference) < math.log(2)


def test_a_wrong_order_costs_its_difference() -> None:
    assert loss_at(-40.0) == pytest.approx(40.0, abs=1e-12)
    assert loss_at(-1000.0) == 1000.0  # and does not overflow


def test_a_tie_by_hand() -> None:
    # -0.5 ln s(1) - 0.5 ln s(-1) = 0.5 (0.313262 + 1.313262)
    assert loss_at(1.0, preference=0.5) == pytest.approx(0.8132616875182228, abs=1e-12)
    assert loss_at(0.0, preference=0.5) == pytest.approx(math.log(2))


def test_a_soft_label_by_hand() -> None:
    # 0.8 * 0.313262 + 0.2 * 1.313262
    assert loss_at(1.0, preference=0.8) == pytest.approx(0.5132616875182228, abs=1e-12)


@given(st.floats(0.01, 0.99))
def test_a_soft_label_costs_least_at_its_own_log_odds(preference: float) -> None:
    best = math.log(preference / (1 - preference))
    assert loss_at(best, preference) <= min(loss_at(best - 0.1, preference), loss_at(best + 0.1, preference))


def test_the_margin_by_hand() -> None:
    assert loss_at(1.0, margin=1.0) == pytest.approx(math.log(2))  # as far ahead as it should be: like a draw
    assert loss_at(2.0, margin=1.0) == pytest.approx(0.31326168751822286, abs=1e-12)


@given(differences, probabilities, st.floats(0, 5))
def test_swapping_the_responses_and_the_label_changes_nothing(d: float, p: float, m: float) -> None:
    assert loss_at(d, p, m) == pytest.approx(loss_at(-d, 1 - p, m), rel=1e-6, abs=1e-6)


@given(differences, probabilities)
def test_the_gradient_is_the_error_of_the_probability(d: float, p: float) -> None:
    score = double(d).requires_grad_()
    preference_loss(score, double(0.0), double(p)).sum().backward()
    assert score.grad is not None
    # torch's softplus is linear beyond 20, where the gradient is off by up to exp(-20) = 2e-9
    assert float(score.grad) == pytest.approx(1 / (1 + math.exp(-d)) - p, abs=3e-9)


def test_centring_is_the_square_of_the_sum() -> None:
    assert centring_loss(torch.tensor([1.0, 2.0]), torch.tensor([2.0, -2.0])).tolist() == [9.0, 0.0]
