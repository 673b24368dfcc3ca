"""PPO: what the tokens of paid responses are worth by a value model, and the losses of policy and values."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from rlhf import ppo
from rlhf.advantages import estimate_advantages, to_unit_variance, whiten
from rlhf.experience import Experience, Paid
from rlhf.online_trainer import Minibatch, OnlineTrainer, Sums
from rlhf.policy_holdout import Holdout
from rlhf.policy_model import PolicyModel
from rlhf.policy_settings import PolicyConfig
from rlhf.processes import Processes
from rlhf.rollouts import RolloutMaker, Task, padded


def value_experience(paid: Paid, config: PolicyConfig, beta: float) -> Experience:
    """Advantages and returns of every token, beside what the value model expected."""
    importance = torch.ones_like(paid.log_probs)
    if config.importance_correction:
        importance = ppo.importance_weights(paid.log_probs, paid.sampled, cap=config.importance_cap)
    values = padded([r.values for r in paid.rollouts if r.values is not None])
    rewards = ppo.place_rewards(paid.scores, paid.log_ratios, paid.mask, beta=beta)
    if config.whiten_rewards:
        rewards = to_unit_variance(rewards, paid.mask)
    advantages, returns = estimate_advantages(rewards, values, paid.mask, gamma=config.gamma, lam=config.lam)
    if config.whiten_advantages:
        advantages = whiten(advantages, paid.mask)
    return Experience(paid, advantages, importance, values, returns)


class PPOTrainer(OnlineTrainer[PolicyConfig]):
    """Trains the policy and its value model together."""

    def __init__(
        self,
        config: PolicyConfig,
        model: PolicyModel,
        make: RolloutMaker,
        refresh: Callable[[], None],
        prompts: Sequence[Task],
        holdout: Holdout,
        processes: Processes,
    ) -> None:
        own = {id(p) for p in model.policy.parameters()}
        value = [p for p in model.parameters() if p.requires_grad and id(p) not in own]
        rate = config.peak_learning_rate if config.value_learning_rate is None else config.value_learning_rate
        super().__init__(config, model, make, refresh, prompts, holdout, processes, others=(value, rate))
        # In turn, the activations of one model are kept at a time; a model that is wrapped must go whole.
        in_turn = self.wrapped is model and model.value_trunk is not None
        self.roles = ("policy", "value") if in_turn else ("both",)

    def experience(self, paid: Paid, beta: float) -> Experience:
        return value_experience(paid, self.config, beta)

    def losses(
        self, experience: Experience, rows: list[int], of: Minibatch, log_probs: Tensor | None, values: Tensor | None
    ) -> tuple[Tensor, Sums]:
        """Means over the minibatch's real tokens."""
        config, sums = self.config, Sums()
        loss = torch.zeros((), device=self.processes.device)
        if log_probs is not None:
            old, advantages, importance = (
                self.tokens(tensor, experience, rows)
                for tensor in (experience.paid.log_probs, experience.advantages, experience.importance)
            )
            losses = importance * ppo.policy_loss(log_probs, old, advantages, clip=config.cliprange)
            sums["loss/policy_avg"] = losses.sum() / of.tokens
            loss = loss + sums["loss/policy_avg"]
            clipped = ppo.ratio_clipped(log_probs.detach(), old, advantages, clip=config.cliprange)
            sums["policy/clipfrac_avg"] = clipped.sum() / of.tokens
            sums |= self.movement(log_probs, old, of)
        if values is not None and experience.values is not None and experience.returns is not None:
            clip = config.cliprange_value
            old_values, returns = (
                self.tokens(tensor, experience, rows) for tensor in (experience.values, experience.returns)
            )
            sums["loss/value_avg"] = ppo.value_loss(values, old_values, returns, clip=clip).sum() / of.tokens
            loss = loss + config.vf_coef * sums["loss/value_avg"]
            moved = ppo.value_clipped(values.detach(), old_values, returns, clip=clip)
            sums["val/clipfrac_avg"] = moved.sum() / of.tokens
        return loss, sums

    def more_metrics(self, experience: Experience) -> dict[str, float]:
        assert experience.values is not None and experience.returns is not None  # noqa: S101, PT018 - PPO has a critic
        explained = ppo.explained_variance(experience.values, experience.returns, experience.paid.mask)
        return {"val/explained_variance": float(explained)}
