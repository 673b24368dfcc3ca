"""One process, or the several that `accelerate launch` started: the few things a trainer needs to know of them.

A single process never touches accelerate, so it stays exact to the bit and pays nothing. With several, accelerate
wraps the model (DDP, or FSDP as its own configuration says).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributed.tensor import DTensor
from torch.optim import Optimizer

from rlhf.config import RunFailed
from rlhf.runtime import pick_device


class Processes:
    """rank, count: which process this is, of how many. device: where it computes."""

    def __init__(self, device: str = "auto") -> None:
        self._accelerator: Any = None
        self.count = int(os.environ.get("WORLD_SIZE", "1"))
        if self.count > 1:
            from accelerate import Accelerator

            self._accelerator = Accelerator(cpu=device == "cpu", mixed_precision="no")
        self.rank = self._accelerator.process_index if self._accelerator else 0
        self.device: torch.device = self._accelerator.device if self._accelerator else pick_device(device)

    @property
    def main(self) -> bool:
        return self.rank == 0

    @property
    def sharded(self) -> bool:
        """Whether each process holds a part of the model only."""
        return self._accelerator is not None and str(self._accelerator.distributed_type).endswith("FSDP")

    def wrap(self, model: nn.Module, optimizer: Optimizer) -> tuple[nn.Module, Optimizer]:
        """The model to call in training, on this process's device, and its optimiser."""
        if self._accelerator is None:
            return model, optimizer
        wrapped, wrapped_optimizer = self._accelerator.prepare(model, optimizer)
        return wrapped, wrapped_optimizer

    @contextmanager
    def accumulate(self, model: nn.Module, last: bool) -> Iterator[None]:
        """Around each forward and backward pass: gradients travel between processes after the last one only."""
        if self._accelerator is None or last:
            yield
        else:
            with self._accelerator.no_sync(model):
                yield

    def clip(self, model: nn.Module, limit: float) -> Tensor:
        """Clips the gradient's norm over all parameters to `limit`; returns what it was."""
        parameters = [parameter for parameter in model.parameters() if parameter.grad is not None]
        if self._accelerator is None:
            return torch.nn.utils.clip_grad_norm_(parameters, limit)
        norm = self._accelerator.clip_grad_norm_(parameters, limit)
        return norm.full_tensor() if isinstance(norm, DTensor) else torch.as_tensor(norm)

    def sum(self, tensor: Tensor) -> Tensor:
        """The sum over the processes, the same in each."""
        return tensor if self._accelerator is None else self._accelerator.reduce(tensor, "sum")

    def any(self, *flags: bool) -> list[bool]:
        """For each flag, whether it is set in any process: what all must decide alike."""
        if self._accelerator is None:
            return list(flags)
        counts = self.sum(torch.tensor([float(flag) for flag in flags], device=self.device))
        return [count > 0 for count in counts.tolist()]

    @contextmanager
    def noticing_loss(self) -> Iterator[None]:
        """Around a training: errors by which a process learns that another one has ended become a RunFailed."""
        try:
            yield
        except RuntimeError as error:
            lost = isinstance(error, torch.distributed.DistError) or "gloo" in str(error)
            if self._accelerator is None or not lost:
                raise
            raise RunFailed(
                "another process of this training has ended, without which this one cannot go on: see what that one "
                "said, and start all of them again with --resume, which goes on from the last checkpoint"
            ) from error

    def wait(self) -> None:
        """Until all processes are here."""
        if self._accelerator is not None:
            self._accelerator.wait_for_everyone()
