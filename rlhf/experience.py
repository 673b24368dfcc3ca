"""From rollouts to what an update learns from: pay, advantages, returns, and the metrics that describe them.

No model is needed here any more: every number was read off the models when the rollouts were made.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from rlhf import ppo
from rlhf.advantages import estimate_advantages, masked_mean, to_unit_variance, whiten
from rlhf.policy_settings import PolicyConfig
from rlhf.rollouts import Rollout, answer_mask, padded


@dataclass(frozen=True, slots=True)
class Experience:
    """What an update learns from: rollouts and their token-wise numbers, (batch, longest answer), on the CPU."""

    rollouts: list[Rollout]
    mask: Tensor
    log_probs: Tensor
    values: Tensor
    sampled: Tensor  # log-probabilities by the sampler
    importance: Tensor  # the policy loss's weight of each token: 1 unless importance_correction is set
    log_ratios: Tensor  # log pi - log pi_ref
    scores: Tensor  # (batch,) as paid
    advantages: Tensor
    returns: Tensor


def make_experience(rollouts: list[Rollout], config: PolicyConfig, beta: float) -> Experience:
    """Pays the rollouts and estimates advantages: no model is needed any more."""
    mask = answer_mask(rollouts)
    log_probs = padded([r.log_probs for r in rollouts])
    sampled = padded([r.sampled for r in rollouts])
    importance = torch.ones_like(log_probs)
    if config.importance_correction:
        importance = ppo.importance_weights(log_probs, sampled, cap=config.importance_cap)
    values = padded([r.values for r in rollouts])
    log_ratios = torch.where(mask, log_probs - padded([r.reference for r in rollouts]), 0)
    scores = ppo.final_scores(
        torch.tensor([r.score for r in rollouts]),
        torch.tensor([r.finished for r in rollouts]),
        clip=config.score_clip,
        missing_end_penalty=config.missing_end_penalty,
    )
    rewards = ppo.place_rewards(scores, log_ratios, mask, beta=beta)
    if config.whiten_rewards:
        rewards = to_unit_variance(rewards, mask)
    advantages, returns = estimate_advantages(rewards, values, mask, gamma=config.gamma, lam=config.lam)
    if config.whiten_advantages:
        advantages = whiten(advantages, mask)
    return Experience(rollouts, mask, log_probs, values, sampled, importance, log_ratios, scores, advantages, returns)


def rollout_metrics(experience: Experience, beta: float) -> dict[str, float]:
    """Metrics of a batch of rollouts. KL and rewards are per answer, entropy and log-ratio per token; nats."""
    kl = ppo.sequence_kl(experience.log_ratios, experience.mask)
    scores = experience.scores.mean()
    entropy = masked_mean(padded([r.entropy for r in experience.rollouts]), experience.mask)
    explained = ppo.explained_variance(experience.values, experience.returns, experience.mask)
    gap = ppo.kl_estimate(experience.sampled, experience.log_probs, "k3")
    return {
        "policy/sampler_logratio": float(masked_mean(experience.sampled - experience.log_probs, experience.mask)),
        "policy/sampler_kl": float(ppo.sequence_kl(gap, experience.mask)),
        "objective/kl": float(kl),
        "objective/entropy": float(entropy),
        "objective/scores": float(scores),
        "objective/non_score_reward": float(-beta * kl),
        "objective/rlhf_reward": float(scores - beta * kl),
        "val/num_eos_tokens": float(sum(r.finished for r in experience.rollouts)),
        "val/answer_tokens": float(experience.mask.sum() / len(experience.mask)),
        "val/explained_variance": float(explained),
    }


def sample_rows(experience: Experience, count: int) -> list[dict[str, Any]]:
    """The first answers of an update, for people to read."""
    kl = experience.log_ratios.sum(dim=1)
    rows = []
    for i, rollout in enumerate(experience.rollouts[:count]):
        prompt: Any = rollout.messages[0]["content"] if len(rollout.messages) == 1 else rollout.messages
        rows.append(
            {
                "prompt": prompt,
                "response": rollout.text,
                "score": float(experience.scores[i]),
                "kl": float(kl[i]),
                "finished": rollout.finished,
            }
        )
    return rows
