"""What a running training tells: metrics.jsonl, samples.jsonl, a progress bar, trackers, the summary at the end.

It knows names and numbers, steps and files. It does not know what the numbers mean.
"""

from __future__ import annotations

import importlib
import json
import math
import os
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol

from tqdm import tqdm  # type: ignore[import-untyped]

from rlhf import lease
from rlhf.config import InputError

SHOWN = (
    *("loss", "eval_loss", "accuracy", "eval_accuracy"),
    *("eval/reward", "objective/scores", "objective/kl", "val/unfinished"),
)


class Tracker(Protocol):
    def log(self, step: int, metrics: Mapping[str, float]) -> None: ...
    def finish(self) -> None: ...


class TensorBoardTracker:
    def __init__(self, output_dir: Path, resume_step: int) -> None:
        _require("tensorboard", "tensorboard")
        writer = importlib.import_module("torch.utils.tensorboard")
        self._writer = writer.SummaryWriter(output_dir / "tensorboard", purge_step=resume_step + 1)

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        for name, value in metrics.items():
            self._writer.add_scalar(name, value, step)

    def finish(self) -> None:
        self._writer.close()


class ModuleTracker:
    """wandb, and trackio, which has the same three functions."""

    def __init__(self, package: str, output_dir: Path, resume_step: int) -> None:
        self._module = _require(package, package)
        name = output_dir.resolve().name
        if package == "wandb":
            resume = "allow" if resume_step else None
            self._module.init(project="hone", id=name, name=name, dir=str(output_dir), resume=resume)
        else:
            self._module.init(project="hone", name=name, resume="allow" if resume_step else "never")

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        self._module.log(dict(metrics), step=step)

    def finish(self) -> None:
        self._module.finish()


def _require(module: str, package: str) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError:
        raise InputError(f"--report_to {package} needs a package that is missing: pip install {package}") from None


def _trackers(names: Sequence[str], output_dir: Path, resume_step: int) -> list[Tracker]:
    made: list[Tracker] = []
    for name in names:
        if name == "tensorboard":
            made.append(TensorBoardTracker(output_dir, resume_step))
        elif name in ("wandb", "trackio"):
            made.append(ModuleTracker(name, output_dir, resume_step))
        elif name != "none":
            raise InputError(f"--report_to {name} is unknown: choose among none, tensorboard, wandb, trackio")
    return made


def finite(values: Mapping[str, Any]) -> dict[str, Any]:
    """JSON has no NaN and no infinity: they become null."""
    return {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in values.items()}


def _cut_after(path: Path, step: int) -> list[dict[str, Any]]:
    """Keeps the lines up to `step` in a JSONL file; a half-written line goes too. Returns the lines kept."""
    kept: list[dict[str, Any]] = []
    if not path.exists():
        return kept
    for line in path.read_text(encoding="utf-8").split("\n"):
        try:
            row = json.loads(line)
        except ValueError:
            continue
        if row["step"] <= step:
            kept.append(row)
    beside = path.with_suffix(".part")
    beside.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in kept), encoding="utf-8")
    lease.check()
    os.replace(beside, path)
    return kept


class RunLog:
    """The record of one run, as a context manager.

    output_dir: where metrics.jsonl, samples.jsonl and summary.json go. total_steps: for the bar and the lines.
    unit: what a step is called ("step", "update"). report_to: none, tensorboard, wandb, trackio; several with
    commas. resume_step: lines of later steps are dropped, for they will be run again (0: a new run).
    active: False in all processes but the first, which then only compute.
    """

    def __init__(
        self,
        output_dir: Path,
        total_steps: int,
        unit: str,
        report_to: str = "none",
        resume_step: int = 0,
        active: bool = True,
    ) -> None:
        self.active = active
        self._dir = output_dir
        self._total = total_steps
        self._started = time.monotonic()
        self._trackers: list[Tracker] = []
        if not active:
            return
        names = [name.strip() for name in report_to.split(",") if name.strip()]
        self._trackers = _trackers(names, output_dir, resume_step)
        before = _cut_after(output_dir / "metrics.jsonl", resume_step)
        _cut_after(output_dir / "samples.jsonl", resume_step)
        # The clock goes on from where the killed run stopped.
        self._started -= max((float(row["seconds"]) for row in before), default=0.0)
        self._bar = tqdm(
            total=total_steps,
            initial=resume_step,
            unit=f" {unit}",
            file=sys.stderr,
            dynamic_ncols=True,
            mininterval=0.5 if sys.stderr.isatty() else 15.0,
        )

    @property
    def seconds(self) -> float:
        """Time trained so far, over all the times the run was started."""
        return time.monotonic() - self._started

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        """One step's numbers, all at once: one line in metrics.jsonl, one point for each tracker."""
        if not self.active:
            return
        row = {"step": step, "total_steps": self._total, "seconds": round(self.seconds, 3), **metrics}
        self._append("metrics.jsonl", [finite(row)])
        for tracker in self._trackers:
            tracker.log(step, metrics)
        shown = {name: f"{metrics[name]:.4g}" for name in SHOWN if name in metrics}
        self._bar.set_postfix(shown, refresh=False)
        self._bar.update(step - self._bar.n)

    def samples(self, step: int, rows: Iterable[Mapping[str, Any]]) -> None:
        """Texts worth reading, one line each in samples.jsonl."""
        if self.active:
            self._append("samples.jsonl", [finite({"step": step, **row}) for row in rows])

    def _append(self, name: str, rows: Sequence[Mapping[str, Any]]) -> None:
        lease.check()
        with open(self._dir / name, "a", encoding="utf-8") as handle:
            handle.write("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))

    def finish(self, summary: Mapping[str, Any]) -> None:
        """Writes summary.json and says it on the last line of stdout."""
        if not self.active:
            return
        self.close()
        text = json.dumps(finite(summary), ensure_ascii=False)
        beside = self._dir / ".summary.json.part"
        beside.write_text(text + "\n", encoding="utf-8")
        lease.check()
        os.replace(beside, self._dir / "summary.json")
        print(text, flush=True)

    def close(self) -> None:
        if self.active:
            self._bar.close()
            for tracker in self._trackers:
                tracker.finish()
            self._trackers = []

    def __enter__(self) -> RunLog:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
