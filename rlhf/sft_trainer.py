"""Supervised fine-tuning: the mean negative log-likelihood of the assistant's tokens. It knows tokens, and no files."""

from __future__ import annotations

import torch
from torch import Tensor

from rlhf.batches import deal
from rlhf.demonstrations import Sequences
from rlhf.epoch_trainer import EpochTrainer
from rlhf.losses import likelihood_loss
from rlhf.policy_model import PolicyModel, token_batch
from rlhf.processes import Processes
from rlhf.sft_settings import SFTConfig
from rlhf.training import Evaluation


class SFTTrainer(EpochTrainer):
    """Trains `model`'s policy in place; its unit of work is a list of sequences.

    choosing: a holdout that chooses the checkpoint, by the lowest loss; None: the last is taken, and `reporting`
    is watched only.
    """

    model: PolicyModel

    def __init__(
        self,
        config: SFTConfig,
        model: PolicyModel,
        train: Sequences,
        choosing: Sequences | None,
        reporting: Sequences | None,
        processes: Processes,
    ) -> None:
        self.train, self.choosing, self.reporting = train, choosing, reporting
        super().__init__(
            config,
            model,
            processes,
            rows=len(train),
            data=[part.digest() if part else None for part in (train, choosing, reporting)],
        )

    def learn(self, step: int, unit: list[int]) -> dict[str, float]:
        """One update of the mean over the step's tokens, however it is cut into passes."""
        rate = self.set_rate(step)
        tokens = sum(len(self.train.trained[i]) for i in unit)
        self.step_optimizer.zero_grad()
        buckets = self._deal(self.train, unit, self.token_budget)
        total = torch.zeros((), device=self.processes.device)
        for number, (bucket, counting) in enumerate(buckets):
            with self.processes.accumulate(self.wrapped, last=number == len(buckets) - 1):
                loss = likelihood_loss(self._log_probs(self.train, bucket), tokens) * float(counting)
                torch.autograd.backward(loss * self.processes.count)  # wrapped models average over processes: undo it
            total += loss.detach()
        norm = self.processes.clip(self.wrapped, self.max_grad_norm)
        loss_value, norm_value = float(self.processes.sum(total)), float(norm)
        if self.update([loss_value, norm_value]):
            self.state["last_loss"] = loss_value
        return {
            "loss": loss_value,
            "tokens": float(tokens),
            "grad_norm": norm_value,
            "lr": rate,
            "epoch": step / self.order.steps_per_epoch,
            "skipped_steps": self.state["skipped"],
        }

    def _deal(self, data: Sequences, rows: list[int], budget: int) -> list[tuple[list[int], bool]]:
        lengths = [len(data.ids[i]) for i in rows]
        rank, count = self.processes.rank, self.processes.count
        dealt = deal(lengths, budget, rank, count, padded=not self.model.packs)
        return [([rows[place] for place in bucket], counting) for bucket, counting in dealt]

    def _log_probs(self, data: Sequences, rows: list[int]) -> Tensor:
        """Of the trained tokens of these sequences, (N,) float32."""
        ids, trained = [data.ids[i] for i in rows], [data.trained[i] for i in rows]
        batch = token_batch(ids, trained, self.processes.device, packed=self.model.packs)
        log_probs: Tensor = self.wrapped(batch, "policy")[0]
        return log_probs

    @torch.no_grad()
    def loss_on(self, data: Sequences) -> dict[str, float]:
        """Mean loss in nats a token, and how many tokens there are, each process computing its share."""
        tokens = sum(map(len, data.trained))
        total = torch.zeros((), device=self.processes.device)
        for bucket, counting in self._deal(data, list(range(len(data))), self.token_budget * 2):
            total += likelihood_loss(self._log_probs(data, bucket), tokens) * float(counting)
        return {"eval_loss": float(self.processes.sum(total)), "eval_tokens": float(tokens)}

    def evaluate(self, step: int) -> Evaluation | None:
        watched = self.choosing or self.reporting
        if watched is None:
            return None
        found = self.loss_on(watched)
        return Evaluation(found, value=-found["eval_loss"] if self.choosing else None)
