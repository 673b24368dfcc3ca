"""The training of a reward model, step by step; what a step is depends on the settings, the seed and its number only.

A step takes the next `train_batch_size` pairs of a shuffled epoch, cuts them into batches of like length under a
token budget, and makes one update of the mean loss. It knows pairs as token groups, and no files.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from rlhf.batches import Group, deal
from rlhf.epoch_trainer import EpochTrainer
from rlhf.losses import centring_loss, preference_loss
from rlhf.processes import Processes
from rlhf.progress import RunLog
from rlhf.reward_config import RewardConfig
from rlhf.reward_data import EncodedPairs, HoldoutPairs
from rlhf.reward_metrics import pair_metrics
from rlhf.reward_model import RewardModel
from rlhf.training import Evaluation

REFERENCE_PAIRS = 16  # at least so many measure the scores' mean and spread


def bootstrap_weights(pairs: int, heads: int, seed: int) -> Tensor:
    """How often each head's resample of the data holds each pair, (pairs, heads); all ones for a single head.

    Poisson(1) counts: the online form of the bootstrap (Oza and Russell 2001). It is what makes the heads differ
    where the data leaves room for it.
    """
    if heads == 1:
        return torch.ones(pairs, 1)
    return torch.poisson(torch.ones(pairs, heads), generator=torch.Generator().manual_seed(seed))


class RewardTrainer(EpochTrainer):
    """Trains `model` in place; its unit of work is a list of pairs.

    Where pairs of the holdout choose, the checkpoint with their lowest loss is taken; otherwise the last.
    """

    model: RewardModel

    def __init__(
        self,
        config: RewardConfig,
        model: RewardModel,
        train: EncodedPairs,
        holdout: HoldoutPairs | None,
        processes: Processes,
    ) -> None:
        self.config, self.train, self.holdout = config, train, holdout
        choosing, reporting = (holdout.choosing, holdout.reporting) if holdout else (None, None)
        self.chooses = choosing is not None
        watched = choosing or reporting
        self.watched = watched.first(config.eval_pairs) if watched else None  # while training
        self.weights = train.weight[:, None] * bootstrap_weights(len(train), model.heads, config.seed)
        super().__init__(
            config,
            model,
            processes,
            rows=len(train),
            data=[part.digest() if part else None for part in (train, choosing, reporting)],
        )

    # ---- one step ------------------------------------------------------------------------------------------------

    def begin(self, log: RunLog) -> None:
        self.model.train()

    def learn(self, step: int, unit: list[int]) -> dict[str, float]:
        """One update (or none, where the loss or its gradient is not finite); returns the step's metrics."""
        pairs, rate = unit, self.set_rate(step)
        total_weight = max(float(self.weights[pairs].sum()), 1e-8)
        self.step_optimizer.zero_grad()
        buckets = self._deal([self.train.groups[index] for index in pairs], self.token_budget)
        sums = torch.zeros(4, device=self.model.device)
        for number, (bucket, counting) in enumerate(buckets):
            scale = 1.0 if counting else 0.0
            with self.processes.accumulate(self.wrapped, last=number == len(buckets) - 1):
                loss, counts = self._loss([pairs[i] for i in bucket], scale / total_weight)
                torch.autograd.backward(loss * self.processes.count)  # wrapped models average over processes: undo it
            sums += torch.cat([loss.detach()[None], counts * scale])
        norm = self.processes.clip(self.wrapped, self.max_grad_norm)
        loss_value, right, margin, decided, norm_value = torch.cat([self.processes.sum(sums), norm[None]]).tolist()
        if self.update([loss_value, norm_value]):
            self.state["last_loss"] = loss_value
        return {
            "loss": loss_value,
            "tokens": float(sum(len(self.train.groups[index]) for index in pairs)),
            "accuracy": right / decided if decided else math.nan,
            "margin": margin / decided if decided else math.nan,
            "grad_norm": norm_value,
            "lr": rate,
            "epoch": step / self.order.steps_per_epoch,
            "skipped_steps": self.state["skipped"],
        }

    def _deal(self, groups: list[Group], token_budget: int) -> list[tuple[list[int], bool]]:
        lengths, rank, count = [len(group) for group in groups], self.processes.rank, self.processes.count
        return deal(lengths, token_budget, rank, count, padded=not self.model.packs)

    def _loss(self, pairs: list[int], scale: float) -> tuple[Tensor, Tensor]:
        """This bucket's part of the step's mean loss, and its counts of right pairs, summed margin, decided pairs."""
        device = self.model.device
        scores: Tensor = self.wrapped(self.model.batch([self.train.groups[i] for i in pairs]))  # (2 * pairs, heads)
        chosen, rejected = scores[0::2], scores[1::2]
        preference = self.train.preference[pairs].to(device)
        losses = preference_loss(chosen, rejected, preference[:, None], self.train.margin[pairs].to(device)[:, None])
        losses = losses + self.config.center_rewards_coefficient * centring_loss(chosen, rejected)
        loss = (losses * self.weights[pairs].to(device)).sum() * scale
        with torch.no_grad():
            ahead = torch.sign(preference - 0.5) * (chosen - rejected).mean(dim=1)
            counts = torch.stack([(ahead > 0).sum(), ahead.sum(), (preference != 0.5).sum()])
        return loss, counts

    # ---- holdout ---------------------------------------------------------------------------------------------------

    @torch.no_grad()
    def scores(self, data: EncodedPairs) -> Tensor:
        """Mean-head scores of both responses of each pair, (pairs, 2), each process computing its share."""
        found = torch.zeros(len(data), 2, device=self.model.device)
        for bucket, counting in self._deal(data.groups, self.token_budget * 2):
            scores = self.wrapped(self.model.batch([data.groups[i] for i in bucket])).mean(dim=1)
            if counting:
                found[bucket] = scores.view(-1, 2)
        return self.processes.sum(found).cpu()

    def final_evaluation(self) -> tuple[dict[str, Any] | None, float, float]:
        """Metrics on all pairs that chose nothing, and mean and spread of the scores of reference responses.

        Reference responses are those pairs'; few of those are joined by some that the model was trained on.
        """
        reporting = self.holdout.reporting if self.holdout else None
        parts = [self.scores(reporting)] if reporting else []
        found = self._metrics(parts[0], reporting) if reporting else None
        missing = REFERENCE_PAIRS - sum(map(len, parts))
        if missing > 0:
            parts.append(self.scores(self.train.first(missing)))
        scores = torch.cat(parts).flatten()
        return found, float(scores.mean()), float(scores.std())

    def _metrics(self, scores: Tensor, data: EncodedPairs) -> dict[str, Any]:
        return pair_metrics(scores[:, 0] - scores[:, 1], data.preference, data.response_tokens, data.prompts())

    @property
    def choosing_pairs(self) -> int:
        """Pairs that choose the checkpoint."""
        return len(self.watched) if self.watched is not None and self.chooses else 0

    def evaluate(self, step: int) -> Evaluation | None:
        """Holdout metrics as `eval_…`; the loss chooses, where the pairs are to choose."""
        if self.watched is None:
            return None
        found = self._metrics(self.scores(self.watched), self.watched)
        metrics = {f"eval_{name}": value for name, value in found.items() if isinstance(value, int | float)}
        return Evaluation(metrics, value=-found["loss"] if self.chooses else None)
