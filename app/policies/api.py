"""Policies in the JSON API."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated

from fastapi import Query

from app.models import Model, ModelKind, Run, RunKind
from app.models.documents import Measure
from app.policies import evaluations, measures, results, service
from app.policies.forms import EvaluationForm, LabelsForm, PromotionForm
from app.projects.dependencies import Manager
from app.registry import queries
from app.registry import service as registry
from app.registry.views import ModelView
from app.runs import service as runs
from app.runs.api import RunView
from app.web.dependencies import Db, RowId
from app.web.errors import NotFound
from app.web.pages import Paging, page
from app.web.routing import Router
from app.web.views import Listing, View

router = Router(tags=["policies"])


class ResultView(View):
    """What an evaluation says so far, from the policy's side. The 95% interval `low` to `high` of the win rate stays
    valid however often it is looked at; ties, "both bad" and equal responses count one half."""

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


class ComparedView(View):
    """What an evaluation says so far of two of its models, from the first one's side."""

    model_id: int
    model_name: str
    other_id: int
    other_name: str
    result: ResultView


class EvaluationView(View):
    """An evaluation and its result so far. `result` is of the policy against the first of the other models, `pairs` of
    each two."""

    run: RunView
    result: ResultView
    pairs: list[ComparedView]


class ComparedPolicy(View):
    """One policy. `measure` is what a reward model says of its responses to holdout prompts, `against_base` what people
    say of it against the base model; null where there is none."""

    model_id: int
    name: str
    method: str
    seconds: float | None
    measure: Measure | None
    against_base: ResultView | None


class ComparedPolicies(View):
    """The policies that learned from one snapshot of labels, the oldest first, measured by one reward model."""

    labels: int
    scored_by: int | None
    policies: list[ComparedPolicy]


def evaluation_view(run: Run, pairs: Sequence[results.Compared]) -> EvaluationView:
    """An evaluation and what it says of each two of its models."""
    views = [
        ComparedView(
            model_id=pair.model.id,
            model_name=pair.model.name,
            other_id=pair.other.id,
            other_name=pair.other.name,
            result=ResultView(**asdict(pair.result)),
        )
        for pair in pairs
    ]
    return EvaluationView(run=RunView.model_validate(run), result=views[0].result, pairs=views)


class LineageView(View):
    """A policy, its ancestors from the base model on, and whether it is the current one."""

    model: ModelView
    lineage: list[ModelView]
    in_use: bool


@router.get("/projects/{project_id}/policies")
def list_policies(session: Db, access: Manager, chosen: Annotated[Paging, Query()]) -> Listing[ModelView]:
    """The project's policies, newest first. The current one is the project's `policy_id`; null: the base model."""
    policies = queries.models_of(access.project.id, ModelKind.POLICY)
    return Listing[ModelView].of(page(session, policies, Model.id, chosen.before, chosen.limit))


@router.get("/projects/{project_id}/policies/compare")
def compare_policies(session: Db, access: Manager, chosen: Annotated[LabelsForm, Query()]) -> ComparedPolicies:
    """Policies that learned from the same labels, by whatever method, side by side."""
    table = measures.table(session, access.project, chosen.labels)
    if table is None:
        raise NotFound("No policy of this project has learned from labels yet.")
    rows = [
        ComparedPolicy(
            model_id=row.model.id,
            name=row.model.name,
            method=row.method,
            seconds=row.seconds,
            measure=row.measure,
            against_base=ResultView(**asdict(row.against_base)) if row.against_base else None,
        )
        for row in table.rows
    ]
    judge = table.scored_by
    return ComparedPolicies(labels=table.snapshot.id, scored_by=judge.id if judge else None, policies=rows)


@router.post("/projects/{project_id}/policies/compare", status_code=201)
def measure_policies(session: Db, access: Manager, chosen: LabelsForm) -> RunView:
    """Have the newest reward model score what all of them respond to the same holdout prompts."""
    return RunView.model_validate(measures.start(session, access.project, access.user, chosen.labels))


@router.post("/projects/{project_id}/policies/roll-back")
def roll_back_policy(session: Db, access: Manager) -> ModelView:
    """Go back to the policy that was the current one before; answers with it."""
    return ModelView.model_validate(service.current_policy(service.roll_back(session, access.project, access.user)))


@router.get("/projects/{project_id}/policies/evaluations/{run_id}")
def show_evaluation(session: Db, access: Manager, run_id: RowId) -> EvaluationView:
    """An evaluation's result so far."""
    run = runs.get(session, access.project, run_id)
    if run.kind is not RunKind.EVALUATION:
        raise NotFound(f"Run {run_id} is no evaluation.")
    return evaluation_view(run, results.of_each_two(session, run))


@router.get("/projects/{project_id}/policies/{model_id}")
def show_policy(session: Db, access: Manager, model_id: RowId) -> LineageView:
    """One policy."""
    model = service.get(session, access.project, model_id)
    return LineageView(
        model=ModelView.model_validate(model),
        lineage=[ModelView.model_validate(each) for each in registry.lineage(session, model)],
        in_use=service.current_policy(access.project).id == model.id,
    )


@router.post("/projects/{project_id}/policies/{model_id}/evaluations", status_code=201)
def start_evaluation(session: Db, access: Manager, model_id: RowId, wanted: EvaluationForm) -> RunView:
    """Send items of this policy and another (where none is named: the current one) to the annotators: pairs, or
    rankings where `other_ids` names more."""
    model = service.comparable(session, access.project, model_id)
    others = service.opponents(session, access.project, wanted)
    run: Run = evaluations.start_evaluation(
        session, access.project, access.user, model, others, wanted.comparisons, wanted.overlap
    )
    return RunView.model_validate(run)


@router.post("/projects/{project_id}/policies/{model_id}/promote")
def promote_policy(session: Db, access: Manager, model_id: RowId, sure: PromotionForm | None = None) -> ModelView:
    """Make this the current policy. 409 where nothing speaks for it and `confirm_without_evaluation` is not set."""
    model = service.get(session, access.project, model_id)
    confirmed = sure.confirm_without_evaluation if sure else False
    service.promote(session, access.project, access.user, model, confirmed)
    return ModelView.model_validate(model)
