"""PPO term by term: pure tensor functions, one for each line of the algorithm.

The token-wise functions work on any shape: the trainer hands them the real tokens of a minibatch in
one flat row, so that no mean can include padding. Knows nothing of models or tokenizers.

Sources: Schulman et al. 2017 (PPO), Ziegler et al. 2019 (penalty by KL, adaptive coefficient),
Huang et al. 2024, "The N+ implementation details of RLHF with PPO" (end token, whitening, clips).
"""

import torch
from torch import Tensor

from rlhf.advantages import masked_mean


def log_ratio(log_probs: Tensor, other: Tensor, *, bound: float = 20.0) -> Tensor:
    """`log_probs - other` clamped to ±bound, so that no ratio overflows. Shape kept; nats."""
    return (log_probs - other).clamp(-bound, bound)


def kl_estimate(log_probs: Tensor, reference: Tensor, kind: str = "k1") -> Tensor:
    """Token-wise estimates of KL(pi || reference) on tokens sampled from pi (Schulman 2020). Nats.

    k1 = r: without bias, may be negative; k2 = r²/2: biased, never negative; k3 = exp(-r) - 1 + r:
    without bias and never negative. r = log pi - log reference, clamped to ±20.
    """
    r = log_ratio(log_probs, reference)
    if kind == "k1":
        return r
    if kind == "k2":
        return r.square() / 2
    if kind == "k3":
        return torch.exp(-r) - 1 + r
    raise ValueError(f"unknown KL estimate {kind!r}: choose k1, k2 or k3")


def final_scores(
    scores: Tensor, finished: Tensor, *, clip: float | None = None, missing_end_penalty: float = 1.0
) -> Tensor:
    """What each response is paid, (batch,): its score clipped to ±clip, and less than any finished one's if unfinished.

    `finished` is True for a response that ends with an end token. One without is paid min(its own score, the lowest
    finished score of the batch) - `missing_end_penalty`; in a batch in which none ended, its own score less the
    penalty. A score that is NaN lowers nothing: an unfinished response without a score of its own gets the least.
    """
    if clip is not None:
        scores = scores.clamp(-clip, clip)
    known = scores[finished & ~scores.isnan()]
    least = torch.fmin(scores, known.min() if len(known) else scores.new_tensor(torch.nan))
    below = torch.nextafter(least, torch.full_like(least, -torch.inf))  # where a large score swallows the penalty
    return torch.where(finished, scores, torch.minimum(least - missing_end_penalty, below))


def place_rewards(scores: Tensor, log_ratios: Tensor, mask: Tensor, *, beta: float) -> Tensor:
    """Rewards of every token, (batch, length): -beta * log ratio, and the score at the last real token.

    `scores` (batch,), `log_ratios` = log pi - log pi_ref and `mask` (batch, length). The last real
    token is the end token where the response has one; every response has at least one token.
    """
    rewards = torch.where(mask, -beta * log_ratios, 0)
    last = mask.sum(dim=1) - 1
    if bool((last < 0).any()):
        raise ValueError("a response without any token cannot be rewarded")
    rows = torch.arange(len(scores), device=scores.device)
    rewards[rows, last] += scores
    return rewards


def policy_loss(log_probs: Tensor, old_log_probs: Tensor, advantages: Tensor, *, clip: float = 0.2) -> Tensor:
    """Token-wise clipped surrogate, negated for descent (Schulman et al. 2017, eq. 7). Shape kept."""
    ratio = torch.exp(log_ratio(log_probs, old_log_probs))
    return torch.maximum(-advantages * ratio, -advantages * ratio.clamp(1 - clip, 1 + clip))


def importance_weights(log_probs: Tensor, sampled: Tensor, *, cap: float = 2.0) -> Tensor:
    """min(pi / pi_sampler, cap) token by token: truncated importance sampling (Yao et al. 2025).

    `log_probs` are the trained model's when the tokens were sampled, `sampled` those the sampler drew them by. Shape
    kept. Where both are one policy the weights are 1.
    """
    return torch.exp(log_ratio(log_probs, sampled)).clamp(max=cap)


def value_loss(values: Tensor, old_values: Tensor, returns: Tensor, *, clip: float | None = 0.2) -> Tensor:
    """Token-wise 0.5 * max of the squared error and of that of values kept within old ± clip."""
    error = (values - returns).square()
    if clip is None:
        return 0.5 * error
    clipped = old_values + (values - old_values).clamp(-clip, clip)
    return 0.5 * torch.maximum(error, (clipped - returns).square())


def ratio_clipped(log_probs: Tensor, old_log_probs: Tensor, advantages: Tensor, *, clip: float = 0.2) -> Tensor:
    """1.0 for tokens whose gradient the clip has cut, else 0.0: the stuff of `policy/clipfrac_avg`."""
    ratio = torch.exp(log_ratio(log_probs, old_log_probs))
    return (-advantages * ratio.clamp(1 - clip, 1 + clip) > -advantages * ratio).float()


def value_clipped(values: Tensor, old_values: Tensor, returns: Tensor, *, clip: float | None = 0.2) -> Tensor:
    """1.0 for tokens whose value error the clip has replaced, else 0.0."""
    if clip is None:
        return torch.zeros_like(values)
    clipped = old_values + (values - old_values).clamp(-clip, clip)
    return ((clipped - returns).square() > (values - returns).square()).float()


def sequence_kl(log_ratios: Tensor, mask: Tensor) -> Tensor:
    """KL to the reference per response, in nats: the sum over its tokens, mean over the batch; a scalar."""
    return torch.where(mask, log_ratios, 0).sum(dim=1).mean()


def adapt_beta(beta: float, kl: float, *, target: float, episodes: int, horizon: int = 10_000) -> float:
    """The next beta of an adaptive controller (Ziegler et al. 2019, sec. 2.2).

    `kl`: nats per response in the update of `episodes` responses. The relative error is cut to ±0.2, so
    beta changes by at most 20% in `horizon` episodes; it never becomes negative.
    """
    error = min(max(kl / target - 1, -0.2), 0.2)
    return beta * max(1 + error * episodes / horizon, 0.0)


def explained_variance(values: Tensor, returns: Tensor, mask: Tensor) -> Tensor:
    """1 - Var(returns - values) / Var(returns) over real tokens; 1 is a perfect value model, a scalar."""
    mean = masked_mean(returns, mask)
    total = masked_mean((returns - mean).square(), mask)
    error = returns - values
    rest = masked_mean((error - masked_mean(error, mask)).square(), mask)
    return 1 - rest / total.clamp_min(1e-12)
