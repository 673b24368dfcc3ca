"""`hone runs …`: list, show, start, cancel and resume the long jobs of a project."""

import json
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.db import task_session
from app.models import Run, RunKind, RunState
from app.policies import service as policies
from app.policies.forms import PolicyForm
from app.rewards import service as rewards
from app.rewards.forms import RewardForm
from app.runs import service
from app.web.errors import Invalid, NotFound
from workers.cli.data import acting, project_of
from workers.platform.services import connected

runs = typer.Typer(help="The long jobs: sampling, reward training, PPO, evaluation.", no_args_is_help=True)

ProjectId = Annotated[int, typer.Option("--project", "-p", help="The project's number (`hone projects`).")]
As = Annotated[str | None, typer.Option("--as", help="E-mail of who does it; default: the first administrator.")]
Setting = Annotated[
    list[str] | None,
    typer.Option("--set", help="A setting as name=value, repeatable; `hone runs settings` lists them."),
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
        query = select(Run).order_by(Run.id.desc()).limit(limit)
        if project is not None:
            query = query.where(Run.project_id == project_of(session, project).id)
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
        "id": run.id, "project": run.project_id, "kind": run.kind.value, "state": run.state.value, "step": run.step,
        "total_steps": run.total_steps, "unit": run.unit, "worker": run.worker, "error": run.error,
        "summary": run.summary, "created_at": run.created_at, "ended_at": run.ended_at,
    }  # fmt: skip


@runs.command()
def show(run_id: RunId) -> None:
    """Everything about one run, as JSON: its settings, state, progress, result, and where its folder is."""
    with connected(), task_session() as session:
        run = _get(session, run_id)
        about = _row(run) | {"config": run.config, "attempt": run.attempt, "folder": str(service.workspace(run))}
        typer.echo(json.dumps(about, default=str, indent=2))


@runs.command()
def start(
    kind: Annotated[str, typer.Argument(help="reward, policy (PPO) or sampling.")],
    project: ProjectId,
    setting: Setting = None,
    as_: As = None,
) -> None:
    """Start a run with the defaults of the page, changed by --set: hone runs start policy -p 1 --set beta=0.1"""
    from app.items import service as items

    given = _settings(setting or [])
    with connected(), task_session() as session:
        actor, target = acting(session, as_), project_of(session, project)
        run: Run | None
        if kind == RunKind.REWARD.value:
            run = rewards.start(session, target, actor, RewardForm.model_validate(given))
        elif kind == RunKind.POLICY.value:
            run = policies.start(session, target, actor, PolicyForm.model_validate(given))
        elif kind == RunKind.SAMPLING.value:
            run = items.plan_sampling(session, target, actor=actor, automatic=False)
        else:
            raise Invalid(f"{kind} cannot be started here; choose reward, policy or sampling.")
        typer.echo(f"Run {run.id} is queued." if run else "Nothing to do: the queue is full, or a run is under way.")


@runs.command()
def settings(kind: Annotated[str, typer.Argument(help="reward or policy.")]) -> None:
    """List the settings that `start --set` takes, with their defaults."""
    forms: dict[str, type[RewardForm] | type[PolicyForm]] = {"reward": RewardForm, "policy": PolicyForm}
    if kind not in forms:
        raise Invalid(f"{kind} has no settings here; choose reward or policy.")
    for name, field in forms[kind].model_fields.items():
        typer.echo(f"{name}={field.default}\n    {field.description or field.title or ''}")


@runs.command()
def cancel(run_id: RunId, as_: As = None) -> None:
    """Stop a run at its next step; its checkpoint is kept."""
    with connected(), task_session() as session:
        run = service.request_cancel(session, _get(session, run_id), acting(session, as_))
        done = run.state is RunState.CANCELLED
    typer.echo(f"Run {run_id} is cancelled." if done else f"Run {run_id} stops at its next step.")


@runs.command()
def resume(run_id: RunId, as_: As = None) -> None:
    """Queue a failed or cancelled run again; it goes on from its last checkpoint."""
    with connected(), task_session() as session:
        service.resume(session, _get(session, run_id), acting(session, as_))
    typer.echo(f"Run {run_id} is queued again.")


def _get(session: Session, run_id: int) -> Run:
    run = session.get(Run, run_id)
    if run is None:
        raise NotFound(f"There is no run {run_id}; `hone runs list` shows them.")
    return run


def _settings(items: list[str]) -> dict[str, str]:
    given = dict(item.partition("=")[::2] for item in items)
    if broken := [item for item in items if "=" not in item]:
        raise Invalid(f"--set wants name=value, not {broken[0]!r}.")
    return given
