"""`hone models …`: models of sources that extensions add."""

from typing import Annotated

import typer

from app import extensions
from app.db import task_session
from app.registry import service
from app.web.errors import Invalid
from workers.cli.reach import As, acting
from workers.platform.services import connected

commands = typer.Typer(help="Models of sources that extensions add.", no_args_is_help=True)


def add_to(app: typer.Typer) -> None:
    """Mount these commands."""
    app.add_typer(commands, name="models")


@commands.command()
def offer(
    name: Annotated[str, typer.Argument(help="What managers see.")],
    source: Annotated[str, typer.Option("--from", help="The source that answers, as its extension names it.")],
    as_: As = None,
) -> None:
    """Offer a model of an extension's source to all projects. Endpoints have a command of their own."""
    from workers.sources.registry import added

    extensions.load()
    if source not in added():
        known = ", ".join(sorted(added())) or "none; HONE_EXTENSIONS names the modules that add some"
        raise Invalid(f"There is no source {source} of an extension. There are: {known}.")
    with connected(), task_session() as session:
        model = service.offer_elsewhere(session, acting(session, as_), name, source)
        typer.echo(f"Model {model.id} is offered.")
