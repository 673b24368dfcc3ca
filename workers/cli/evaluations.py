"""`hone evaluations …`: have people compare policies blindly, and what they say."""

import json
from dataclasses import asdict
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from app.db import task_session
from app.models import RunKind
from app.policies import evaluations, measures, results, service
from app.policies.forms import EvaluationForm
from app.runs import service as runs
from app.web.errors import NotFound
from app.web.filters import decimal, percent
from workers.cli.data import As, acting, project_of
from workers.platform.services import connected

commands = typer.Typer(help="Blind comparisons of policies.", no_args_is_help=True)

ProjectId = Annotated[int, typer.Option("--project", "-p", help="The project's number (`hone projects`).")]


def add_to(app: typer.Typer) -> None:
    """Mount these commands."""
    app.add_typer(commands, name="evaluations")


@commands.command()
def start(
    policy: Annotated[int, typer.Argument(help="The policy that it is about, by its number.")],
    project: ProjectId,
    against: Annotated[
        list[int] | None,
        typer.Option("--against", help="Another model; repeated: people rank all. Default: the current policy."),
    ] = None,
    comparisons: Annotated[int, typer.Option(help="Pairs, or rankings, on holdout prompts.")] = 100,
    overlap: Annotated[int, typer.Option(help="People asked about each.")] = 1,
    as_: As = None,
) -> None:
    """Have models answer holdout prompts, and people compare the answers: hone evaluations start 5 -p 1 --against 3"""
    named = against or []
    wanted = EvaluationForm(
        baseline_id=next(iter(named), None), other_ids=named[1:], comparisons=comparisons, overlap=overlap
    )
    with connected(), task_session() as session:
        actor, target = acting(session, as_), project_of(session, project)
        run = evaluations.start_evaluation(
            session,
            target,
            actor,
            service.comparable(session, target, policy),
            service.opponents(session, target, wanted),
            wanted.comparisons,
            wanted.overlap,
        )
        typer.echo(f"Run {run.id} is queued.")


Labels = Annotated[int | None, typer.Option(help="The snapshot of labels. Default: the newest with policies.")]


@commands.command()
def compare(project: ProjectId, labels: Labels = None) -> None:
    """The policies that learned from the same labels, by whatever method, side by side."""
    with connected(), task_session() as session:
        found = measures.table(session, project_of(session, project), labels)
        table = Table(box=None, header_style="bold")
        for column in ("policy", "method", "reward", "KL", "tokens", "wins against base", "95% interval"):
            table.add_column(column)
        for row in found.rows if found else ():
            figures = row.measure
            means = (figures["reward"], figures["kl"], figures["answer_tokens"]) if figures else (None, None, None)
            people = row.against_base
            blind = (percent(people.rate), f"{percent(people.low)} to {percent(people.high)}") if people else ("–", "–")
            table.add_row(row.model.name, row.method, *(decimal(mean, 2) for mean in means), *blind)
        Console().print(table if found else "No policy has learned from labels yet.")


@commands.command()
def measure(project: ProjectId, labels: Labels = None, as_: As = None) -> None:
    """Have the newest reward model score what the policies of the same labels respond to holdout prompts."""
    with connected(), task_session() as session:
        actor = acting(session, as_)
        run = measures.start(session, project_of(session, project), actor, labels)
        typer.echo(f"Run {run.id} is queued.")


@commands.command()
def show(
    run_id: Annotated[int, typer.Argument(help="The evaluation's run.")],
    project: ProjectId,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object for each two models.")] = False,
) -> None:
    """What people say so far of each two of the models, with 95% intervals that hold however often one looks."""
    with connected(), task_session() as session:
        run = runs.get(session, project_of(session, project), run_id)
        if run.kind is not RunKind.EVALUATION:
            raise NotFound(f"Run {run_id} is no evaluation.")
        pairs = results.of_each_two(session, run)
        if as_json:
            for pair in pairs:
                row = {"model_id": pair.model.id, "other_id": pair.other.id} | asdict(pair.result)
                typer.echo(json.dumps(row))
            return
        table = Table(box=None, header_style="bold")
        for column in ("model", "against", "win rate", "95% interval", "judged"):
            table.add_column(column)
        for pair in pairs:
            found = pair.result
            ends = f"{percent(found.low)} to {percent(found.high)}"
            judged = f"{found.judged} of {found.items}"
            table.add_row(pair.model.name, pair.other.name, percent(found.rate), ends, judged)
        Console().print(table)
