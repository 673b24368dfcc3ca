"""Returns and advantages for PPO: pure tensor functions over padded responses.

Responses are right-padded to a common length: `mask` is True on real response tokens. Padding never
takes part in a mean, a variance or a sum. Knows nothing of models, tokenizers or settings.
"""

import torch
from torch import Tensor


def masked_mean(values: Tensor, mask: Tensor) -> Tensor:
    """Mean of `values` where `mask` is True, a scalar; same shapes. Refuses an empty mask."""
    count = mask.sum()
    if int(count) == 0:
        raise ValueError("the mean of no tokens is undefined: the mask selects nothing")
    return torch.where(mask, values, 0).sum() / count


def masked_variance(values: Tensor, mask: Tensor) -> Tensor:
    """Unbiased variance of `values` where `mask` is True, a scalar; needs two tokens or more."""
    count = mask.sum()
    if int(count) < 2:
        raise ValueError("the variance needs at least two real tokens")
    centred = torch.where(mask, values - masked_mean(values, mask), 0)
    return centred.square().sum() / (count - 1)


def whiten(values: Tensor, mask: Tensor) -> Tensor:
    """Scale real tokens to mean 0 and variance 1; padding becomes 0. (batch, length) -> (batch, length)."""
    return to_unit_variance(values - masked_mean(values, mask), mask)


def to_unit_variance(values: Tensor, mask: Tensor, *, epsilon: float = 1e-8) -> Tensor:
    """Scale real tokens to variance 1; padding becomes 0. (batch, length) -> (batch, length).

    Rewards are scaled so: what is 0 stays 0, and sums keep their order. Scaling them around their mean, as
    is sometimes done, pays something for every token, and the longest response, the unfinished one, is paid most.
    """
    return torch.where(mask, values * torch.rsqrt(masked_variance(values, mask) + epsilon), 0)


def estimate_advantages(
    rewards: Tensor, values: Tensor, mask: Tensor, *, gamma: float = 1.0, lam: float = 0.95
) -> tuple[Tensor, Tensor]:
    """Generalised advantage estimation (Schulman et al. 2016, eq. 16) over right-padded responses.

    `rewards`, `values`, `mask`: (batch, length); `values[:, t]` is the value of the state in
    which token t was sampled. The response ends with its last real token: nothing is worth anything after
    it. Returns `(advantages, returns)`, both 0 on padding, with returns = advantages + values, taken
    before any whitening.
    """
    advantages = torch.zeros_like(values)
    following_value = torch.zeros_like(values[:, 0])
    following_advantage = torch.zeros_like(values[:, 0])
    for t in reversed(range(values.shape[1])):
        delta = rewards[:, t] + gamma * following_value - values[:, t]
        real = mask[:, t]
        following_advantage = torch.where(real, delta + gamma * lam * following_advantage, 0)
        following_value = torch.where(real, values[:, t], 0)
        advantages[:, t] = following_advantage
    return advantages, torch.where(mask, advantages + values, 0)
