"""Runs in the JSON API. Trainings are started here, by whatever method; other runs by the stage they belong to."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import Query
from pydantic import BaseModel, ConfigDict, Field

from app.input import Input
from app.methods import METHODS
from app.models import ModelKind, Run, RunConfig, RunKind, RunState, Setting
from app.projects.dependencies import Manager
from app.runs import events, queries, service, training
from app.web.addresses import Before, LastStep, Step
from app.web.dependencies import Db, RowId
from app.web.pages import page
from app.web.routing import Router

router = Router(tags=["runs"])


class RunView(BaseModel):
    """A run. `config` is what it was asked to do, by its kind; `method` is that of a training. Without a project it is
    the whole installation's: the preparation of a base model."""

    model_config = ConfigDict(from_attributes=True)

    id: int
    project_id: int | None
    kind: RunKind
    method: str | None
    state: RunState
    config: RunConfig = Field(discriminator="kind")
    model_id: int
    reward_model_id: int | None
    baseline_id: int | None
    snapshot_id: int | None
    parent_id: int | None
    needs_gpu: bool
    attempt: int
    max_attempts: int
    worker: str | None
    device: str | None
    step: int
    total_steps: int | None
    unit: str | None
    steps_per_second: float | None
    summary: dict[str, Any] | None
    error: str | None
    automatic: bool
    created_by_id: int | None
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None


class RunPage(BaseModel):
    """Some runs; `before` asks for the next ones."""

    runs: list[RunView]
    before: int | None


class SampleView(BaseModel):
    """What a policy said at a step of its training."""

    model_config = ConfigDict(from_attributes=True)

    step: int
    prompt: list[dict[str, Any]]
    response: str
    score: float | None
    details: dict[str, Any]


class LogView(BaseModel):
    """The end of a log; null where there is none yet."""

    log: str | None


class MethodView(BaseModel):
    """A method of training: what it is for, what must be there before, and the settings it takes, as a JSON schema."""

    model_config = ConfigDict(from_attributes=True)

    name: str
    title: str
    help: str
    needs: str
    makes: ModelKind
    missing: str | None
    settings: dict[str, Any]


class NewTraining(Input):
    """A training to start. `settings` are those that `GET /projects/{project_id}/methods` lists for the method; what
    is left out takes its default."""

    model_config = ConfigDict(extra="forbid")

    method: Annotated[str, Field(max_length=64)]
    settings: dict[str, Setting] = Field(default_factory=dict)


@router.get("/projects/{project_id}/methods")
def list_methods(access: Manager, session: Db) -> list[MethodView]:
    """The methods of training; `missing` says what is in the way of starting one now."""
    return [
        MethodView(
            name=method.name,
            title=method.title,
            help=method.help,
            needs=method.needs,
            makes=method.makes,
            missing=method.missing(session, access.project),
            settings=method.form.model_json_schema(),
        )
        for method in METHODS.values()
    ]


@router.post("/projects/{project_id}/runs", status_code=201)
def start_training(access: Manager, session: Db, wanted: NewTraining) -> RunView:
    """Start a training by a method."""
    method = training.method(wanted.method)
    form = training.checked(method, wanted.settings)
    return RunView.model_validate(training.start(session, access.project, access.user, method, form))


@router.get("/projects/{project_id}/runs")
def list_runs(
    access: Manager,
    session: Db,
    kind: RunKind | None = None,
    state: RunState | None = None,
    method: Annotated[str | None, Query(max_length=64)] = None,
    before: Before = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> RunPage:
    """The project's runs, the newest first."""
    found = page(session, queries.runs_of(access.project, kind, state, method), Run.id, before, limit)
    return RunPage(runs=[RunView.model_validate(run) for run in found.items], before=found.before)


@router.get("/projects/{project_id}/runs/{run_id}")
def show_run(access: Manager, session: Db, run_id: RowId) -> RunView:
    """One run."""
    return RunView.model_validate(service.get(session, access.project, run_id))


@router.get("/projects/{project_id}/runs/{run_id}/metrics")
def run_metrics(access: Manager, session: Db, run_id: RowId, since: Step = 0) -> dict[str, list[list[Any]]]:
    """The run's curves from a step on: {name: [[steps], [values]]}; long ones are thinned."""
    run = service.get(session, access.project, run_id)
    return events.curves(queries.points(session, run.id, since))


@router.get("/projects/{project_id}/runs/{run_id}/samples")
def run_samples(access: Manager, session: Db, run_id: RowId, step: LastStep = None) -> list[SampleView]:
    """What the policy said at a step; at the last one where none is given."""
    run = service.get(session, access.project, run_id)
    steps = queries.sample_steps(session, run.id)
    if not steps:
        return []
    found = queries.samples(session, run.id, steps[-1] if step is None else step)
    return [SampleView.model_validate(sample) for sample in found]


@router.get("/projects/{project_id}/runs/{run_id}/log")
def run_log(access: Manager, session: Db, run_id: RowId) -> LogView:
    """The end of the run's log."""
    return LogView(log=service.log_tail(service.get(session, access.project, run_id), 1_000_000))


@router.post("/projects/{project_id}/runs/{run_id}/cancel")
def cancel_run(access: Manager, session: Db, run_id: RowId) -> RunView:
    """Stop at the next step, keeping the checkpoint."""
    run = service.get(session, access.project, run_id)
    return RunView.model_validate(service.request_cancel(session, run, access.user))


@router.post("/projects/{project_id}/runs/{run_id}/resume")
def resume_run(access: Manager, session: Db, run_id: RowId) -> RunView:
    """Go on from the last checkpoint."""
    run = service.get(session, access.project, run_id)
    return RunView.model_validate(service.resume(session, run, access.user))


@router.post("/projects/{project_id}/runs/{run_id}/clone", status_code=201)
def clone_run(access: Manager, session: Db, run_id: RowId) -> RunView:
    """Queue a new run with the same inputs and settings."""
    run = service.get(session, access.project, run_id)
    return RunView.model_validate(service.clone(session, run, access.user))


@router.delete("/projects/{project_id}/runs/{run_id}", status_code=204)
def delete_run(access: Manager, session: Db, run_id: RowId) -> None:
    """Delete an ended run with its folder."""
    service.delete(session, service.get(session, access.project, run_id), access.user)
