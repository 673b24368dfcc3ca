"""Answers of models: pairs for the labelling queue, both sides of an evaluation, and reward models' scores."""

import time
from collections.abc import Callable
from typing import Any

from app.db import task_session
from app.items import service as items
from app.models import Model, Run
from app.models.documents import RunSummary
from app.policies import evaluations
from app.registry import service as registry
from app.rewards import service as rewards
from workers.runs.attempt import Attempt, Failed, Progress
from workers.runs.follow import JsonLines, Rate, write_lines
from workers.runs.outcome import Outcome
from workers.runs.threads import threads_for

TOGETHER = 20  # answered prompts kept in one transaction: an attempt that goes on from another's may find thousands


def sample_items(attempt: Attempt) -> Outcome:
    """Sample two answers to each prompt; each pair joins the queue as soon as it is there."""
    with task_session() as session:
        run = session.get_one(Run, attempt.run_id)
        rows = items.sampling_rows(session, run)
        settings = _settings(run)
        model = _path(run.model)
    made = 0

    def keep(new: list[dict[str, Any]]) -> None:
        nonlocal made
        with attempt.writing() as (session, run):
            added = sum(items.add_sampled(session, run, row) is not None for row in new)
        made += added

    answered = _answer(attempt, "answers", rows, {"n": 2} | settings | {"model": model}, keep)
    summary: RunSummary = {"prompts": len(answered), "pairs": made, "refused": len(answered) - made}
    return Outcome(summary)


def evaluate(attempt: Attempt) -> Outcome:
    """What an evaluation run asks for: answers of two policies to compare blindly, or scores of a reward model."""
    with task_session() as session:
        task = session.get_one(Run, attempt.run_id).config.get("task")
    return _score(attempt) if task == "score" else _compare(attempt)


def _compare(attempt: Attempt) -> Outcome:
    with task_session() as session:
        run = session.get_one(Run, attempt.run_id)
        if run.baseline is None:
            raise Failed("This evaluation names no policy to compare with; start a new one.")
        rows = evaluations.evaluation_prompts(session, run)
        settings = _settings(run)
        new, old = _path(run.model), _path(run.baseline)
    total = 2 * len(rows)
    ours = _answer(attempt, "answers-new", rows, settings | {"model": new}, total=total)
    theirs = _answer(attempt, "answers-old", rows, settings | {"model": old}, done=len(rows), total=total)
    return Outcome(
        {"prompts": len(rows)}, lambda session, run: evaluations.add_evaluation_items(session, run, ours, theirs)
    )


def _score(attempt: Attempt) -> Outcome:
    with task_session() as session:
        run = session.get_one(Run, attempt.run_id)
        rows = rewards.rows_to_score(session, run)
        settings = _settings(run) | {"model": _path(run.model)}
    scored = JsonLines(attempt.folder / "scores.jsonl")
    if rows:
        files = {"data": str(attempt.folder / "answers.jsonl"), "output": str(scored.path)}
        write_lines(attempt.folder / "answers.jsonl", rows)
        attempt.call(["evaluate", "score"], settings | files, Progress, threads_for("sampling"))
    found = scored.new()

    def keep() -> RunSummary:
        with attempt.writing() as (session, run):
            return rewards.add_scores(session, run, found)

    return Outcome(attempt.insist(keep))


def _answer(
    attempt: Attempt,
    name: str,
    rows: list[dict[str, Any]],
    settings: dict[str, Any],
    keep: Callable[[list[dict[str, Any]]], None] = lambda new: None,
    *,
    done: int = 0,
    total: int | None = None,
) -> list[dict[str, Any]]:
    """Have the rows' prompts answered; `keep` gets each answered row once, soon after it is there. All of them."""
    prompts, output = attempt.folder / f"{name}-prompts.jsonl", attempt.folder / f"{name}.jsonl"
    write_lines(prompts, rows)
    growing = JsonLines(output.with_name(output.name + ".part"))
    rate = Rate()
    seen: set[int] = set()

    def take(found: list[dict[str, Any]]) -> None:
        fresh = [row for row in found if row["id"] not in seen]
        for start in range(0, len(fresh), TOGETHER):
            keep(fresh[start : start + TOGETHER])
            seen.update(row["id"] for row in fresh[start : start + TOGETHER])
            attempt.keep_alive()

    def news() -> Progress:
        take(growing.new())
        pace = rate.at(time.monotonic(), len(seen))
        return Progress(step=done + len(seen), total_steps=total or len(rows), unit="prompts", steps_per_second=pace)

    files = {"prompts": str(prompts), "output": str(output)}
    attempt.call(["sample"], settings | files, news, threads_for("sampling"))
    answered = JsonLines(output).new()
    attempt.insist(lambda: take(answered))
    attempt.insist(lambda: attempt.beat(news()))
    return answered


def _settings(run: Run) -> dict[str, Any]:
    settings: dict[str, Any] = run.config.get("settings", {})
    return dict(settings)


def _path(model: Model) -> str:
    return str(registry.artifact_path(model).resolve())
