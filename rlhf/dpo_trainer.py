"""Direct preference optimisation, step by step. It knows pairs as token groups, and no files."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from rlhf.batches import deal
from rlhf.dpo import log_ratios, preference_losses
from rlhf.dpo_settings import DPOConfig
from rlhf.epoch_trainer import EpochTrainer
from rlhf.policy_model import PolicyModel
from rlhf.processes import Processes
from rlhf.reward_data import EncodedPairs
from rlhf.reward_metrics import pair_metrics
from rlhf.training import Evaluation


@dataclass(frozen=True, slots=True)
class ReferredPairs:
    """Pairs by prompt, and the reference's log-probability of both responses of each, (pairs, 2)."""

    pairs: EncodedPairs
    reference: Tensor


def response_log_probs(
    model: PolicyModel, wrapped: Any, pairs: EncodedPairs, rows: list[int], device: torch.device
) -> Tensor:
    """The log-probability of both whole responses of these pairs, (rows, 2), in nats."""
    log_probs: Tensor = wrapped(model.branches([pairs.groups[i] for i in rows]), "policy")[0]
    lengths = pairs.response_tokens[rows].flatten().to(device)
    owner = torch.repeat_interleave(torch.arange(len(lengths), device=device), lengths)
    return torch.zeros(len(lengths), device=device).index_add(0, owner, log_probs).view(-1, 2)


@torch.no_grad()
def all_log_probs(
    model: PolicyModel, wrapped: Any, pairs: EncodedPairs, processes: Processes, token_budget: int
) -> Tensor:
    """The same of all pairs, on the CPU, each process computing its share."""
    found = torch.zeros(len(pairs), 2, device=processes.device)
    lengths = [len(group) for group in pairs.groups]
    for rows, counting in deal(lengths, token_budget, processes.rank, processes.count, padded=not model.packs):
        log_probs = response_log_probs(model, wrapped, pairs, rows, processes.device)
        if counting:
            found[rows] = log_probs
    return processes.sum(found).cpu()


class DPOTrainer(EpochTrainer):
    """Trains `model`'s policy in place; its unit of work is a list of pairs.

    choosing: holdout pairs that choose the checkpoint, by the lowest loss; None: the last is taken, and `reporting`
    is watched only.
    """

    model: PolicyModel

    def __init__(
        self,
        config: DPOConfig,
        model: PolicyModel,
        train: ReferredPairs,
        choosing: ReferredPairs | None,
        reporting: ReferredPairs | None,
        processes: Processes,
    ) -> None:
        self.config, self.train, self.choosing, self.reporting = config, train, choosing, reporting
        super().__init__(
            config,
            model,
            processes,
            rows=len(train.pairs),
            data=[part.pairs.digest() if part else None for part in (train, choosing, reporting)],
        )

    def learn(self, step: int, unit: list[int]) -> dict[str, float]:
        """One update of the weighted mean over the step's pairs, however it is cut into passes."""
        rate, pairs = self.set_rate(step), self.train.pairs
        weight = max(float(pairs.weight[unit].sum()), 1e-8)
        self.step_optimizer.zero_grad()
        rank, count = self.processes.rank, self.processes.count
        lengths = [len(pairs.groups[i]) for i in unit]
        buckets = deal(lengths, self.token_budget, rank, count, padded=not self.model.packs)
        sums = torch.zeros(6, device=self.processes.device)
        for number, (places, counting) in enumerate(buckets):
            rows, scale = [unit[place] for place in places], float(counting)
            with self.processes.accumulate(self.wrapped, last=number == len(buckets) - 1):
                log_probs = response_log_probs(self.model, self.wrapped, pairs, rows, self.processes.device)
                ratios = self._ratios(self.train, rows, log_probs)
                losses = self._losses(self.train, rows, ratios)
                loss = (losses * pairs.weight[rows].to(losses.device)).sum() * (scale / weight)
                torch.autograd.backward(loss * count)  # wrapped models average over processes: undo it
            sums += torch.cat([loss.detach()[None], self._counts(self.train, rows, ratios.detach()) * scale])
        norm = self.processes.clip(self.wrapped, self.max_grad_norm)
        loss_value, first, second, ahead, right, decided = self.processes.sum(sums).tolist()
        if self.update([loss_value, float(norm)]):
            self.state["last_loss"] = loss_value
        return {
            "loss": loss_value,
            "tokens": float(sum(lengths)),
            "rewards/chosen": first / len(unit),
            "rewards/rejected": second / len(unit),
            "rewards/margins": ahead / decided if decided else math.nan,
            "rewards/accuracies": right / decided if decided else math.nan,
            "grad_norm": float(norm),
            "lr": rate,
            "epoch": step / self.order.steps_per_epoch,
            "skipped_steps": self.state["skipped"],
        }

    def _ratios(self, data: ReferredPairs, rows: list[int], log_probs: Tensor) -> Tensor:
        reference, tokens = (part[rows].to(log_probs.device) for part in (data.reference, data.pairs.response_tokens))
        return log_ratios(log_probs, reference, tokens, length_normalized=self.config.length_normalized)

    def _losses(self, data: ReferredPairs, rows: list[int], ratios: Tensor) -> Tensor:
        preference = data.pairs.preference[rows].to(ratios.device)
        difference = ratios[:, 0] - ratios[:, 1]
        return preference_losses(difference, preference, beta=self.config.beta, loss=self.config.loss)

    def _counts(self, data: ReferredPairs, rows: list[int], ratios: Tensor) -> Tensor:
        """Sums of the implicit rewards beta log(pi / pi_ref) of first and second responses and of their margin, of
        pairs that are right, and of pairs that are no ties; margin and right from the better response's side."""
        rewards = self.config.beta * ratios
        side = torch.sign(data.pairs.preference[rows].to(ratios.device) - 0.5)
        ahead = side * (rewards[:, 0] - rewards[:, 1])
        return torch.stack([rewards[:, 0].sum(), rewards[:, 1].sum(), ahead.sum(), (ahead > 0).sum(), side.abs().sum()])

    def metrics_on(self, data: ReferredPairs) -> dict[str, Any]:
        """`pair_metrics` of the implicit rewards, the loss being that of the training."""
        pairs = data.pairs
        log_probs = all_log_probs(self.model, self.wrapped, pairs, self.processes, self.token_budget * 2)
        rows = list(range(len(pairs)))
        ratios = self._ratios(data, rows, log_probs)
        difference = self.config.beta * (ratios[:, 0] - ratios[:, 1])
        found = pair_metrics(difference, pairs.preference, pairs.response_tokens, pairs.prompts())
        losses = self._losses(data, rows, ratios)
        return found | {"loss": float((losses * pairs.weight).sum() / pairs.weight.sum())}

    def evaluate(self, step: int) -> Evaluation | None:
        watched = self.choosing or self.reporting
        if watched is None:
            return None
        first = watched.pairs.first(self.config.eval_pairs)
        found = self.metrics_on(ReferredPairs(first, watched.reference[: len(first)]))
        metrics = {f"eval_{name}": value for name, value in found.items() if isinstance(value, int | float)}
        return Evaluation(metrics, value=-found["loss"] if self.choosing else None)
