"""From rollouts to what an update learns from: pay, and the metrics that describe it.

No model is needed here any more: every number was read off the models when the rollouts were made.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from rlhf import ppo
from rlhf.advantages import masked_mean
from rlhf.online_settings import OnlineSettings
from rlhf.rollouts import Rollout, padded, response_mask


@dataclass(frozen=True, slots=True)
class Paid:
    """Rollouts, what they are paid, and their token-wise numbers, (batch, longest response), on the CPU."""

    rollouts: list[Rollout]
    mask: Tensor
    log_probs: Tensor
    reference: Tensor  # log-probabilities by the reference
    sampled: Tensor  # log-probabilities by the sampler
    scores: Tensor  # (batch,)

    @property
    def log_ratios(self) -> Tensor:
        """log pi - log pi_ref, 0 on padding."""
        return self.log_probs - self.reference


@dataclass(frozen=True, slots=True)
class Experience:
    """What an update learns from: paid rollouts, and what each of their tokens was worth, (batch, longest response).

    importance: the policy loss's weight of each token. values, returns: of a value model, where there is one.
    """

    paid: Paid
    advantages: Tensor
    importance: Tensor
    values: Tensor | None = None
    returns: Tensor | None = None


def pay(rollouts: list[Rollout], config: OnlineSettings) -> Paid:
    """The rollouts with what each is paid in the end."""
    scores = ppo.final_scores(
        torch.tensor([r.score for r in rollouts]),
        torch.tensor([r.ended for r in rollouts]),
        clip=config.score_clip,
        missing_end_penalty=config.missing_end_penalty,
    )
    return Paid(
        rollouts,
        response_mask(rollouts),
        log_probs=padded([r.log_probs for r in rollouts]),
        reference=padded([r.reference for r in rollouts]),
        sampled=padded([r.sampled for r in rollouts]),
        scores=scores,
    )


def rollout_metrics(paid: Paid, beta: float) -> dict[str, float]:
    """Metrics of a batch of rollouts. KL and rewards are per response, entropy and log-ratio per token; nats."""
    kl = ppo.sequence_kl(paid.log_ratios, paid.mask)
    scores = paid.scores.mean()
    entropy = masked_mean(padded([r.entropy for r in paid.rollouts]), paid.mask)
    gap = ppo.kl_estimate(paid.sampled, paid.log_probs, "k3")
    return {
        "policy/sampler_logratio": float(masked_mean(paid.sampled - paid.log_probs, paid.mask)),
        "policy/sampler_kl": float(ppo.sequence_kl(gap, paid.mask)),
        "objective/kl": float(kl),
        "objective/entropy": float(entropy),
        "objective/scores": float(scores),
        "objective/non_score_reward": float(-beta * kl),
        "objective/rlhf_reward": float(scores - beta * kl),
        "val/num_eos_tokens": float(sum(r.ended for r in paid.rollouts)),
        "val/unfinished": statistics.fmean(not r.ended for r in paid.rollouts),
        "val/answer_tokens": float(paid.mask.sum() / len(paid.mask)),
        **term_means(paid.rollouts),
    }


def term_means(rollouts: Sequence[Rollout]) -> dict[str, float]:
    """The mean of each term of the reward, before its weight."""
    return {f"rewards/{name}": statistics.fmean(r.terms[name] for r in rollouts) for name in rollouts[0].terms}


def sample_rows(paid: Paid, count: int) -> list[dict[str, Any]]:
    """The first responses of an update, for people to read."""
    kl = paid.log_ratios.sum(dim=1)
    rows = []
    for i, rollout in enumerate(paid.rollouts[:count]):
        prompt: Any = rollout.messages[0]["content"] if len(rollout.messages) == 1 else rollout.messages
        rows.append(
            {
                "prompt": prompt,
                "response": rollout.text,
                "score": float(paid.scores[i]),
                "kl": float(kl[i]),
                "finished": rollout.ended,
            }
        )
    return rows
