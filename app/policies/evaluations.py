"""Blind evaluation: items of a policy's and other models' responses to holdout prompts, judged by people who see no
names: pairs of two models, rankings of more. What the judgements say is in results.py."""

from collections.abc import Sequence
from random import SystemRandom
from typing import Any

from sqlalchemy.orm import Session

from app.annotation import comparing
from app.items import service as items
from app.models import EvaluationConfig, Level, Model, Project, Purpose, Run, SamplerSettings, User
from app.policies import queries
from app.registry import service as registry
from app.runs import service as runs
from app.web.errors import Conflict, Invalid

_draw = SystemRandom()


def start_evaluation(
    session: Session,
    project: Project,
    actor: User | None,
    policy: Model,
    others: Sequence[Model],
    comparisons: int = 100,
    overlap: int = 1,
) -> Run:
    """Queue the sampling of all these models on holdout prompts; the items then go to the annotators.

    Where there are fewer prompts than comparisons, several responses are sampled for each.
    """
    models = [policy, *others]
    if len({model.id for model in models}) < len(models):
        raise Invalid("Choose different policies to compare.", field="baseline_id")
    comparing(len(models))
    for model in models:
        registry.require_usable(model)
    prompt_ids = queries.holdout_prompt_ids(session, project.id, comparisons)
    if not prompt_ids:
        raise Conflict("There are no holdout prompts to compare on. Import prompts; every fifth or so is held out.")
    sampling = project.sampling
    settings = sampling.model_dump() | {"strategy": "stochastic", "n": -(-comparisons // len(prompt_ids)), "seed": 0}
    config = EvaluationConfig(
        prompt_ids=prompt_ids,
        comparisons=comparisons,
        overlap=overlap,
        other_ids=[model.id for model in others[1:]],
        settings=SamplerSettings(**settings),
    )
    return runs.create(session, project, config, model=policy, baseline=others[0], created_by=actor)


def models_of(session: Session, run: Run) -> list[Model]:
    """The models that an evaluation compares: the policy that it is about, then the others."""
    if run.baseline is None:
        raise ValueError("an evaluation compares several models")
    others = (session.get_one(Model, id_) for id_ in run.asked(EvaluationConfig).other_ids)
    return [run.model, run.baseline, *others]


def evaluation_prompts(session: Session, run: Run) -> list[dict[str, Any]]:
    """What all samplings get: {"id", "prompt"} for each holdout prompt of the run."""
    prompt_ids = run.asked(EvaluationConfig).prompt_ids
    return [{"id": row.id, "prompt": row.messages} for row in queries.prompts(session, prompt_ids)]


def add_evaluation_items(session: Session, run: Run, answered: Sequence[Sequence[dict[str, Any]]]) -> int:
    """Turn the rows that each model wrote, in the order of `models_of`, into items for the annotators, and say so in
    the run's summary.

    Where all answers to a prompt are equal nobody is asked: they count as ties. Prompts are asked in random order, the
    items of each one after the other: results are read in that order. Asking again for the same run adds nothing.
    """
    if "pairs" in (run.summary or {}):
        return 0
    model_ids = [model.id for model in models_of(session, run)]
    kind, config = comparing(len(model_ids)).name, run.asked(EvaluationConfig)
    by_prompt = [{row["id"]: row["responses"] for row in rows} for rows in answered]
    prompt_ids = [row["id"] for row in answered[0]]
    prompts = {prompt.id: prompt for prompt in queries.prompts(session, prompt_ids)}
    for prompt in prompts.values():
        items.render_prompt(prompt)
    place = {prompt_id: at for at, prompt_id in enumerate(_draw.sample(prompt_ids, len(prompt_ids)))}
    made = equal = 0
    depth = max((len(row["responses"]) for row in answered[0]), default=0)
    for draw in range(depth):  # all prompts once before any prompt twice
        for prompt_id in prompt_ids:
            given = [found.get(prompt_id, []) for found in by_prompt]
            if draw >= min(map(len, given)) or made + equal >= config.comparisons:
                continue
            shown = [responses[draw] for responses in given]
            if len({response["text"].strip() for response in shown}) == 1:
                equal += 1
                continue
            items.add(
                session,
                kind,
                prompts[prompt_id],
                [
                    items.sampled_response(run, model_id, prompt_id, response)
                    for model_id, response in zip(model_ids, shown, strict=True)
                ],
                run_id=run.id,
                ordinal=draw,
                purpose=Purpose.EVALUATION,
                level=Level.EVALUATION,
                rank=(place[prompt_id] + draw / depth) / len(place),
                overlap=config.overlap,
            )
            made += 1
    run.summary = (run.summary or {}) | {"pairs": made, "equal_answers": equal}
    session.flush()
    return made
