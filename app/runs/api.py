"""Runs in the JSON API. Trainings are started here, by whatever method; other runs by the stage they belong to."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import Query
from pydantic import ConfigDict, Field

from app.input import Input
from app.methods import METHODS
from app.models import ModelKind, RunConfig, RunKind, RunState, Setting
from app.projects import bulk
from app.projects.bulk import BulkDone
from app.projects.dependencies import Manager, ManagerAnywhere
from app.runs import comparing, estimate, events, figures, queries, readable_log, service, training
from app.runs.bulk import BULK_RUNS
from app.runs.forms import Compared, RunFilter, RunsBulk, RunWords
from app.runs.table import RUNS
from app.web import tables
from app.web.addresses import LastStep, Step
from app.web.dependencies import Db, RowId
from app.web.routing import Router
from app.web.views import Listing, View

router = Router(tags=["runs"])


class RunView(View):
    """A run. `config` is what it was asked to do, by its kind; `method` is that of a training. Without a project it is
    the whole installation's: the preparation of a base model."""

    id: int
    project_id: int | None
    kind: RunKind
    method: str | None
    state: RunState
    config: RunConfig = Field(discriminator="kind")
    model_id: int | None
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
    name: str
    tags: list[str]
    note: str
    created_by_id: int | None
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None


class ComparedColumnView(View):
    """A column of a comparison, by whose `key` it can be ordered."""

    key: str
    title: str
    help: str
    numeric: bool


class ComparedRunView(View):
    """A run of a comparison, with what its cells say: one for each column, in words."""

    run: RunView
    cells: list[str]


class ComparisonView(View):
    """Runs beside each other."""

    columns: list[ComparedColumnView]
    lines: list[ComparedRunView]


class CurveView(View):
    """A figure over the steps of a run. A value that is not finite is null."""

    steps: list[int]
    values: list[float | None]


class CurvesView(View):
    """A run's figures by their names."""

    curves: dict[str, CurveView]


class SampleView(View):
    """What a policy said at a step of its training."""

    step: int
    prompt: list[dict[str, Any]]
    response: str
    score: float | None
    details: dict[str, Any]


class LogView(View):
    """The end of a log; null where there is none yet."""

    log: str | None


class PresetView(View):
    """Settings to begin from, for a method; what it leaves out keeps its default."""

    name: str
    title: str
    help: str
    settings: dict[str, Setting]


class MethodView(View):
    """A method of training: what it is for, what must be there before, and the settings it takes, as a JSON schema."""

    name: str
    title: str
    help: str
    needs: str
    makes: ModelKind
    missing: str | None
    settings: dict[str, Any]
    presets: list[PresetView]


class EstimateView(View):
    """How long a training will take, judged by earlier ones: `seconds` are null where nothing is known, `why` says in
    a sentence what it rests on."""

    seconds: float | None
    why: str


class NewTraining(Input):
    """A training to start. `settings` are those that `GET /projects/{project_id}/methods` lists for the method; what
    is left out takes its default."""

    model_config = ConfigDict(extra="forbid")

    method: Annotated[str, Field(max_length=64)]
    settings: dict[str, Setting] = Field(default_factory=dict)


@router.get("/projects/{project_id}/methods")
def list_methods(session: Db, access: Manager) -> Listing[MethodView]:
    """The methods of training, all of them; `missing` says what is in the way of starting one now."""
    return Listing[MethodView](
        items=[
            MethodView(
                name=method.name,
                title=method.title,
                help=method.help,
                needs=method.needs,
                makes=method.makes,
                missing=method.missing(session, access.project),
                settings=method.form.model_json_schema(),
                presets=[PresetView.model_validate(preset) for preset in method.presets],
            )
            for method in METHODS.values()
        ]
    )


@router.post("/projects/{project_id}/runs", status_code=201)
def start_training(session: Db, access: Manager, wanted: NewTraining) -> RunView:
    """Start a training by a method."""
    method = training.method(wanted.method)
    form = training.checked(method, method.usual(session, access.project) | wanted.settings)
    return RunView.model_validate(training.start(session, access.project, access.user, method, form))


@router.post("/projects/{project_id}/runs/estimate")
def estimate_training(session: Db, access: Manager, wanted: NewTraining) -> EstimateView:
    """How long a training with these settings will take. Nothing is started."""
    method = training.method(wanted.method)
    given = training.checked(method, method.usual(session, access.project) | wanted.settings).model_dump()
    return EstimateView.model_validate(estimate.of(session, access.project, method, given))


@router.get("/projects/{project_id}/runs/compare")
def compare_runs(session: Db, access: Manager, chosen: Annotated[Compared, Query()]) -> ComparisonView:
    """Up to eight runs beside each other: the settings in which they differ, and the best that each reached."""
    found = comparing.runs(session, access.project, chosen.run)
    return ComparisonView.model_validate(comparing.table(found, comparing.latest(session, found), chosen.sort))


@router.get("/runs")
def list_all_runs(session: Db, user: ManagerAnywhere, chosen: Annotated[RunFilter, Query()]) -> Listing[RunView]:
    """The runs of all projects that I manage, newest first or in another order; for administrators those of the
    installation too."""
    wanted = queries.runs_for(user, chosen)
    return Listing[RunView].of(tables.page(session, RUNS, wanted, chosen.sort, chosen.before, chosen.limit))


@router.get("/runs/{run_id}")
def find_run(session: Db, user: ManagerAnywhere, run_id: RowId) -> RunView:
    """One run of any project that I manage."""
    return RunView.model_validate(service.find(session, user, run_id))


@router.get("/projects/{project_id}/runs")
def list_runs(session: Db, access: Manager, chosen: Annotated[RunFilter, Query()]) -> Listing[RunView]:
    """The project's runs, newest first or in another order."""
    wanted = queries.runs_of(access.project, chosen)
    return Listing[RunView].of(tables.page(session, RUNS, wanted, chosen.sort, chosen.before, chosen.limit))


@router.post("/projects/{project_id}/runs/bulk")
def change_runs(session: Db, access: Manager, body: RunsBulk) -> BulkDone:
    """Do one thing to many runs: cancel, resume or delete them. Up to 200 a call."""
    return bulk.call(session, access, BULK_RUNS, body.action, body)


@router.get("/projects/{project_id}/runs/{run_id}")
def show_run(session: Db, access: Manager, run_id: RowId) -> RunView:
    """One run."""
    return RunView.model_validate(service.get(session, access.project, run_id))


@router.patch("/projects/{project_id}/runs/{run_id}")
def describe_run(session: Db, access: Manager, run_id: RowId, body: RunWords) -> RunView:
    """Give a run a name, tags or a note; what is left out stays."""
    run = service.get(session, access.project, run_id)
    service.describe(session, access.user, run, body)
    return RunView.model_validate(run)


@router.get("/projects/{project_id}/runs/{run_id}/metrics")
def show_run_metrics(session: Db, access: Manager, run_id: RowId, since: Step = 0) -> CurvesView:
    """The run's curves from a step on; long ones are thinned."""
    run = service.get(session, access.project, run_id)
    found = events.curves(figures.points(session, run.id, since))
    return CurvesView(curves={name: CurveView(steps=steps, values=values) for name, (steps, values) in found.items()})


@router.get("/projects/{project_id}/runs/{run_id}/samples")
def list_run_samples(session: Db, access: Manager, run_id: RowId, step: LastStep = None) -> Listing[SampleView]:
    """All that the policy said at a step; at the last one where none is given."""
    run = service.get(session, access.project, run_id)
    steps = figures.sample_steps(session, run.id)
    at = step if step is not None or not steps else steps[-1]
    return Listing[SampleView].of([] if at is None else list(figures.samples(session, run.id, at)))


@router.get("/projects/{project_id}/runs/{run_id}/log")
def show_run_log(session: Db, access: Manager, run_id: RowId) -> LogView:
    """The end of the run's log."""
    return LogView(log=readable_log.tail(service.get(session, access.project, run_id), 1_000_000))


@router.post("/projects/{project_id}/runs/{run_id}/cancel")
def cancel_run(session: Db, access: Manager, run_id: RowId) -> RunView:
    """Stop at the next step, keeping the checkpoint."""
    run = service.get(session, access.project, run_id)
    return RunView.model_validate(service.request_cancel(session, access.user, run))


@router.post("/projects/{project_id}/runs/{run_id}/resume")
def resume_run(session: Db, access: Manager, run_id: RowId) -> RunView:
    """Go on from the last checkpoint."""
    run = service.get(session, access.project, run_id)
    return RunView.model_validate(service.resume(session, access.user, run))


@router.post("/projects/{project_id}/runs/{run_id}/clone", status_code=201)
def clone_run(session: Db, access: Manager, run_id: RowId) -> RunView:
    """Queue a new run with the same inputs and settings."""
    run = service.get(session, access.project, run_id)
    return RunView.model_validate(service.clone(session, access.user, run))


@router.delete("/projects/{project_id}/runs/{run_id}", status_code=204)
def delete_run(session: Db, access: Manager, run_id: RowId) -> None:
    """Delete an ended run with its folder."""
    service.delete(session, access.user, service.get(session, access.project, run_id))
