"""`hone erase …`: projects, people and conversations deleted for good."""

import json
from typing import Annotated

import typer

from app.web.errors import Conflict, NotFound
from hone_client import Client
from hone_client.models import DeletionView
from workers.cli.calls import ProjectId, does
from workers.cli.reach import As, client
from workers.cli.telling import Json

commands = typer.Typer(
    help="Delete a project, a person or a conversation for good; says what would go, until --yes.", no_args_is_help=True
)
Yes = Annotated[bool, typer.Option("--yes", help="Delete it; without this nothing changes.")]


def add_to(app: typer.Typer) -> None:
    """Mount these commands."""
    app.add_typer(commands, name="erase")


@commands.command()
@does("show_project_deletion", "delete_project")
def project(
    number: Annotated[int, typer.Argument(help="Its number, as in its address.")],
    yes: Yes = False,
    as_: As = None,
    as_json: Json = False,
) -> None:
    """Delete an archived project with its labels, runs, models and files."""
    with client(as_) as hone:
        found = hone.show_project_deletion(project_id=number)
        _say(f"project {number}, “{found.name}”", found, yes, as_json)
        if yes:
            hone.delete_project(project_id=number, name=found.name)
            if not as_json:
                typer.echo("What it held goes in parts; `hone erase going` says how much is left.")


@commands.command()
@does("show_person_deletion", "delete_person")
def person(
    email: Annotated[str, typer.Argument(help="Their e-mail.")],
    labels: Annotated[bool, typer.Option("--labels", help="Their labels go too, instead of staying.")] = False,
    yes: Yes = False,
    as_: As = None,
    as_json: Json = False,
) -> None:
    """Delete what says who a person is, and their chats; their labels stay under a number, unless --labels."""
    with client(as_) as hone:
        number = _person(hone, email)
        found = hone.show_person_deletion(user_id=number, labels="delete" if labels else "keep")
        _say(f"person {number}", found, yes, as_json)
        if yes:
            hone.delete_person(user_id=number, email=email, labels="delete" if labels else "keep")
            if labels and not as_json:
                again = f"hone erase person person-{number}@deleted.invalid --labels"
                typer.echo(f"Labels and conversations go in parts; `{again}` says how many are left.")


@commands.command()
@does("show_conversation_deletion", "delete_conversation")
def conversation(
    number: Annotated[int, typer.Argument(help="Its number, as in its address.")],
    project_id: ProjectId,
    yes: Yes = False,
    as_: As = None,
    as_json: Json = False,
) -> None:
    """Delete a conversation of one's own."""
    with client(as_) as hone:
        found = hone.show_conversation_deletion(project_id=project_id, conversation_id=number)
        _say(f"conversation {number}, “{found.name}”", found, yes, as_json)
        if yes:
            hone.delete_conversation(project_id=project_id, conversation_id=number)


@commands.command("going")
@does("list_deletions")
def what_goes(as_: As = None, as_json: Json = False) -> None:
    """What is being deleted in parts, and how much of it is left."""
    with client(as_) as hone:
        found = list(hone.list_deletions())
    if as_json:
        typer.echo(json.dumps([each.model_dump(mode="json") for each in found]))
        return
    for each in found:
        left = _listed({name: count for name, count in each.left.items() if count})
        what = f"{left} left" if any(each.left.values()) else "almost gone"
        typer.echo(f"{each.kind} {each.number}, since {each.since:%Y-%m-%d %H:%M:%S %Z}: {what}")
    if not found:
        typer.echo("Nothing is being deleted.")


def _person(hone: Client, email: str) -> int:
    found = [user.id for user in hone.list_users(q=email) if user.email.lower() == email.lower()]
    if not found:
        raise NotFound(f"Nobody has the e-mail {email}.")
    return found[0]


def _say(what: str, found: DeletionView, yes: bool, as_json: bool) -> None:
    if yes and found.blocked:
        raise Conflict(found.blocked)
    if as_json:
        typer.echo(found.model_dump_json())
        return
    typer.echo(
        f"{'Deleting' if yes else 'This would delete'} {what}: {_listed(found.goes)}. Stays: {_listed(found.stays)}."
    )
    if not yes:
        typer.echo(f"Not now: {found.blocked}" if found.blocked else "Add --yes to do it.")


def _listed(counts: dict[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counts.items()) or "nothing"
