"""The runs' pages: the list, one run live, several compared. Managers only."""

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import Query, Request
from fastapi.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from pydantic import Field

from app.input import Id
from app.methods import METHODS
from app.methods.metrics import metric
from app.models import Run, RunState
from app.projects import bulk
from app.projects.dependencies import Access, Manager
from app.runs import charts, comparing, events, figures, points_file, queries, readable_log, service, story, views
from app.runs.bulk import BULK_RUNS
from app.runs.forms import RunConditions, RunFilter, RunWords
from app.runs.live import live
from app.runs.table import RUNS
from app.web import seen, tables
from app.web.addresses import LastStep, Step
from app.web.dependencies import Db, RowId, Submitted
from app.web.errors import Invalid
from app.web.events import LiveStream
from app.web.forms import parse, typed
from app.web.render import is_htmx, redirect, render
from app.web.routing import Router
from app.web.slots import SlottedDownload

router = Router()
Chosen = Annotated[list[Id] | None, Query(max_length=100)]
Find = Annotated[str, Query(max_length=200)]
WHOLE = 10_000_000  # octets of a log's end that are sent as a file
Curves = Annotated[list[Annotated[str, Field(max_length=64)]] | None, Query(max_length=500)]


@router.get("/projects/{project_id}/runs")
def list_runs(request: Request, session: Db, access: Manager, chosen: Annotated[RunFilter, Query()]) -> HTMLResponse:
    """The project's runs."""
    found = queries.runs_of(access.project, chosen)
    return tables.show(
        request,
        "runs/list.html",
        RUNS,
        chosen,
        *tables.read(session, RUNS, found, chosen),
        options={
            "method": [(method.name, method.title) for method in METHODS.values()],
            "tag": [(tag, tag) for tag in queries.tags_of(session, access.project)],
        },
        active=queries.active_runs(session, access.project),
        views=views,
    )


@router.get("/projects/{project_id}/runs/bulk")
def ask_about_runs(request: Request, session: Db, access: Manager) -> Response:
    """Ask whether something is to be done to many runs."""
    return bulk.confirm(request, session, access, BULK_RUNS)


@router.post("/projects/{project_id}/runs/bulk")
def change_runs(request: Request, session: Db, access: Manager, form: Submitted) -> Response:
    """Do it."""
    return bulk.act(request, session, access, BULK_RUNS, form)


@router.get("/projects/{project_id}/runs/events")
def active_events(access: Manager) -> LiveStream:
    """Server-sent events: `active` (HTML), what is under way."""
    project_id = access.project.id
    return LiveStream(access.user.id, live.watch(("active", project_id), events.active_look(project_id)))


@router.get("/projects/{project_id}/runs/compare")
def compare(
    request: Request,
    session: Db,
    access: Manager,
    run: Chosen = None,
    sort: Annotated[str, Query(max_length=120)] = "",
    tag: Annotated[str, Query(max_length=40)] = "",
) -> HTMLResponse:
    """Several runs of one kind beside each other: the settings in which they differ, their best values, their curves.
    `sort`: by which column, with a minus the highest first. `tag`: which runs are offered beside them."""
    chosen = comparing.runs(session, access.project, run or [])
    latest = comparing.latest(session, chosen)
    names = sorted({name for rows in latest.values() for name in rows})
    offered = queries.runs_of(access.project, RunConditions(tag=tag))
    recent = tables.page(session, RUNS, offered, RUNS.order, None, 30).items
    return render(
        request,
        "runs/compare.html",
        chosen=chosen,
        latest=latest,
        names=names,
        metric=metric,
        table=comparing.table(chosen, latest, sort) if chosen else None,
        panel=charts.panel(access.project.id, chosen, names),
        recent=[*recent, *(each for each in chosen if each not in recent)],
        tag=tag,
        tags=queries.tags_of(session, access.project),
        views=views,
    )


@router.get("/projects/{project_id}/runs/points.csv")
def download_points(session: Db, access: Manager, run: Chosen = None, curve: Curves = None) -> SlottedDownload:
    """All points of the runs' curves, or of those named, as CSV."""
    chosen = comparing.runs(session, access.project, run or [])
    if not chosen:
        raise Invalid("Name the runs whose curves you want: run=12.")
    return points_file.download([each.id for each in chosen], curve)


@router.get("/projects/{project_id}/runs/{run_id}")
def show_run(
    request: Request, session: Db, access: Manager, run_id: RowId, step: LastStep = None, find: Find = ""
) -> HTMLResponse:
    """One run; htmx gets its panel of actions alone. `find`: the lines of the log with this in them."""
    run = service.get(session, access.project, run_id)
    if is_htmx(request):
        return render(request, "runs/_actions.html", run=run, views=views)
    return _page(request, session, access, run, step, find)


def _page(
    request: Request,
    session: Db,
    access: Access,
    run: Run,
    step: int | None = None,
    find: str = "",
    status: int = 200,
    words: Mapping[str, Any] | None = None,
    errors: Mapping[str, str] | None = None,
) -> HTMLResponse:
    """`words` and `errors`: what was typed about the run, and what is wrong with it."""
    children, models = queries.family(session, run)
    steps = figures.sample_steps(session, run.id)
    metrics = figures.latest_metrics(session, run.id)
    shown = step if step in steps else (steps[-1] if steps else None)
    return render(
        request,
        "runs/show.html",
        status=status,
        run=run,
        words=words or service.words_of(run),
        said=service.words_of(run),
        errors=errors or {},
        metric=metric,
        views=views,
        metrics=metrics,
        panel=charts.panel(access.project.id, [run], [row.name for row in metrics]),
        steps=steps,
        step=shown,
        samples=figures.samples(session, run.id, shown) if shown is not None else [],
        children=children,
        models=models,
        story=story.tell(run, models),
        tail=readable_log.tail(run) if not find.strip() else None,
        find=find.strip(),
        matches=readable_log.find(run, find.strip()) if find.strip() else [],
    )


@router.get("/projects/{project_id}/runs/{run_id}/events")
def run_events(session: Db, access: Manager, run_id: RowId, after: Step = 0) -> LiveStream:
    """Server-sent events: `panel` (HTML), `state`, `points` (JSON) and `sampled` (a step) as they come."""
    run = service.get(session, access.project, run_id)
    watched = live.watch(("run", run.id), events.run_look(run.id), events.Seen(step=after))
    return LiveStream(access.user.id, watched)


@router.get("/projects/{project_id}/runs/{run_id}/points")
def run_points(session: Db, access: Manager, run_id: RowId, curve: Curves = None) -> JSONResponse:
    """The run's curves, or those named: {name: [[steps], [values]]}; long ones are thinned."""
    run = service.get(session, access.project, run_id)
    return JSONResponse(events.curves(figures.points(session, run.id, names=curve)))


@router.get("/projects/{project_id}/runs/{run_id}/samples")
def run_samples(request: Request, session: Db, access: Manager, run_id: RowId, step: Step = 0) -> HTMLResponse:
    """What the policy said at a step."""
    run = service.get(session, access.project, run_id)
    if not is_htmx(request):
        return show_run(request, session, access, run_id, step)
    return render(request, "runs/_samples.html", run=run, step=step, samples=figures.samples(session, run.id, step))


@router.get("/projects/{project_id}/runs/{run_id}/log")
def run_log(session: Db, access: Manager, run_id: RowId) -> Response:
    """The end of the run's log as a file of plain text."""
    run = service.get(session, access.project, run_id)
    headers = {"Content-Disposition": f'attachment; filename="run-{run.id}-log.txt"'}
    return PlainTextResponse(readable_log.tail(run, WHOLE) or "", headers=headers)


@router.post("/projects/{project_id}/runs/{run_id}/words")
def describe_run(request: Request, session: Db, access: Manager, run_id: RowId, form: Submitted) -> Response:
    """Give a run its name, tags and note."""
    run = service.get(session, access.project, run_id)
    try:
        seen.require(form, service.words_of(run))
        service.describe(session, access.user, run, parse(RunWords, form))
    except Invalid as refusal:
        said = typed(RunWords, form)
        return _page(request, session, access, run, status=refusal.status, words=said, errors=refusal.errors)
    return redirect(f"/projects/{access.project.id}/runs/{run.id}#words", "Saved.", place="words")


@router.post("/projects/{project_id}/runs/{run_id}/cancel")
def cancel_run(session: Db, access: Manager, run_id: RowId) -> Response:
    """Stop at the next step, keeping the checkpoint."""
    run = service.request_cancel(session, access.user, service.get(session, access.project, run_id))
    said = "cancelled" if run.state is RunState.CANCELLED else "stopping at its next step; its checkpoint is kept"
    return _to(access, run, f"Run {run.id} is {said}.")


@router.post("/projects/{project_id}/runs/{run_id}/resume")
def resume_run(session: Db, access: Manager, run_id: RowId) -> Response:
    """Go on from the last checkpoint."""
    run = service.resume(session, access.user, service.get(session, access.project, run_id))
    return _to(access, run, f"Run {run.id} is queued and goes on from its last checkpoint.")


@router.post("/projects/{project_id}/runs/{run_id}/clone")
def clone_run(session: Db, access: Manager, run_id: RowId) -> Response:
    """Start a new run with the same inputs and settings."""
    copy = service.clone(session, access.user, service.get(session, access.project, run_id))
    return _to(access, copy, f"Run {copy.id} was started as a copy of run {run_id}.")


@router.post("/projects/{project_id}/runs/{run_id}/delete")
def delete_run(session: Db, access: Manager, run_id: RowId) -> Response:
    """Delete an ended run with its folder."""
    service.delete(session, access.user, service.get(session, access.project, run_id))
    return redirect(f"/projects/{access.project.id}/runs", f"Run {run_id} and its files are deleted.")


def _to(access: Access, run: Run, said: str) -> Response:
    return redirect(f"/projects/{access.project.id}/runs/{run.id}", said)
