"""`hone plan …`: which models a project samples from."""

from typing import Annotated

import typer

from app.db import task_session
from app.models.sampling_plan import PlannedSource, SamplingPlan
from app.projects import service
from app.registry import answering
from app.web.errors import Invalid
from workers.cli.data import As, acting, project_of
from workers.platform.services import connected

commands = typer.Typer(help="Which models a project samples from, and what is compared.", no_args_is_help=True)

Project = Annotated[int, typer.Option("--project", "-p", help="The project's number (`hone projects`).")]


def add_to(app: typer.Typer) -> None:
    """Mount these commands."""
    app.add_typer(commands, name="plan")


@commands.command()
def show(project: Project) -> None:
    """Print the plan as JSON, then the models that may answer in the project, by number and name."""
    with connected(), task_session() as session:
        target = project_of(session, project)
        typer.echo(target.plan.model_dump_json())
        for model in answering.choices(session, target):
            typer.echo(f"{model.id}\t{model.name}\t{model.answers_from}")


@commands.command("set")
def set_plan(
    project: Project,
    source: Annotated[
        list[str],
        typer.Option(help="MODEL:RESPONSES[:TEMPERATURE], repeatable; in-use is the policy in use: --source in-use:1"),
    ],
    compare: Annotated[str, typer.Option(help="across: responses of different models; any: whichever.")] = "across",
    chat: Annotated[int | None, typer.Option(help="What chat answers with; default: the policy in use.")] = None,
    as_: As = None,
) -> None:
    """Set the plan: hone plan set -p 1 --source in-use:1 --source 7:1"""
    given = {"sources": [_source(each) for each in source], "compare": compare, "chat_model_id": chat}
    plan = SamplingPlan.model_validate(given)
    with connected(), task_session() as session:
        target = project_of(session, project)
        changed = service.change_settings(session, target, acting(session, as_), "plan", plan)
    typer.echo("Saved." if changed else "Nothing was changed.")


def _source(text: str) -> PlannedSource:
    names = ("model_id", "responses", "temperature")
    given: dict[str, str | None] = dict(zip(names, text.split(":"), strict=False))
    if not 2 <= len(text.split(":")) <= 3:
        raise Invalid(f"--source wants MODEL:RESPONSES or MODEL:RESPONSES:TEMPERATURE, not {text!r}.")
    if given["model_id"] == "in-use":
        given["model_id"] = None
    return PlannedSource.model_validate(given)
