"""Trainings, by whatever method: the files of a run, its command, and where its model goes."""

import json
import shutil
from pathlib import Path
from typing import Any

from app.db import task_session
from app.methods import METHODS, Data
from app.models import Run, TrainingConfig
from app.models.documents import RunSummary
from app.settings import get_settings
from workers.runs.attempt import Attempt, Failed, Progress
from workers.runs.follow import JsonLines, Rate, write_lines
from workers.runs.outcome import Outcome
from workers.runs.threads import threads_for


def train(attempt: Attempt) -> Outcome:
    """Train by the run's method, and put what it makes where the registry and the inference server look."""
    with task_session() as session:
        run = session.get_one(Run, attempt.run_id)
        method = METHODS.get(run.method or "")
        if method is None:
            raise Failed(f"The method {run.method} is not installed on this worker; name it in HONE_EXTENSIONS.")
        data = method.data(session, run)
        settings = run.asked(TrainingConfig).settings | data.settings
    files = _write(attempt.folder, data)
    folder, models = attempt.folder, get_settings().store / "models"
    artifact = f"models/run-{attempt.run_id}-{attempt.claim[:8]}"  # none but this attempt may have put it there
    published = models / f"run-{attempt.run_id}"  # by an earlier version, which was killed before it wrote that down
    if published.exists() and not (folder / "model").exists():
        attempt.publish(published, folder / "model")
    given = settings | files | {"output": str(folder), "resume": True}
    attempt.call(method.command, given, _TrainingNews(folder, method.unit), threads_for("training"))
    if not (folder / "model" / "config.json").is_file():
        raise Failed("The trainer ended well but left no model; its log may say why.")
    attempt.publish(folder / "model", get_settings().store / artifact)
    summary: RunSummary = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
    summary["model"] = artifact  # its place in the store, not on this machine

    def tidy() -> None:
        shutil.rmtree(folder / "model")  # it would keep the space of a model that is archived
        for each in (published, *models.glob(f"run-{attempt.run_id}-*")):  # of attempts that could not write it down
            if each != get_settings().store / artifact:
                shutil.rmtree(each, ignore_errors=True)

    return Outcome(summary, lambda session, run: method.finished(session, run, summary, artifact), tidy)


def _write(folder: Path, data: Data) -> dict[str, str]:
    """Write the rows as files; setting -> path. A resumed run goes on with the files it began with: the first of them
    is written last, so that all are there where it is."""
    paths = {name: folder / f"{name}.jsonl" for name in data.files}
    first, *others = paths
    if not paths[first].exists():
        for name in (*others, first):
            write_lines(paths[name], data.files[name])
    return {name: str(path) for name, path in paths.items() if path.exists()}


class _TrainingNews:
    """New lines of metrics.jsonl and samples.jsonl as progress."""

    def __init__(self, folder: Path, unit: str) -> None:
        self._metrics = JsonLines(folder / "metrics.jsonl")
        self._samples = JsonLines(folder / "samples.jsonl")
        self._unit, self._rate = unit, Rate()

    def __call__(self) -> Progress:
        samples = tuple(_sample(row) for row in self._samples.new())
        rows = self._metrics.new()
        if not rows:
            return Progress(samples=samples)
        pace = None
        for row in rows:
            pace = self._rate.at(float(row["seconds"]), float(row["step"]))
        return Progress(
            step=int(rows[-1]["step"]),
            total_steps=int(rows[-1]["total_steps"]),
            unit=self._unit,
            steps_per_second=pace,
            metrics=tuple(point for row in rows for point in _points(row)),
            samples=samples,
        )


def _points(row: dict[str, Any]) -> list[tuple[str, int, float]]:
    meta = ("step", "total_steps", "seconds")
    numbers = {name: value for name, value in row.items() if isinstance(value, int | float) and name not in meta}
    return [(name[:64], int(row["step"]), float(value)) for name, value in numbers.items()]


def _sample(row: dict[str, Any]) -> dict[str, Any]:
    prompt = row["prompt"]
    messages = [{"role": "user", "content": prompt}] if isinstance(prompt, str) else prompt
    known = ("step", "prompt", "response", "score")
    return {
        "step": int(row["step"]),
        "prompt": messages,
        "response": str(row["response"]),
        "score": row.get("score"),
        "details": {name: value for name, value in row.items() if name not in known},
    }
