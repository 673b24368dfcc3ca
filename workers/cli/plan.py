"""`hone plan …`: which models a project samples from."""

from typing import Annotated, Any, Literal

import typer

from app.web.errors import Invalid
from workers.cli.calls import ProjectId, does
from workers.cli.reach import As, client

commands = typer.Typer(help="Which models a project samples from, and what is compared.", no_args_is_help=True)


def add_to(app: typer.Typer) -> None:
    """Mount these commands."""
    app.add_typer(commands, name="plan")


@commands.command()
@does("show_project", "list_models")
def show(
    project: ProjectId,
    as_json: Annotated[bool, typer.Option("--json", help="The plan alone.")] = False,
    as_: As = None,
) -> None:
    """Print the plan as JSON, then the models that may answer in the project, by number and name."""
    with client(as_) as hone:
        plan = hone.show_project(project).plan
        typer.echo(plan.model_dump_json() if plan else "null")
        for model in () if as_json else hone.list_models(project, answering=True):
            typer.echo(f"{model.id}\t{model.name}\t{model.answers_from}")


@commands.command("set")
@does("change_project")
def set_plan(
    project: ProjectId,
    source: Annotated[
        list[str],
        typer.Option(help="MODEL:RESPONSES[:TEMPERATURE], repeatable; in-use is the current policy: --source in-use:1"),
    ],
    compare: Annotated[
        Literal["across", "any"], typer.Option(help="across: responses of different models; any: whichever.")
    ] = "across",
    chat: Annotated[int | None, typer.Option(help="What chat answers with; default: the current policy.")] = None,
    chat_temperature: Annotated[float, typer.Option(help="Of answers in chat.", min=0.01, max=5)] = 0.7,
    as_json: Annotated[bool, typer.Option("--json", help="The plan as it is then.")] = False,
    as_: As = None,
) -> None:
    """Set the plan: hone plan set -p 1 --source in-use:1 --source 7:1"""
    plan = {
        "sources": [_source(each) for each in source],
        "compare": compare,
        "chat_model_id": chat,
        "chat_temperature": chat_temperature,
    }
    with client(as_) as hone:
        before = hone.show_project(project).plan
        now = hone.change_project(project, plan=plan).plan
    if as_json:
        typer.echo(now.model_dump_json() if now else "null")
    else:
        typer.echo("Saved." if now != before else "Nothing was changed.")


def _source(text: str) -> dict[str, Any]:
    names = ("model_id", "responses", "temperature")
    given: dict[str, str | None] = dict(zip(names, text.split(":"), strict=False))
    if not 2 <= len(text.split(":")) <= 3:
        raise Invalid(f"--source wants MODEL:RESPONSES or MODEL:RESPONSES:TEMPERATURE, not {text!r}.")
    if given["model_id"] == "in-use":
        given["model_id"] = None
    return given
