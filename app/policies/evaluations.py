"""Blind evaluation: items of a policy's and another's answers to holdout prompts, judged by people who see neither's
name, and what their judgements say."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import Session

from app.annotation import first
from app.items import service as items
from app.models import EvaluationConfig, Level, Model, Project, Purpose, Run, SamplerSettings, User
from app.policies import queries
from app.policies.intervals import anytime_interval
from app.registry import service as registry
from app.runs import service as runs
from app.web.errors import Conflict, Invalid


@dataclass(frozen=True)
class Result:
    """What an evaluation says so far, from the policy's side. `rate` and its bounds count ties, "both bad" and equal
    answers as half a win; `judged` items have all the labels they ask for, `equal` needed none."""

    items: int
    judged: int
    equal: int
    wins: float
    losses: float
    ties: float
    both_bad: float
    rate: float | None
    low: float
    high: float


def start_evaluation(
    session: Session,
    project: Project,
    actor: User | None,
    policy: Model,
    baseline: Model,
    comparisons: int = 100,
    overlap: int = 1,
) -> Run:
    """Queue the sampling of both policies on holdout prompts; the items then go to the annotators.

    Where there are fewer prompts than comparisons, several answers are drawn for each.
    """
    if policy.id == baseline.id:
        raise Invalid("Choose two different policies to compare.", field="baseline_id")
    for model in (policy, baseline):
        registry.require_answers(model)
    prompt_ids = queries.holdout_prompt_ids(session, project.id, comparisons)
    if not prompt_ids:
        raise Conflict("There are no holdout prompts to compare on. Import prompts; every fifth or so is held out.")
    sampling = project.sampling
    settings = sampling.model_dump() | {"strategy": "stochastic", "n": -(-comparisons // len(prompt_ids)), "seed": 0}
    config = EvaluationConfig(
        prompt_ids=prompt_ids, comparisons=comparisons, overlap=overlap, settings=SamplerSettings(**settings)
    )
    return runs.create(session, project, config, model=policy, baseline=baseline, created_by=actor)


def evaluation_prompts(session: Session, run: Run) -> list[dict[str, Any]]:
    """What both samplings get: {"id", "prompt"} for each holdout prompt of the run."""
    prompt_ids = run.asked(EvaluationConfig).prompt_ids
    return [{"id": row.id, "prompt": row.messages} for row in queries.prompts(session, prompt_ids)]


def add_evaluation_items(
    session: Session, run: Run, rows_new: list[dict[str, Any]], rows_old: list[dict[str, Any]]
) -> int:
    """Turn the answers of both models into items for the annotators, and say so in the run's summary.

    Two equal answers need no judgement: they count as a tie. Asking again for the same run adds nothing.
    """
    if run.baseline_id is None:
        raise ValueError("an evaluation compares two models")
    if "pairs" in (run.summary or {}):
        return 0
    prompts = {prompt.id: prompt for prompt in queries.prompts(session, [row["id"] for row in rows_new])}
    for prompt in prompts.values():
        items.render_prompt(prompt)
    old_by_prompt = {row["id"]: row["responses"] for row in rows_old}
    config = run.asked(EvaluationConfig)
    wanted = config.comparisons
    made = equal = 0
    depth = max((len(row["responses"]) for row in rows_new), default=0)
    for draw in range(depth):  # all prompts once before any prompt twice
        for row in rows_new:
            new, old = row["responses"], old_by_prompt.get(row["id"], [])
            if draw >= min(len(new), len(old)) or made + equal >= wanted:
                continue
            if new[draw]["text"].strip() == old[draw]["text"].strip():
                equal += 1
                continue
            answers = [
                items.sampled_response(run, model_id, row["id"], response)
                for model_id, response in ((run.model_id, new[draw]), (run.baseline_id, old[draw]))
            ]
            items.add(
                session,
                first(),
                prompts[row["id"]],
                answers,
                run_id=run.id,
                ordinal=draw,
                purpose=Purpose.EVALUATION,
                level=Level.EVALUATION,
                overlap=config.overlap,
            )
            made += 1
    run.summary = (run.summary or {}) | {"pairs": made, "equal_answers": equal}
    session.flush()
    return made


def evaluation_result(session: Session, run: Run) -> Result:
    """The policy's win rate with a 95% interval that stays valid however often one looks.

    An item counts once it has all its labels, with their mean as its value. Equal answers are a known share of the
    comparisons at one half each, so they move the rate and shrink the interval, and no bet is made on them.
    """
    rows = queries.evaluation_votes(session, run.id, run.model_id)
    whole = [row for row in rows if row.labels >= row.wanted]
    values = [(row.wins + 0.5 * (row.ties + row.both_bad)) / row.labels for row in whole]
    asked = queries.count_items(session, run.id)
    equal = int((run.summary or {}).get("equal_answers", 0))
    share = asked / (asked + equal) if asked + equal else 1.0
    interval = anytime_interval(values)

    def overall(rate: float) -> float:
        return 0.5 * (1.0 - share) + share * rate

    return Result(
        items=asked,
        judged=len(whole),
        equal=equal,
        wins=sum(row.wins / row.labels for row in whole),
        losses=sum(row.losses / row.labels for row in whole),
        ties=sum(row.ties / row.labels for row in whole),
        both_bad=sum(row.both_bad / row.labels for row in whole),
        rate=overall(sum(values) / len(values)) if values else None,
        low=overall(interval.low),
        high=overall(interval.high),
    )
