"""RLOO and GRPO: what a response is worth beside the others to its prompt, and the losses of policy gradients on it."""

from __future__ import annotations

import torch
from torch import Tensor

from rlhf import ppo
from rlhf.experience import Experience, Paid
from rlhf.group_advantages import group_relative, leave_one_out, standardised
from rlhf.group_settings import GRPOConfig, RLOOConfig
from rlhf.online_trainer import Minibatch, OnlineTrainer, Sums


def spread_over(responses: Tensor, mask: Tensor) -> Tensor:
    """One number a response, (batch,), at each of its tokens, (batch, longest response)."""
    return torch.where(mask, responses[:, None], 0)


class RLOOTrainer(OnlineTrainer[RLOOConfig]):
    """REINFORCE with the mean of the other responses as baseline (Ahmadian et al. 2024), on whole responses.

    A response is paid its score less beta times its log pi - log pi_ref. The loss is PPO's clipped one of the whole
    response's ratio, whose first step is REINFORCE; the mean over responses.
    """

    def experience(self, paid: Paid, beta: float) -> Experience:
        rewards = paid.scores - beta * paid.log_ratios.sum(dim=1)
        advantages = leave_one_out(rewards.view(-1, self.config.num_generations)).flatten()
        if self.config.normalize_advantages:
            advantages = standardised(advantages)
        importance = torch.ones_like(advantages)
        if self.config.importance_correction:
            sums = (torch.where(paid.mask, part, 0).sum(dim=1) for part in (paid.log_probs, paid.sampled))
            importance = ppo.importance_weights(*sums, cap=self.config.importance_cap)
        return Experience(paid, spread_over(advantages, paid.mask), spread_over(importance, paid.mask))

    def losses(
        self, experience: Experience, rows: list[int], of: Minibatch, log_probs: Tensor | None, values: Tensor | None
    ) -> tuple[Tensor, Sums]:
        assert log_probs is not None  # noqa: S101 - the policy is its only role
        old = self.tokens(experience.paid.log_probs, experience, rows)
        lengths = experience.paid.mask[rows].sum(dim=1)
        owner = torch.repeat_interleave(torch.arange(len(rows)), lengths).to(log_probs.device)

        def whole(part: Tensor) -> Tensor:
            """Sums over responses, (rows,)."""
            return torch.zeros(len(rows), device=part.device).index_add(0, owner, part)

        advantages, importance = (
            part[rows, 0].to(log_probs.device) for part in (experience.advantages, experience.importance)
        )
        now, then = whole(log_probs), whole(old)
        clip = self.config.cliprange
        losses = importance * ppo.policy_loss(now, then, advantages, clip=clip)
        loss = losses.sum() / of.responses
        clipped = ppo.ratio_clipped(now.detach(), then, advantages, clip=clip).sum() / of.responses
        return loss, {
            "loss/policy_avg": loss,
            "policy/clipfrac_avg": clipped,
            **self.movement(log_probs, old, of),
        }


class GRPOTrainer(OnlineTrainer[GRPOConfig]):
    """Group relative policy optimisation (Shao et al. 2024), token by token.

    A response's advantage is its score's within its group, the same at each of its tokens. The KL to the reference is
    not paid but part of the loss: beta times Schulman's k3 of every token (their eq. 4), which estimates the KL without
    bias, but not its gradient; weighted by the token's ratio it does (DeepSeek-V3.2, 2025).
    """

    def experience(self, paid: Paid, beta: float) -> Experience:
        scores = paid.scores.view(-1, self.config.num_generations)
        advantages = group_relative(scores, scale=self.config.scale_rewards).flatten()
        importance = torch.ones_like(paid.log_probs)
        if self.config.importance_correction:
            importance = ppo.importance_weights(paid.log_probs, paid.sampled, cap=self.config.importance_cap)
        return Experience(paid, spread_over(advantages, paid.mask), importance)

    def losses(
        self, experience: Experience, rows: list[int], of: Minibatch, log_probs: Tensor | None, values: Tensor | None
    ) -> tuple[Tensor, Sums]:
        assert log_probs is not None  # noqa: S101 - the policy is its only role
        paid, clip = experience.paid, self.config.cliprange
        old, reference, advantages, importance = (
            self.tokens(part, experience, rows)
            for part in (paid.log_probs, paid.reference, experience.advantages, experience.importance)
        )
        weights = self._weights(paid.mask[rows].sum(dim=1), of).to(log_probs.device)
        policy = (weights * importance * ppo.policy_loss(log_probs, old, advantages, clip=clip)).sum()
        kl = weights * ppo.kl_estimate(log_probs, reference, "k3")
        if self.config.use_bias_correction_kl:
            kl = kl * torch.exp(ppo.log_ratio(log_probs, old))
        kl = kl.sum()
        loss = policy + self.state["beta"] * kl
        clipped = ppo.ratio_clipped(log_probs.detach(), old, advantages, clip=clip).sum() / of.tokens
        return loss, {
            "loss/policy_avg": policy,
            "loss/kl_avg": kl,
            "policy/clipfrac_avg": clipped,
            **self.movement(log_probs, old, of),
        }

    def _weights(self, lengths: Tensor, of: Minibatch) -> Tensor:
        """What each token of rows of these lengths counts in the minibatch's loss, (N,)."""
        if self.config.loss_type == "dapo":
            return torch.full((int(lengths.sum()),), 1 / of.tokens)
        if self.config.loss_type == "dr_grpo":
            return torch.full((int(lengths.sum()),), 1 / (of.responses * self.config.max_new_tokens))
        return torch.repeat_interleave(1 / (lengths * of.responses), lengths)
