"""The loop of every training: steps, evaluations, the best weights, checkpoints, signals, steps that went wrong.

It knows folders, steps and numbers. What a step computes, and what is measured, is a trainer's.
"""

from __future__ import annotations

import math
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar

from torch import nn
from torch.optim import AdamW, Optimizer

from rlhf.checkpoints import latest_checkpoint, load_checkpoint, save_checkpoint
from rlhf.config import InputError, Interrupted, RunFailed
from rlhf.processes import Processes
from rlhf.progress import RunLog
from rlhf.runtime import StopSignal, give_back_memory
from rlhf.training_settings import TrainingSettings

BEST = "best"  # folder of the best weights so far

Unit = TypeVar("Unit")


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What an evaluation found. value: what the best weights are chosen by, the higher the better; None: they are not
    candidates. stop: why the run should end here, where it should."""

    metrics: dict[str, float]
    value: float | None = None
    stop: str | None = None


class Trainer(ABC, Generic[Unit]):
    """A training in steps that can be stopped after any of them and continues to the bit.

    A subclass says what a step's unit of work is (`work`: a batch, say) and what is learned from it (`learn`), both by
    the settings, the seed and the step's number alone. What else a step depends on belongs into `state`, which is JSON
    and is saved and restored with the model, the optimiser and the random generators of torch and Python.

    config: its settings. model: trained in place, on its device already; frozen parameters are not saved. data: a
    name for what is learned from, as JSON: a run is resumed with the same only. groups: parameters with their peak
    learning rates; without them all that are trainable, at the settings' rate. eval_every: steps between evaluations.
    patience: evaluations without a better value that end the run; 0: never. state: the subclass's own.
    """

    counter: ClassVar[str] = "step"  # what a step is called, in messages and in `state`
    data_name: ClassVar[str] = "data"
    suspect: ClassVar[str] = "the data"  # what to look at when the loss is not finite

    def __init__(
        self,
        config: TrainingSettings,
        model: nn.Module,
        processes: Processes,
        *,
        total_steps: int,
        eval_every: int,
        data: Any,
        groups: Sequence[tuple[list[nn.Parameter], float]] | None = None,
        patience: int = 0,
        state: Mapping[str, Any] | None = None,
    ) -> None:
        self.model, self.processes = model, processes
        self.total_steps, self.eval_every, self.patience = total_steps, eval_every, patience
        self.output = Path(config.output)
        self.peak_rate, self.save_seconds = config.peak_learning_rate, config.save_seconds
        self.max_grad_norm, self.max_skipped_steps = config.max_grad_norm, config.max_skipped_steps
        trainable = [parameter for parameter in model.parameters() if parameter.requires_grad]
        self.optimizer = AdamW(
            [{"params": part, "peak": rate} for part, rate in groups or [(trainable, self.peak_rate)]],
            lr=self.peak_rate,
            betas=(config.adam_beta1, config.adam_beta2),
            eps=config.adam_epsilon,
            weight_decay=config.weight_decay,
            fused=True,
        )
        self.wrapped, self.step_optimizer = processes.wrap(model, self.optimizer)
        self.state: dict[str, Any] = {
            "settings": config.fixed(),
            "data": data,
            self.counter: 0,
            "skipped": 0,
            "skipped_in_a_row": 0,
            "best_value": None,
            "best_step": None,
            "evals_without_gain": 0,
            "stop_reason": None,
            **(state or {}),
        }

    # ---- what a trainer gives ----------------------------------------------------------------------------------------

    @abstractmethod
    def work(self, step: int) -> Unit:
        """What step number `step`, from 1, learns from. Changes nothing, so a run can be stopped right after it."""

    @abstractmethod
    def learn(self, step: int, unit: Unit) -> dict[str, float]:
        """The step's updates, each by `update`, at the rate of `set_rate`; returns the step's metrics."""

    def rate_share(self, step: int) -> float:
        """The share of the peak learning rate that the step takes."""
        return 1.0

    def begin(self, log: RunLog) -> None:
        """Called before the first step, in a resumed run too."""

    def evaluate(self, step: int) -> Evaluation | None:
        """Measure the model as it is after the step; None: there is nothing to measure it by."""
        return None

    def evaluates(self, step: int, metrics: Mapping[str, float]) -> bool:
        """Whether the model is measured after the step."""
        return step % self.eval_every == 0 or step == self.total_steps

    def samples(self, step: int, unit: Unit) -> list[dict[str, Any]]:
        """Texts of the step worth reading, for samples.jsonl."""
        return []

    def weights_changed(self) -> None:
        """Called when the model's weights were replaced from outside of `learn`."""

    # ---- what it is given --------------------------------------------------------------------------------------------

    def step(self, step: int) -> dict[str, float]:
        """One whole step; returns its metrics."""
        return self.learn(step, self.work(step))

    def learning_rate(self, step: int) -> float:
        return self.peak_rate * self.rate_share(step)

    def set_rate(self, step: int) -> float:
        """Gives the optimiser the step's learning rate, and returns it."""
        share = self.rate_share(step)
        for group in self.optimizer.param_groups:
            group["lr"] = group["peak"] * share
        return self.peak_rate * share

    def update(self, numbers: Iterable[float]) -> bool:
        """One step of the optimiser; none, and False, where one of its losses or its gradient's norm is not finite.

        Raises RunFailed after `max_skipped_steps` such steps in a row: one alone is bad luck, several are a model
        that is broken or a rate that is too high. A good step begins the count anew.
        """
        if all(map(math.isfinite, numbers)):
            self.step_optimizer.step()
            self.state["skipped_in_a_row"] = 0
            return True
        self.state["skipped"] += 1
        self.state["skipped_in_a_row"] += 1
        if self.state["skipped_in_a_row"] >= self.max_skipped_steps:
            kept = latest_checkpoint(self.output)
            raise RunFailed(
                f"loss or gradient was not finite in {self.state['skipped_in_a_row']} optimiser steps in a row; the "
                f"last good checkpoint is {kept or 'none, for the run had just begun'}; {self._advice()}"
            )
        return False

    def _advice(self) -> str:
        return f"lower --learning_rate or look at {self.suspect}"

    # ---- the run -----------------------------------------------------------------------------------------------------

    def run(self, log: RunLog, start: int, stop: StopSignal) -> None:
        """All steps after `start`, then the best weights. Raises Interrupted after a signal, with a checkpoint."""
        self.weights_changed()
        self.begin(log)
        saved_at = time.monotonic()
        for step in range(start + 1, self.total_steps + 1):
            if self.state["stop_reason"]:
                break
            try:
                unit = self.work(step)
            except InputError:  # what was learned so far is good, and what failed may be mended
                self._keep(step - 1)
                raise
            if self.processes.any(stop.requested)[0]:
                self._stop_after(step - 1)
            metrics = self.learn(step, unit)
            evaluated = self.evaluates(step, metrics)
            if evaluated:
                metrics |= self.evaluate_and_compare(step)
            log.log(step, metrics)
            if samples := self.samples(step, unit):
                log.samples(step, samples)
            del unit  # the next one may be large too
            self.state[self.counter] = step
            stopping, due = self.processes.any(stop.requested, time.monotonic() - saved_at >= self.save_seconds)
            if step == self.total_steps or self.state["stop_reason"]:
                break
            if stopping:
                self._stop_after(step)
            if (due or evaluated) and not self.state["skipped_in_a_row"]:
                self.save(step)
                saved_at = time.monotonic()
        if self.state["skipped"] and not self.optimizer.state:  # which the first good step fills
            raise RunFailed(
                f"nothing was learned: loss or gradient was not finite in all {self.state['skipped']} optimiser steps; "
                + self._advice()
            )
        self.optimizer.state.clear()  # nothing more is learned
        give_back_memory()
        self._take_best()

    def _keep(self, step: int) -> None:
        if not self.state["skipped_in_a_row"]:
            self.save(step)

    def _stop_after(self, step: int) -> None:
        self._keep(step)
        raise Interrupted(f"stopped after {self.counter} {step} of {self.total_steps}; start again with --resume")

    def evaluate_and_compare(self, step: int) -> dict[str, float]:
        """The metrics of an evaluation; keeps the weights if they are the best so far."""
        found = self.evaluate(step)
        if found is None:
            return {}
        state = self.state
        if found.value is not None and (state["best_value"] is None or found.value > state["best_value"]):
            state |= {"best_value": found.value, "best_step": step, "evals_without_gain": 0}
            if step < self.total_steps:  # the last step's weights are in memory when they are wanted
                self._save(self.output / BEST, step, {}, keep=2)  # a killed run may go back to the one before
        elif found.value is not None:
            state["evals_without_gain"] += 1
        if found.stop:
            state["stop_reason"] = found.stop
        elif state["evals_without_gain"] >= self.patience > 0:
            state["stop_reason"] = "no_gain"
            if self.processes.main:
                print(f"no gain on the holdout in {state['evals_without_gain']} evaluations", file=sys.stderr)
        return found.metrics

    def _take_best(self) -> None:
        """The weights of the best evaluation, where they are not those in memory."""
        best = self.state["best_step"]
        if best is not None and best != self.state[self.counter]:
            folder = self.output / BEST / f"checkpoint-{best}"
            load_checkpoint(folder, modules={"model": self.model}, optimizers={}, generators={})
            self.weights_changed()

    # ---- checkpoints -------------------------------------------------------------------------------------------------

    def save(self, step: int) -> None:
        """A checkpoint of everything."""
        self._save(self.output, step, {"adamw": self.optimizer}, keep=1)

    def _save(self, folder: Path, step: int, optimizers: dict[str, Optimizer], keep: int) -> None:
        save_checkpoint(
            folder,
            step,
            modules={"model": self.model},
            optimizers=optimizers,
            generators={},
            state=self.state,
            keep=keep,
            write=self.processes.main,
        )
        self.processes.wait()

    def resume(self) -> int:
        """Goes back to the newest checkpoint; returns its step, 0 where there is none.

        Raises InputError when settings or data are not those the checkpoint was made with.
        """
        path = latest_checkpoint(self.output)
        if path is None:
            return 0
        modules, optimizers = {"model": self.model}, {"adamw": self.optimizer}
        found = load_checkpoint(path, modules=modules, optimizers=optimizers, generators={})
        if found.keys() != self.state.keys():
            raise InputError(f"{path} is of another version of this trainer: start anew in another --output")
        changed = [key for key, value in self.state["settings"].items() if found["settings"].get(key) != value]
        if changed or found["data"] != self.state["data"]:
            what = ", ".join(f"--{key}" for key in changed) or f"the {self.data_name}"
            raise InputError(f"{what} changed since {path}: resume with what the run began with, or use a new --output")
        self.state = found
        return int(found[self.counter])
