"""Reward models and policies: the inputs of a training run, its command, and where its model goes."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sqlalchemy.orm import Session

from app.db import task_session
from app.models import Model, Project, Run, Split
from app.models.documents import RunSummary
from app.policies import service as policies
from app.prompts import service as prompts
from app.registry import service as registry
from app.rewards import service as rewards
from app.rewards import snapshots
from app.settings import get_settings
from workers.runs.attempt import Attempt, Failed, Progress
from workers.runs.follow import JsonLines, Rate, write_lines
from workers.runs.outcome import Outcome
from workers.runs.threads import threads_for


def train_reward(attempt: Attempt) -> Outcome:
    """Train a reward model on the run's snapshot."""
    with task_session() as session:
        run = session.get_one(Run, attempt.run_id)
        if run.snapshot is None:
            raise Failed("This run has no snapshot of labels; start a new one.")
        how = {name: run.config[name] for name in ("aggregation", "question") if name in run.config}
        train, holdout = snapshots.training_rows(session, run.snapshot, **how)
        settings = _settings(run) | {"model": _path(run.model)}
    write_lines(attempt.folder / "train.jsonl", train)
    files = {"data": "train.jsonl"} | write_holdout(attempt.folder, holdout, "eval_data", "choose_data")
    return _train(attempt, "train_reward", settings, files, "steps", rewards.finished)


def train_policy(attempt: Attempt) -> Outcome:
    """Train a policy by PPO against the run's reward model, on the project's training prompts."""
    with task_session() as session:
        run = session.get_one(Run, attempt.run_id)
        if run.reward_model is None:
            raise Failed("This run has no reward model; start a new one.")
        project = session.get_one(Project, run.project_id)
        train = list(prompts.prompt_rows(session, project, Split.TRAIN))
        holdout = list(prompts.prompt_rows(session, project, Split.HOLDOUT))
        settings = _settings(run) | {"model": _path(run.model), "reward": _path(run.reward_model)}
    if not (attempt.folder / "prompts.jsonl").exists():  # a resumed run goes on with the prompts it began with
        write_holdout(attempt.folder, holdout, "eval_prompts", "choose_prompts")
        write_lines(attempt.folder / "prompts.jsonl", train)
    files = {name: f"{name}.jsonl" for name in ("prompts", "eval_prompts", "choose_prompts")}
    files = {name: file for name, file in files.items() if (attempt.folder / file).exists()}
    return _train(attempt, "train_policy", settings, files, "updates", policies.finished)


def write_holdout(folder: Path, rows: list[dict[str, Any]], report: str, choose: str) -> dict[str, str]:
    """The holdout as files for the settings that are to report on a checkpoint and to choose it; their names.

    Where all rows are on one side, as may be of very few, they report, and choose what they can.
    """
    parts = {report: [row for row in rows if not row["chooses"]], choose: [row for row in rows if row["chooses"]]}
    if not all(parts.values()):
        parts = {report: rows, choose: []}
    for name, part in parts.items():
        if part:
            write_lines(folder / f"{name}.jsonl", part)
        else:
            (folder / f"{name}.jsonl").unlink(missing_ok=True)
    return {name: f"{name}.jsonl" for name, part in parts.items() if part}


def _settings(run: Run) -> dict[str, Any]:
    settings: dict[str, Any] = run.config.get("settings", {})
    return dict(settings)


def _path(model: Model) -> str:
    return str(registry.artifact_path(model).resolve())


def _train(
    attempt: Attempt,
    module: str,
    settings: dict[str, Any],
    files: dict[str, str],
    unit: str,
    finished: Callable[[Session, Run, RunSummary, str], Model],
) -> Outcome:
    folder, models = attempt.folder, get_settings().store / "models"
    artifact = f"models/run-{attempt.run_id}-{attempt.claim[:8]}"  # none but this attempt may have put it there
    published = models / f"run-{attempt.run_id}"  # by an earlier version, which was killed before it wrote that down
    if published.exists() and not (folder / "model").exists():
        attempt.publish(published, folder / "model")
    settings |= {name: str(folder / file) for name, file in files.items()}
    settings |= {"output": str(folder), "resume": True}
    attempt.call([module], settings, _TrainingNews(folder, unit), threads_for("training"))
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

    return Outcome(summary, lambda session, run: finished(session, run, summary, artifact), tidy)


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
