"""`hone runs …`: list, show, start, cancel and resume the long jobs of a project."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml
from rich.console import Console
from rich.table import Table
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.db import task_session
from app.methods import METHODS, Method
from app.models import Run, RunKind, RunState
from app.runs import folders, queries, service, training
from app.web.errors import Invalid, NotFound
from workers.cli.data import acting, project_of
from workers.platform.folder import Unusable
from workers.platform.services import connected

runs = typer.Typer(help="The long jobs: preparation, sampling, training, scoring, evaluation.", no_args_is_help=True)

ProjectId = Annotated[int, typer.Option("--project", "-p", help="The project's number (`hone projects`).")]
As = Annotated[str | None, typer.Option("--as", help="E-mail of who does it; default: the first administrator.")]
Setting = Annotated[
    list[str] | None,
    typer.Option("--set", help="A setting as name=value (none: no value), repeatable; see `hone runs settings`."),
]
RunId = Annotated[int, typer.Argument(help="The run's number (`hone runs list`).")]


def add_to(app: typer.Typer) -> None:
    """Mount these commands."""
    app.add_typer(runs, name="runs")


@runs.command("list")
def list_runs(
    project: Annotated[int | None, typer.Option("--project", "-p", help="Only this project's.")] = None,
    limit: Annotated[int, typer.Option(help="How many, the newest first.")] = 20,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """List runs, the newest first."""
    with connected(), task_session() as session:
        query = select(Run) if project is None else queries.runs_of(project_of(session, project))
        query = query.order_by(Run.id.desc()).limit(limit)
        rows = [_row(run) for run in session.scalars(query)]
    if as_json:
        for row in rows:
            typer.echo(json.dumps(row, default=str))
        return
    table = Table(box=None, header_style="bold")
    for column in ("run", "project", "kind", "state", "progress", "worker", "error"):
        table.add_column(column)
    for row in rows:
        progress = f"{row['step']}/{row['total_steps']} {row['unit'] or ''}" if row["total_steps"] else ""
        table.add_row(
            str(row["id"]), str(row["project"]), row["kind"], row["state"], progress, row["worker"], row["error"]
        )
    Console().print(table if rows else "No runs yet.")


def _row(run: Run) -> dict[str, Any]:
    return {
        "id": run.id, "project": run.project_id, "kind": run.method or run.kind.value,
        "state": run.state.value, "step": run.step,
        "total_steps": run.total_steps, "unit": run.unit, "worker": run.worker, "error": run.error,
        "summary": run.summary, "created_at": run.created_at, "ended_at": run.ended_at,
    }  # fmt: skip


@runs.command()
def show(run_id: RunId) -> None:
    """Everything about one run, as JSON: its settings, state, progress, result, and where its folder is."""
    with connected(), task_session() as session:
        run = _get(session, run_id)
        asked = {"config": run.config.model_dump(mode="json")}
        about = _row(run) | asked | {"attempt": run.attempt, "folder": str(folders.workspace(run))}
        typer.echo(json.dumps(about, default=str, indent=2))


@runs.command()
def start(
    what: Annotated[str, typer.Argument(help="A method of training (`hone runs methods`), or sampling.")],
    project: ProjectId,
    setting: Setting = None,
    settings_file: Annotated[
        Path | None, typer.Option("--settings", help="A YAML or JSON file of settings; --set wins over it.")
    ] = None,
    as_: As = None,
) -> None:
    """Start a run with the defaults of the page, changed by --set: hone runs start ppo -p 1 --set beta=0.1"""
    from app.items import service as items

    given = (_read(settings_file) if settings_file else {}) | _settings(setting or [])
    with connected(), task_session() as session:
        actor, target = acting(session, as_), project_of(session, project)
        run: Run | None
        if what == RunKind.SAMPLING.value:
            if given:
                raise Invalid("Sampling takes no settings here; they are those of the project.")
            run = items.plan_sampling(session, target, actor=actor, automatic=False)
        else:
            method = _method(what)
            run = training.start(session, target, actor, method, training.checked(method, given))
        typer.echo(f"Run {run.id} is queued." if run else "Nothing to do: the queue is full, or a run is in progress.")


@runs.command()
def methods() -> None:
    """List the methods of training that `start` takes."""
    for method in METHODS.values():
        typer.echo(f"{method.name}: {method.verb}\n    {method.help}\n    Needed: {method.needs}")


@runs.command()
def settings(method: Annotated[str, typer.Argument(help="A method of training (`hone runs methods`).")]) -> None:
    """List the settings that `start --set` takes, with their defaults."""
    for name, field in _method(method).form.model_fields.items():
        typer.echo(f"{name}={'' if field.default is None else field.default}\n    {field.description or field.title}")


def _method(name: str) -> Method:
    if name not in METHODS:
        raise Invalid(f"{name} cannot be started here; choose {', '.join(METHODS)} or sampling.")
    return METHODS[name]


def _read(path: Path) -> dict[str, Any]:
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise Unusable(f"{path} cannot be read: {error}.") from None
    except yaml.YAMLError as error:
        raise Unusable(f"{path} is not valid YAML: {' '.join(str(error).split())}.") from None
    if not isinstance(values, dict):
        raise Unusable(f"{path} must hold settings as name: value.")
    return {str(name): value for name, value in values.items()}


@runs.command()
def cancel(run_id: RunId, as_: As = None) -> None:
    """Stop a run at its next step; its checkpoint is kept."""
    with connected(), task_session() as session:
        run = service.request_cancel(session, acting(session, as_), _get(session, run_id))
        done = run.state is RunState.CANCELLED
    typer.echo(f"Run {run_id} is cancelled." if done else f"Run {run_id} stops at its next step.")


@runs.command()
def resume(run_id: RunId, as_: As = None) -> None:
    """Queue a failed or cancelled run again; it goes on from its last checkpoint."""
    with connected(), task_session() as session:
        service.resume(session, acting(session, as_), _get(session, run_id))
    typer.echo(f"Run {run_id} is queued again.")


def _get(session: Session, run_id: int) -> Run:
    run = session.get(Run, run_id)
    if run is None:
        raise NotFound(f"There is no run {run_id}; `hone runs list` shows them.")
    return run


def _settings(items: list[str]) -> dict[str, str | None]:
    given = {name: None if value == "none" else value for name, _, value in (item.partition("=") for item in items)}
    if broken := [item for item in items if "=" not in item]:
        raise Invalid(f"--set wants name=value, not {broken[0]!r}.")
    return given
