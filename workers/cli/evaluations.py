"""`hone evaluations …`: have people compare policies blindly, and what they say."""

import json
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from app.web.filters import decimal, percent
from hone_client import NotFound
from workers.cli.calls import Call, ProjectId, built, does
from workers.cli.reach import As, client
from workers.cli.telling import Json, tell

commands = typer.Typer(help="Blind comparisons of policies.", no_args_is_help=True, rich_markup_mode=None)


def add_to(app: typer.Typer) -> None:
    """Mount these commands."""
    app.add_typer(commands, name="evaluations")
    app.command("evaluate")(start)
    measure = Call("evaluations measure", "measure_policies", "Run {id} is queued.")
    commands.command("measure")(built(measure))


@commands.command()
@does("start_evaluation")
def start(
    policy: Annotated[int, typer.Argument(help="The policy that it is about, by its number.")],
    project: ProjectId,
    against: Annotated[
        list[int] | None,
        typer.Option("--against", help="Another model; repeated: people rank all. Default: the current policy."),
    ] = None,
    comparisons: Annotated[int, typer.Option(help="Pairs, or rankings, on holdout prompts.")] = 100,
    overlap: Annotated[int, typer.Option(help="People asked about each.")] = 1,
    as_json: Json = False,
    as_: As = None,
) -> None:
    """Have models answer holdout prompts, and people compare the responses: hone evaluate 5 -p 1 --against 3"""
    named = against or []
    with client(as_) as hone:
        run = hone.start_evaluation(
            project,
            policy,
            baseline_id=next(iter(named), None),
            other_ids=named[1:],
            comparisons=comparisons,
            overlap=overlap,
        )
    tell(run, as_json, "Run {id} is queued.")


@commands.command()
@does("compare_policies")
def compare(
    project: ProjectId,
    labels: Annotated[
        int | None, typer.Option(help="The snapshot of labels. Default: the newest with policies.")
    ] = None,
    as_json: Json = False,
    as_: As = None,
) -> None:
    """The policies that learned from the same labels, by whatever method, side by side."""
    with client(as_) as hone:
        hone.show_project(project)
        try:
            found = hone.compare_policies(project, labels=labels)
        except NotFound as nothing:
            return typer.echo(str(nothing), err=as_json)
    if as_json:
        return typer.echo(found.model_dump_json())
    table = Table(box=None, header_style="bold")
    for column in ("policy", "method", "reward", "KL", "tokens", "wins against base", "95% interval"):
        table.add_column(column)
    for row in found.policies:
        figures, people = row.measure, row.against_base
        means = (figures.reward, figures.kl, figures.answer_tokens) if figures else (None, None, None)
        blind = (percent(people.rate), f"{percent(people.low)} to {percent(people.high)}") if people else ("–", "–")
        table.add_row(row.name, row.method, *(decimal(mean, 2) for mean in means), *blind)
    return Console().print(table)


@commands.command()
@does("show_evaluation")
def show(
    run_id: Annotated[int, typer.Argument(help="The evaluation's run.")],
    project: ProjectId,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object for each two models.")] = False,
    as_: As = None,
) -> None:
    """What people say so far of each two of the models, with 95% intervals that hold however often one looks."""
    with client(as_) as hone:
        pairs = hone.show_evaluation(project, run_id).pairs
    if as_json:
        for pair in pairs:
            names = pair.model_dump(mode="json", exclude={"result"})
            typer.echo(json.dumps(names | pair.result.model_dump(mode="json")))
        return
    table = Table(box=None, header_style="bold")
    for column in ("model", "against", "win rate", "95% interval", "judged"):
        table.add_column(column)
    for pair in pairs:
        found = pair.result
        ends = f"{percent(found.low)} to {percent(found.high)}"
        table.add_row(pair.model_name, pair.other_name, percent(found.rate), ends, f"{found.judged} of {found.items}")
    Console().print(table)
