"""In which order rows are learned from: each epoch takes every row once, in an order of its own."""

import math

import torch


class EpochOrder:
    """Slices of shuffled epochs. count: rows in all; size: rows in a step, the last of an epoch takes what is left."""

    def __init__(self, count: int, size: int, seed: int) -> None:
        self.count, self.size, self.seed = count, size, seed
        self.steps_per_epoch = math.ceil(count / size)
        self._shuffled: tuple[int, list[int]] = (-1, [])  # an epoch and its permutation

    def rows(self, step: int) -> list[int]:
        """The rows of step `step`, from 1; they depend on the seed and the step alone."""
        epoch, place = divmod(step - 1, self.steps_per_epoch)
        if epoch != self._shuffled[0]:
            generator = torch.Generator().manual_seed(self.seed * 1_000_003 + epoch)
            self._shuffled = epoch, torch.randperm(self.count, generator=generator).tolist()
        return self._shuffled[1][place * self.size : (place + 1) * self.size]

    def rows_until(self, step: int) -> int:
        """How many rows the steps up to `step` have taken."""
        epochs, steps = divmod(step, self.steps_per_epoch)
        return epochs * self.count + min(steps * self.size, self.count)
