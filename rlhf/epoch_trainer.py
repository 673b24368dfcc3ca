"""What trainings have in common that go through their data a number of times. It knows rows by their number."""

from __future__ import annotations

import math
from typing import Any

from torch import nn

from rlhf.epoch_settings import EpochSettings
from rlhf.epochs import EpochOrder
from rlhf.processes import Processes
from rlhf.schedules import cosine_decay
from rlhf.training import Trainer

EVALUATIONS = 8  # in a run, where nothing is said: the patience of three can then end it after half of it


class EpochTrainer(Trainer[list[int]]):
    """A trainer whose unit of work is a list of rows: a slice of its epoch's own permutation.

    rows: how many there are in all. data: see `rlhf.training.Trainer`.
    """

    def __init__(
        self, config: EpochSettings, model: nn.Module, processes: Processes, *, rows: int, data: list[Any]
    ) -> None:
        self.order = EpochOrder(rows, config.train_batch_size, config.seed)
        self.token_budget = config.tokens_at_once(processes.device)
        self.warmup_ratio = config.warmup_ratio
        total_steps = config.max_steps or math.ceil(self.order.steps_per_epoch * config.num_train_epochs)
        super().__init__(
            config,
            model,
            processes,
            total_steps=total_steps,
            eval_every=config.eval_steps or max(1, math.ceil(total_steps / EVALUATIONS)),
            data=data,
            patience=config.early_stopping_patience,
            state={"last_loss": None},
        )

    def work(self, step: int) -> list[int]:
        """Which rows the step takes."""
        return self.order.rows(step)

    def rate_share(self, step: int) -> float:
        """Linear warm-up, then half a cosine down to 0."""
        return cosine_decay(step - 1, self.total_steps, math.ceil(self.warmup_ratio * self.total_steps))
