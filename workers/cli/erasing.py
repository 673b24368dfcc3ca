"""`hone erase …`: projects and people deleted for good."""

from typing import Annotated

import typer

from app.accounts import queries
from app.db import task_session
from app.erasing import person as people
from app.erasing import project as projects
from app.web.errors import NotFound
from workers.cli.reach import As, acting, project_of
from workers.platform.services import connected

commands = typer.Typer(
    help="Delete a project or a person for good; says what would go, until --yes.", no_args_is_help=True
)
Yes = Annotated[bool, typer.Option("--yes", help="Delete it; without this nothing changes.")]


def add_to(app: typer.Typer) -> None:
    """Mount these commands."""
    app.add_typer(commands, name="erase")


@commands.command()
def project(
    number: Annotated[int, typer.Argument(help="Its number, as in its address.")], yes: Yes = False, as_: As = None
) -> None:
    """Delete an archived project with its labels, runs, models and files."""
    with connected(), task_session() as session:
        found = project_of(session, number)
        _say(f"project {number}, “{found.name}”", projects.counts(session, found), yes)
        if yes:
            projects.erase(session, found, acting(session, as_))


@commands.command()
def person(
    email: Annotated[str, typer.Argument(help="Their e-mail.")],
    labels: Annotated[bool, typer.Option("--labels", help="Their labels go too, instead of staying.")] = False,
    yes: Yes = False,
    as_: As = None,
) -> None:
    """Delete what says who a person is, and their chats; their labels stay under a number, unless --labels."""
    with connected(), task_session() as session:
        found = queries.user_by_email(session, email)
        if found is None:
            raise NotFound(f"Nobody has the e-mail {email}.")
        outlook = people.outlook(session, found, with_labels=labels)
        _say(f"person {found.id}", outlook.goes, yes)
        if yes:
            people.erase(session, acting(session, as_), found, with_labels=labels)


def _say(what: str, counts: dict[str, int], yes: bool) -> None:
    told = ", ".join(f"{count} {name}" for name, count in counts.items())
    typer.echo(
        f"{'Deleting' if yes else 'This would delete'} {what}: {told}." + ("" if yes else " Add --yes to do it.")
    )
