"""One training from the settings to the finished folder: the output folder's lock, resumption, log, summary.

It knows a trainer's outside only. It imports torch when it trains, so that `--help` answers at once.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from rlhf.config import InputError, to_dict
from rlhf.folders import require_place
from rlhf.model_card import shown
from rlhf.runtime import StopSignal, set_threads
from rlhf.training_settings import TrainingSettings

if TYPE_CHECKING:
    from rlhf.processes import Processes
    from rlhf.training import Trainer

FINISHED = "summary.json"

Finish: TypeAlias = Callable[[float], dict[str, Any]]
"""Saves what was trained to `output/model`, given the seconds it took; returns the summary."""

Prepared: TypeAlias = "tuple[Trainer[Any], Finish]"

C = TypeVar("C", bound=TrainingSettings)


def train(config: C, prepare: Callable[[C, Processes], Prepared]) -> dict[str, Any]:
    """Train in `config.output` what `prepare` makes ready, from the newest checkpoint on where it is to be resumed.

    Everything that can be wrong with what was given is to be found by `prepare`. The summary, returned, is also the
    last line on stdout and `summary.json` in the folder. A finished run that is resumed returns its summary at once.
    Raises InputError, RunFailed, and Interrupted after a signal.
    """
    require_place(config.output, folder=True)
    set_threads()
    from rlhf.checkpoints import clear_checkpoints, output_lock
    from rlhf.processes import Processes
    from rlhf.progress import RunLog
    from rlhf.training import BEST

    output = Path(config.output)
    processes = Processes(config.device)
    lock = output_lock(output) if processes.main else nullcontext()
    with lock, StopSignal() as stop, processes.noticing_loss():
        if config.resume and (output / FINISHED).exists() and (output / "model").exists():
            summary: dict[str, Any] = json.loads((output / FINISHED).read_text())
            print(json.dumps(summary))  # a task that is delivered twice finds its work done
            return summary
        if config.use_peft and processes.sharded:
            raise InputError("LoRA needs no sharding: launch it with plain processes, or full weights with FSDP")
        if not config.resume and processes.main:
            for folder in (output, output / BEST):  # what another training left
                clear_checkpoints(folder)
            for name in ("model", "adapter"):
                shutil.rmtree(output / name, ignore_errors=True)
            (output / FINISHED).unlink(missing_ok=True)
        processes.wait()
        trainer, finish = prepare(config, processes)
        start = trainer.resume()
        settings = shown(to_dict(config) | {"learning_rate": config.peak_learning_rate})
        with RunLog(
            output, trainer.total_steps, trainer.counter, config.report_to, start, settings, active=processes.main
        ) as log:
            trainer.run(log, start, stop)
            summary = finish(log.seconds)
            log.finish(summary)
        if processes.main:
            clear_checkpoints(output)
            shutil.rmtree(output / BEST, ignore_errors=True)
    return summary
