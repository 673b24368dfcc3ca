"""What a running training tells: metrics.jsonl, samples.jsonl, a progress bar, trackers, the summary at the end.

It knows names and numbers, steps and files. It does not know what the numbers mean.
"""

from __future__ import annotations

import json
import math
import os
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from tqdm import tqdm  # type: ignore[import-untyped]

from rlhf import lease
from rlhf.trackers import finish_trackers, start_trackers

SHOWN = (
    *("loss", "eval_loss", "accuracy", "eval_accuracy"),
    *("eval/reward", "objective/scores", "objective/kl", "val/unfinished"),
)


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
    commas. resume_step: lines of later steps are dropped, for they will be run again (0: a new run). settings: what
    trackers are told of the run. active: False in all processes but the first, which then only compute.
    """

    def __init__(
        self,
        output_dir: Path,
        total_steps: int,
        unit: str,
        report_to: str = "none",
        resume_step: int = 0,
        settings: Mapping[str, Any] | None = None,
        active: bool = True,
    ) -> None:
        self.active = active
        self._dir = output_dir
        self._total = total_steps
        self._started = time.monotonic()
        self._trackers: list[Any] = []
        if not active:
            return
        self._trackers = start_trackers(report_to, output_dir, resume_step, settings or {})
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
            tracker.log(dict(metrics), step=step)
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
            finish_trackers(self._trackers)
            self._trackers = []

    def __enter__(self) -> RunLog:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
