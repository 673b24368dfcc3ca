"""Losses as pure tensor functions. They know scores and log-probabilities, not how those come about."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import softplus


def preference_loss(
    chosen: Tensor, rejected: Tensor, preference: Tensor | None = None, margin: Tensor | None = None
) -> Tensor:
    """Negative log-likelihood of each pair under Bradley and Terry (1952), with soft targets; no mean is taken.

    With d = chosen - rejected, p = preference, m = margin and s the logistic function,
    loss = -[p log s(d - m) + (1 - p) log s(-d - m)]. For p = 1, m = 0 this is -log s(d) (Ouyang et al. 2022,
    eq. 1; the margin as in Touvron et al. 2023, eq. 2): ln 2 at d = 0, towards 0 above it, towards -d below it.

    chosen, rejected: scores of any shape. preference: probability that `chosen` is better, in 0..1 (default 1; a
    tie is 0.5), margin: not negative (default 0); both broadcast. Returns the scores' shape, in nats.
    """
    difference = chosen - rejected
    p = torch.ones_like(difference) if preference is None else preference
    m = torch.zeros_like(difference) if margin is None else margin
    return p * softplus(m - difference) + (1 - p) * softplus(m + difference)


def centring_loss(chosen: Tensor, rejected: Tensor) -> Tensor:
    """(chosen + rejected)^2, elementwise: pulls the mean score to 0, which the preference loss leaves open.

    Eisenstein et al. 2023, "Helping or Herding?", eq. 2; used with a coefficient of about 0.01.
    """
    return (chosen + rejected).square()


def likelihood_loss(log_probs: Tensor, tokens: int) -> Tensor:
    """The tokens' share of a batch's mean negative log-likelihood: -sum(log_probs) / tokens, a scalar in nats.

    log_probs: natural log-probabilities of some of the batch's tokens, any shape; tokens: how many the batch has in
    all, so that parts of a batch add up to its mean over tokens, whatever part they came in.
    """
    return -log_probs.sum() / tokens
