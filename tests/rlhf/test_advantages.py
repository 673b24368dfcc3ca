"""Advantages, returns and whitening against numbers worked out by hand."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from rlhf.advantages import estimate_advantages, masked_mean, masked_variance, to_unit_variance, whiten

MASK = torch.tensor([[True, True, True], [True, False, False]])


def test_masked_mean_and_variance_ignore_padding() -> None:
    values = torch.tensor([[1.0, 2.0, 3.0], [6.0, 99.0, float("nan")]])
    # (1 + 2 + 3 + 6) / 4 = 3; (4 + 1 + 0 + 9) / 3 = 14/3
    assert masked_mean(values, MASK).item() == pytest.approx(3.0)
    assert masked_variance(values, MASK).item() == pytest.approx(14 / 3)


def test_means_of_nothing_are_refused() -> None:
    nothing = torch.zeros(1, 2, dtype=torch.bool)
    with pytest.raises(ValueError, match="no tokens"):
        masked_mean(torch.ones(1, 2), nothing)
    with pytest.raises(ValueError, match="two real tokens"):
        masked_variance(torch.ones(1, 2), torch.tensor([[True, False]]))


def test_advantages_by_hand() -> None:
    # gamma 1, lambda 0.5. Row 1: r = (0.1, -0.2, 1), V = (0.5, 0.4, 0.3)
    #   delta_2 = 1 - 0.3 = 0.7                      A_2 = 0.7
    #   delta_1 = -0.2 + 0.3 - 0.4 = -0.3            A_1 = -0.3 + 0.5 * 0.7 = 0.05
    #   delta_0 = 0.1 + 0.4 - 0.5 = 0                A_0 = 0 + 0.5 * 0.05 = 0.025
    # Row 2 ends after one token: A = 2 - 0.5 = 1.5, whatever stands in the padding.
    rewards = torch.tensor([[0.1, -0.2, 1.0], [2.0, 7.0, 7.0]])
    values = torch.tensor([[0.5, 0.4, 0.3], [0.5, 9.0, 9.0]])
    advantages, returns = estimate_advantages(rewards, values, MASK, gamma=1.0, lam=0.5)
    torch.testing.assert_close(advantages, torch.tensor([[0.025, 0.05, 0.7], [1.5, 0.0, 0.0]]))
    torch.testing.assert_close(returns, torch.tensor([[0.525, 0.45, 1.0], [2.0, 0.0, 0.0]]))


def test_discount_by_hand() -> None:
    # gamma 0.9, lambda 0: A_t = r_t + 0.9 V_{t+1} - V_t -> (0 + 0.9 * 2 - 1, 3 - 2)
    advantages, _ = estimate_advantages(
        torch.tensor([[0.0, 3.0]]), torch.tensor([[1.0, 2.0]]), torch.ones(1, 2, dtype=torch.bool), gamma=0.9, lam=0
    )
    torch.testing.assert_close(advantages, torch.tensor([[0.8, 1.0]]))


@given(st.lists(st.floats(-3, 3), min_size=1, max_size=8), st.integers(0, 4))
def test_with_lambda_one_returns_are_the_rewards_to_come(rewards: list[float], padding: int) -> None:
    length = len(rewards) + padding
    mask = torch.arange(length)[None] < len(rewards)
    padded = torch.tensor([rewards + [5.0] * padding], dtype=torch.float64)
    values = torch.linspace(-1, 1, length, dtype=torch.float64)[None]
    _, returns = estimate_advantages(padded, values, mask, gamma=1.0, lam=1.0)
    for t in range(len(rewards)):
        assert returns[0, t].item() == pytest.approx(sum(rewards[t:]), abs=1e-9)
    assert not returns[0, len(rewards) :].any()


def test_whitening_by_hand_and_scaling_without_moving_what_is_0() -> None:
    values = torch.tensor([[1.0, 2.0, 3.0], [6.0, 50.0, 50.0]])
    spread = (14 / 3) ** 0.5
    expected = torch.tensor([[-2.0, -1.0, 0.0], [3.0, 0.0, 0.0]]) / spread
    torch.testing.assert_close(whiten(values, MASK), expected)
    scaled = torch.tensor([[1.0, 2.0, 3.0], [6.0, 0.0, 0.0]]) / spread
    torch.testing.assert_close(to_unit_variance(values, MASK), scaled)
