"""Policies that learned from the same labels, side by side: what a reward model says of their responses to the same
holdout prompts, how far they are from the base model, how long their responses are, and what people say of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import Session

from app.methods import title_of
from app.models import Model, ModelKind, Project, Run, ScoringConfig, Snapshot, User
from app.models.documents import Measure
from app.policies import queries, results
from app.registry import service as registry
from app.runs import service as runs
from app.runs.service import project_of
from app.web.errors import Conflict, NotFound

PROMPTS = 64  # that policies are measured on at most
MOST = 16  # policies that one run measures


@dataclass(frozen=True)
class Row:
    """One policy. `measure` is by the reward model of the table, `against_base` by people; None where there is none."""

    model: Model
    method: str
    seconds: float | None
    measure: Measure | None
    against_base: results.Result | None


@dataclass(frozen=True)
class Table:
    """The policies of one snapshot of labels, the oldest first. `scored_by`: the reward model of all their measures."""

    snapshot: Snapshot
    rows: list[Row]
    scored_by: Model | None


def snapshots(session: Session, project: Project) -> list[Snapshot]:
    """The snapshots that policies have learned from, themselves or by a reward model, the newest first."""
    found = {snapshot.id: snapshot for _, _, snapshot in queries.policies_with_labels(session, project.id)}
    return [found[id_] for id_ in sorted(found, reverse=True)]


def table(session: Session, project: Project, snapshot_id: int | None = None) -> Table | None:
    """The policies of a snapshot, of the newest one that has any where none is named; None where there are none.
    Raises NotFound for a snapshot that no policy of this project has learned from."""
    learned = queries.policies_with_labels(session, project.id)
    if not learned and snapshot_id is None:
        return None
    wanted = max(snapshot.id for _, _, snapshot in learned) if snapshot_id is None else snapshot_id
    of_it = [(model, run, snapshot) for model, run, snapshot in learned if snapshot.id == wanted]
    if not of_it:
        raise NotFound("No policy of this project has learned from these labels.")
    measured = queries.last_measuring(session, project.id, [model.id for model, _, _ in of_it])
    measures = (measured.summary or {}).get("measures", {}) if measured else {}
    rows = [
        Row(
            model,
            title_of(run.method or ""),
            model.metrics.get("seconds"),  # type: ignore[arg-type]  # what trainers say beside what is named
            measures.get(str(model.id)),
            _against_base(session, project, model),
        )
        for model, run, _ in of_it
    ]
    return Table(of_it[0][2], rows, measured.reward_model if measured else None)


def _against_base(session: Session, project: Project, model: Model) -> results.Result | None:
    run = queries.comparison(session, project.id, model.id, project.base_model_id)
    return results.between(session, run, model.id, project.base_model_id) if run else None


def start(session: Session, project: Project, actor: User, snapshot_id: int | None = None) -> Run:
    """Queue a run that measures all policies of a snapshot, as `table` names it, by the newest reward model."""
    shown = table(session, project, snapshot_id)
    judge = registry.newest(session, project.id, ModelKind.REWARD)
    if shown is None or judge is None:
        raise Conflict("Policies are measured by a reward model. Train a policy and a reward model first.")
    usable = [row.model.id for row in shown.rows if registry.is_usable(row.model)][-MOST:]
    prompt_ids = queries.holdout_prompt_ids(session, project.id, PROMPTS)
    if not usable or not prompt_ids:
        raise Conflict("There is nothing to measure: it takes policies with files, and holdout prompts.")
    for needed in (judge, project.base_model):
        registry.require_ready(needed)
    config = ScoringConfig(policy_ids=usable, prompt_ids=prompt_ids)
    return runs.create(session, project, config, model=project.base_model, reward_model=judge, created_by=actor)


def commands(session: Session, run: Run) -> tuple[list[dict[str, Any]], dict[str, Any], dict[int, str]]:
    """(rows of prompts, settings, address by policy) of a run that measures."""
    if run.reward_model is None:
        raise Conflict("This run names no reward model; start a new one.")
    asked, sampling = run.asked(ScoringConfig), session.get_one(Project, project_of(run)).sampling
    rows = [{"prompt": prompt.messages} for prompt in queries.prompts(session, asked.prompt_ids)]
    settings = {
        "baseline": registry.address(run.model),
        "reward": registry.address(run.reward_model),
        "temperature": sampling.temperature,
        "max_new_tokens": sampling.max_new_tokens,
    }
    return rows, settings, _addresses(session, asked.policy_ids or ())


def _addresses(session: Session, model_ids: Sequence[int]) -> dict[int, str]:
    return {id_: registry.address(session.get_one(Model, id_)) for id_ in model_ids}
