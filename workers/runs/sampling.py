"""Responses of models: pairs for the labelling queue, both sides of an evaluation, and reward models' scores."""

import json
from collections import Counter
from typing import Any

from app.db import task_session
from app.items import plan
from app.items import service as items
from app.models import EvaluationConfig, Run, ScoringConfig
from app.models.documents import Measure, RunSummary
from app.policies import evaluations, measures
from app.registry import service as registry
from app.rewards import head_queries
from app.rewards import service as rewards
from rlhf.similarity import repeats
from workers.heads import choice
from workers.runs.attempt import Attempt, Failed, Progress
from workers.runs.follow import write_lines
from workers.runs.outcome import Outcome
from workers.runs.scoring import scores_of
from workers.runs.threads import threads_for
from workers.sources.registry import source_of
from workers.sources.source import Asked


def sample_items(attempt: Attempt) -> Outcome:
    """Ask the models of the run's plan one after the other; an item joins the queue as soon as the last one has
    responded to its prompt."""
    with task_session() as session:
        run = session.get_one(Run, attempt.run_id)
        rows = items.sampling_rows(session, run)
        parts = plan.parts_of(session, run)
        chooser = choice.chooser(session, run)
    before: dict[int, list[list[dict[str, Any]]]] = {row["id"]: [] for row in rows}
    made = 0

    def keep(new: list[dict[str, Any]]) -> None:
        nonlocal made
        with attempt.writing() as (session, run):
            for row in new:
                sampled = distinct([*before[row["id"]], row["responses"]])
                made += items.add_sampled(session, run, row["id"], sampled) is not None

    total = len(parts) * len(rows)
    asked = [
        Asked(part.model.id, _file(number), rows, part.settings.model_dump(), before=number * len(rows), total=total)
        for number, part in enumerate(parts)
    ]
    if chooser is None:
        asked[-1].keep = keep
    notes: Counter[str] = Counter()
    answered = []
    for part, ask in zip(parts, asked, strict=True):
        answered = source_of(part.model).respond(attempt, ask)
        for row in answered:
            before[row["id"]].append(row["responses"])
        notes.update({f"{part.model.name}: {note}": count for note, count in ask.notes.items()})
    if chooser is not None:
        sampled = {row["id"]: distinct(before[row["id"]]) for row in answered}
        made = choice.add(attempt, chooser, rows, sampled)
    summary: RunSummary = {"prompts": len(answered), "pairs": made, "refused": len(answered) - made}
    if notes:
        summary["notes"] = dict(notes)
    return Outcome(summary)


def _file(number: int) -> str:
    """The name of a part's files; the first one's is that of all responses in runs from before there were several."""
    return "answers" if number == 0 else f"answers-{number}"


def distinct(groups: list[list[dict[str, Any]]]) -> list[list[dict[str, Any]]]:
    """Without the responses that are nearly the same as an earlier one, or say nothing."""
    places = [(source, place) for source, group in enumerate(groups) for place in range(len(group))]
    out = {places[each] for each in repeats([groups[source][place]["text"] for source, place in places])}
    return [
        [each for place, each in enumerate(group) if (source, place) not in out] for source, group in enumerate(groups)
    ]


def evaluate(attempt: Attempt) -> Outcome:
    """Have several models respond to the same prompts, for people to compare blindly."""
    with task_session() as session:
        run = session.get_one(Run, attempt.run_id)
        if run.baseline is None:
            raise Failed("This evaluation names no policy to compare with; start a new one.")
        rows = evaluations.evaluation_prompts(session, run)
        settings = run.asked(EvaluationConfig).settings.model_dump()
        models = evaluations.models_of(session, run)
        sources = [source_of(model) for model in models]
    names = ["answers-new", "answers-old", *(f"answers-{number}" for number in range(2, len(models)))]
    asked = [
        Asked(model.id, name, rows, settings, before=number * len(rows), total=len(models) * len(rows))
        for number, (model, name) in enumerate(zip(models, names, strict=True))
    ]
    answered = [source.respond(attempt, ask) for source, ask in zip(sources, asked, strict=True)]
    prompts = len(rows)
    return Outcome({"prompts": prompts}, lambda session, run: evaluations.add_evaluation_items(session, run, answered))


def score(attempt: Attempt) -> Outcome:
    """Have a reward model score responses that are there, or those of policies."""
    with task_session() as session:
        run = session.get_one(Run, attempt.run_id)
        if run.asked(ScoringConfig).policy_ids is not None:
            return _measure(attempt, *measures.commands(session, run))
        rows = rewards.rows_to_score(session, run)
        settings = {"model": registry.address(run.model)}
    found, features = scores_of(attempt, rows, settings)

    def keep() -> RunSummary:
        with attempt.writing() as (session, run):
            head_queries.add_features(session, run.model_id, features)
            return rewards.add_scores(session, run, found)

    return Outcome(attempt.insist(keep))


def _measure(attempt: Attempt, rows: list[dict[str, Any]], settings: dict[str, Any], models: dict[int, str]) -> Outcome:
    """Have each policy and the base model respond to the same prompts; what was measured before is kept."""
    prompts = attempt.folder / "prompts.jsonl"
    write_lines(prompts, rows)
    found: dict[str, Measure] = {}
    for done, (model_id, address) in enumerate(models.items()):
        figures = attempt.folder / f"figures-{model_id}.json"
        if not figures.exists():
            given = settings | {"model": address, "prompts": str(prompts), "figures": str(figures)}
            news = Progress(step=done, total_steps=len(models), unit="policies")
            attempt.call(["rlhf.evaluate", "policy"], given, lambda news=news: news, threads_for("sampling"))  # type: ignore[misc]
        found[str(model_id)] = json.loads(figures.read_text(encoding="utf-8"))
    return Outcome({"measures": found})
