"""Every term of PPO against numbers worked out by hand (e = exp(1) throughout)."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from rlhf import ppo
from rlhf.advantages import masked_variance, to_unit_variance

MASK = torch.tensor([[True, True, True], [True, True, False]])


def test_kl_estimates_by_hand() -> None:
    log_probs, reference = torch.tensor([-1.0, -2.0]), torch.tensor([-1.5, -1.0])
    # r = (0.5, -1); k2 = (0.125, 0.5); k3 = (e^-0.5 - 0.5, e - 2)
    torch.testing.assert_close(ppo.kl_estimate(log_probs, reference), torch.tensor([0.5, -1.0]))
    torch.testing.assert_close(ppo.kl_estimate(log_probs, reference, "k2"), torch.tensor([0.125, 0.5]))
    torch.testing.assert_close(
        ppo.kl_estimate(log_probs, reference, "k3"), torch.tensor([math.exp(-0.5) - 0.5, math.e - 2])
    )
    with pytest.raises(ValueError, match="choose k1, k2 or k3"):
        ppo.kl_estimate(log_probs, reference, "k4")


@pytest.mark.parametrize("kind", ["k1", "k3"])
def test_kl_estimates_have_the_right_expectation(kind: str) -> None:
    pi, reference = torch.tensor([0.7, 0.2, 0.1]), torch.tensor([0.4, 0.4, 0.2])
    exact = (pi * (pi / reference).log()).sum()
    torch.testing.assert_close((pi * ppo.kl_estimate(pi.log(), reference.log(), kind)).sum(), exact)


@given(st.floats(-200, 200), st.floats(-200, 200))
def test_log_ratio_is_clamped(a: float, b: float) -> None:
    ratio = ppo.log_ratio(torch.tensor(a), torch.tensor(b))
    assert -20 <= ratio.item() <= 20
    assert torch.isfinite(ratio.exp())


def test_what_never_ended_is_paid_by_hand() -> None:
    def paid(scores: list[float], finished: list[bool], **settings: float) -> list[float]:
        return ppo.final_scores(torch.tensor(scores), torch.tensor(finished), **settings).tolist()

    yes, no, nan = True, False, math.nan
    assert paid([-2.0, -2.0], [yes, no]) == [-2.0, -3.0]  # less than what ended, however bad that is
    assert paid([0.5, 3.0, 7.0], [yes, no, yes]) == [0.5, -0.5, 7.0]  # the lowest finished less the penalty
    assert paid([0.5, -4.0], [yes, no], missing_end_penalty=0.25) == [0.5, -4.25]  # or its own, where that is lower
    assert paid([9.0, 3.0, 7.0], [yes, no, yes], clip=5.0) == [5.0, 2.0, 5.0]
    assert paid([-9.0, 3.0], [yes, no], clip=5.0) == [-5.0, -6.0]  # below the clip too
    assert paid([1.0, -2.0], [no, no]) == [0.0, -3.0]  # none ended: nothing to compare with
    assert paid([1.0, nan], [yes, no]) == [1.0, 0.0]
    assert paid([nan, 2.0, 3.0], [yes, yes, no])[1:] == [2.0, 1.0]


responses = st.lists(
    st.tuples(st.floats(width=32, allow_infinity=False), st.booleans(), st.integers(1, 40)), min_size=1, max_size=12
)


@given(responses, st.one_of(st.none(), st.floats(0.01, 1e6)), st.floats(1e-6, 1e6))
def test_what_never_ended_is_always_paid_less(
    batch: list[tuple[float, bool, int]], clip: float | None, penalty: float
) -> None:
    scores, finished, _ = (torch.tensor(column) for column in zip(*batch, strict=True))
    paid = ppo.final_scores(scores, finished, clip=clip, missing_end_penalty=penalty)
    assert torch.equal(
        paid[finished].nan_to_num(), (scores if clip is None else scores.clamp(-clip, clip))[finished].nan_to_num()
    )
    for worst in paid[~finished].tolist():
        assert all(worst < other for other in paid[finished].tolist() if not math.isnan(other))


@given(
    st.lists(st.tuples(st.floats(-50, 50, width=32), st.booleans(), st.integers(1, 200)), min_size=2, max_size=12),
    st.floats(0.05, 10),
)
def test_whitened_rewards_keep_what_never_ended_below(batch: list[tuple[float, bool, int]], penalty: float) -> None:
    scores, finished, lengths = (torch.tensor(column) for column in zip(*batch, strict=True))
    mask = torch.arange(int(lengths.max()))[None] < lengths[:, None]
    paid = ppo.final_scores(scores, finished, missing_end_penalty=penalty)
    rewards = ppo.place_rewards(paid, torch.zeros(mask.shape), mask, beta=0.1)
    if mask.sum() < 2 or masked_variance(rewards, mask) < 1e-6:
        return
    totals = to_unit_variance(rewards, mask).sum(dim=1)
    if finished.any() and not finished.all():
        assert totals[~finished].max() < totals[finished].min()


def test_the_score_lands_on_the_last_real_token() -> None:
    log_ratios = torch.tensor([[0.2, -0.4, 0.6], [1.0, 0.0, 9.0]])
    rewards = ppo.place_rewards(torch.tensor([2.0, -1.0]), log_ratios, MASK, beta=0.5)
    torch.testing.assert_close(rewards, torch.tensor([[-0.1, 0.2, 1.7], [-0.5, -1.0, 0.0]]))


def test_a_whole_response_is_paid_score_minus_beta_kl() -> None:
    torch.manual_seed(0)
    log_ratios, scores = torch.randn(2, 3), torch.tensor([0.3, -2.0])
    rewards = ppo.place_rewards(scores, log_ratios, MASK, beta=0.05)
    paid = scores - 0.05 * (log_ratios * MASK).sum(dim=1)
    torch.testing.assert_close(rewards.sum(dim=1), paid)
    assert ppo.sequence_kl(log_ratios, MASK).item() == pytest.approx((log_ratios * MASK).sum().item() / 2, rel=1e-5)


def test_an_empty_response_is_refused() -> None:
    with pytest.raises(ValueError, match="without any token"):
        ppo.place_rewards(torch.ones(1), torch.zeros(1, 2), torch.zeros(1, 2, dtype=torch.bool), beta=0.1)


def test_policy_loss_by_hand() -> None:
    # ratios (1.5, 1.5, 0.5, 0.5, 1), advantages (+1, -1, +1, -1, 2), clip 0.2:
    #   max(-1.5, -1.2) = -1.2   max(1.5, 1.2) = 1.5   max(-0.5, -0.8) = -0.5   max(0.5, 0.8) = 0.8   -2
    old = torch.full((5,), -3.0)
    new = old + torch.tensor([1.5, 1.5, 0.5, 0.5, 1.0]).log()
    advantages = torch.tensor([1.0, -1.0, 1.0, -1.0, 2.0])
    torch.testing.assert_close(ppo.policy_loss(new, old, advantages), torch.tensor([-1.2, 1.5, -0.5, 0.8, -2.0]))
    torch.testing.assert_close(ppo.ratio_clipped(new, old, advantages), torch.tensor([1.0, 0.0, 0.0, 1.0, 0.0]))


def test_importance_weights_by_hand() -> None:
    sampled = torch.full((4,), -2.0)
    log_probs = sampled + torch.tensor([0.5, 1.0, 1.5, 90.0]).log()
    torch.testing.assert_close(ppo.importance_weights(log_probs, sampled), torch.tensor([0.5, 1.0, 1.5, 2.0]))
    torch.testing.assert_close(ppo.importance_weights(log_probs, sampled, cap=1.0), torch.tensor([0.5, 1.0, 1.0, 1.0]))


def test_policy_gradient_is_cut_where_clipped() -> None:
    old = torch.zeros(2)
    new = torch.tensor([1.5, 1.1]).log().requires_grad_()
    ppo.policy_loss(new, old, torch.ones(2)).sum().backward()
    # d(-A * ratio)/d log pi = -A * ratio inside the clip, 0 outside
    assert new.grad is not None
    torch.testing.assert_close(new.grad, torch.tensor([0.0, -1.1]))


def test_value_loss_by_hand() -> None:
    # old 0, new 1, return 2: errors 1 and (0.2 - 2)² = 3.24 -> 1.62; new 0.1 stays inside: 0.5 * 1.9² = 1.805
    values, old, returns = torch.tensor([1.0, 0.1]), torch.zeros(2), torch.full((2,), 2.0)
    torch.testing.assert_close(ppo.value_loss(values, old, returns), torch.tensor([1.62, 1.805]))
    torch.testing.assert_close(ppo.value_loss(values, old, returns, clip=None), torch.tensor([0.5, 1.805]))
    torch.testing.assert_close(ppo.value_clipped(values, old, returns), torch.tensor([1.0, 0.0]))
    assert not ppo.value_clipped(values, old, returns, clip=None).any()


def test_adaptive_beta_by_hand() -> None:
    # kl twice the target: error cut to 0.2; 0.1 * (1 + 0.2 * 500 / 10000) = 0.101
    assert ppo.adapt_beta(0.1, 12.0, target=6.0, episodes=500) == pytest.approx(0.101)
    # kl 10% below: 0.1 * (1 - 0.1 * 1000 / 10000) = 0.099
    assert ppo.adapt_beta(0.1, 5.4, target=6.0, episodes=1000) == pytest.approx(0.099)
    assert ppo.adapt_beta(0.1, -50.0, target=6.0, episodes=60_000) == 0.0


def test_explained_variance_by_hand() -> None:
    returns = torch.tensor([[1.0, 2.0, 3.0], [2.0, 2.0, 50.0]])
    # returns vary by (1 + 0 + 1 + 0 + 0) / 5 = 0.4; values all 2 explain nothing, values = returns + 1 everything
    assert ppo.explained_variance(torch.full((2, 3), 2.0), returns, MASK).item() == pytest.approx(0.0)
    assert ppo.explained_variance(returns + 1, returns, MASK).item() == pytest.approx(1.0)


def test_first_update_of_trl_on_one_response() -> None:
    """TRL 1.12's formulas on its own conventions, where they mean what ours mean, worked out by hand.

    Two tokens, log pi = log pi_ref (first update: no KL), score 1 at the end, V = (0.5, 0.25), gamma 1,
    lambda 0.95. TRL: delta_1 = 1 - 0.25 = 0.75, delta_0 = 0.25 - 0.5 = -0.25, A_0 = -0.25 + 0.95 * 0.75.
    Whitened over (0.4625, 0.75): mean 0.60625, unbiased variance 0.04132812. Ratio 1: the loss is -mean(A) = 0;
    value loss 0.5 * mean((V - R)²) = 0.5 * (0.4625² + 0.75²) / 2.
    """
    from rlhf.advantages import estimate_advantages, whiten

    mask = torch.ones(1, 2, dtype=torch.bool)
    values, log_probs = torch.tensor([[0.5, 0.25]]), torch.tensor([[-1.0, -2.0]])
    rewards = ppo.place_rewards(torch.ones(1), torch.zeros(1, 2), mask, beta=0.05)
    advantages, returns = estimate_advantages(rewards, values, mask)
    torch.testing.assert_close(advantages, torch.tensor([[0.4625, 0.75]]))
    torch.testing.assert_close(returns, torch.tensor([[0.9625, 1.0]]))
    white = whiten(advantages, mask)
    torch.testing.assert_close(white, torch.tensor([[-0.70710677, 0.70710677]]))
    assert ppo.policy_loss(log_probs, log_probs, white).mean().item() == pytest.approx(0.0, abs=1e-6)
    assert ppo.value_loss(values, values, returns).mean().item() == pytest.approx(0.1941015625)
