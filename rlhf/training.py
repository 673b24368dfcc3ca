"""What every training command does around its trainer: output folder, checkpoints, resumption, signals, summary.

It knows folders and steps. It does not know what is trained.
"""

from __future__ import annotations

import json
import shutil
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any, ClassVar, Protocol

from torch import nn
from torch.optim import Optimizer

from rlhf.checkpoints import clear_checkpoints, latest_checkpoint, load_checkpoint, output_lock, save_checkpoint
from rlhf.config import InputError
from rlhf.processes import Processes
from rlhf.progress import RunLog
from rlhf.runtime import StopSignal

BEST = "best"  # folder of the best weights so far
FINISHED = "summary.json"


class TrainingConfig(Protocol):
    """The settings that every training has."""

    @property
    def output(self) -> str: ...
    @property
    def resume(self) -> bool: ...
    @property
    def device(self) -> str: ...
    @property
    def report_to(self) -> str: ...


class Trainer(ABC):
    """A training that can be stopped after any step and goes on to the bit from `state`, model and optimiser.

    `state` holds "settings" (those that must stay), "data" (a name for it) and, under `counter`, the steps done.
    """

    counter: ClassVar[str]  # what a step is called: step, update
    data_name: ClassVar[str]

    output: Path
    model: nn.Module
    optimizer: Optimizer
    processes: Processes
    state: dict[str, Any]
    total_steps: int

    @abstractmethod
    def run(self, log: RunLog, start: int, stop: StopSignal) -> None:
        """All steps after `start`. Raises Interrupted after a signal, with a checkpoint written."""

    def save(self, step: int) -> None:
        """A checkpoint of everything."""
        self._save(self.output, step, {"adamw": self.optimizer}, keep=1)

    def save_best(self, step: int, keep: int = 1) -> None:
        """The weights alone, as the best so far."""
        self._save(self.output / BEST, step, {}, keep)

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
        changed = [key for key, value in self.state["settings"].items() if found["settings"].get(key) != value]
        if changed or found["data"] != self.state["data"]:
            what = ", ".join(f"--{key}" for key in changed) or f"the {self.data_name}"
            raise InputError(f"{what} changed since {path}: resume with what the run began with, or use a new --output")
        self.state = found
        return int(found[self.counter])


Finish = Callable[[float], dict[str, Any]]  # saves what was trained, given the seconds it took; returns the summary


def train(config: TrainingConfig, prepare: Callable[[Processes], tuple[Trainer, Finish]]) -> dict[str, Any]:
    """Train in `config.output` what `prepare` makes ready, from the newest checkpoint on where it is to be resumed.

    The summary, returned, is also the last line on stdout and `summary.json` in the folder. A finished run that is
    resumed returns its summary at once. Raises InputError, RunFailed, and Interrupted after a signal.
    """
    output = Path(config.output)
    processes = Processes(config.device)
    with output_lock(output) if processes.main else nullcontext(), StopSignal() as stop:
        if config.resume and (output / FINISHED).exists() and (output / "model").exists():
            summary: dict[str, Any] = json.loads((output / FINISHED).read_text())
            print(json.dumps(summary))  # a task that is delivered twice finds its work done
            return summary
        if not config.resume and processes.main:
            _clear(output)
        processes.wait()
        trainer, finish = prepare(processes)
        start = trainer.resume()
        with RunLog(
            output, trainer.total_steps, trainer.counter, config.report_to, start, active=processes.main
        ) as log:
            trainer.run(log, start, stop)
            summary = finish(log.seconds)
            log.finish(summary)
        if processes.main:
            clear_checkpoints(output)
            shutil.rmtree(output / BEST, ignore_errors=True)
    return summary


def _clear(output: Path) -> None:
    """Remove what another training left in the folder."""
    for folder in (output, output / BEST):
        clear_checkpoints(folder)
    for name in ("model", "adapter"):
        shutil.rmtree(output / name, ignore_errors=True)
    (output / FINISHED).unlink(missing_ok=True)
