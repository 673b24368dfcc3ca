"""`hone retention`: what is older than so many days goes, once that is said."""

from typing import Annotated

import typer

from app.web.errors import Invalid
from app.web.filters import plural, size
from workers.cli.calls import does
from workers.cli.reach import As, client
from workers.cli.telling import Json


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(retention)


@does("show_retention", "apply_retention")
def retention(
    runs: Annotated[
        int | None, typer.Option(min=1, max=36_500, help="Days after its end for which a run's folder is kept.")
    ] = None,
    chats: Annotated[
        int | None, typer.Option(min=1, max=36_500, help="Days after its last turn for which a chat is kept.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Delete it; without this nothing changes.")] = False,
    as_: As = None,
    as_json: Json = False,
) -> None:
    """Delete folders of runs (inputs, log, checkpoints) and chats that are older than this; says what would go."""
    if runs is None and chats is None:
        raise Invalid("Say what is to go: --runs DAYS, --chats DAYS, or both.")
    with client(as_) as hone:
        call = hone.apply_retention if yes else hone.show_retention
        found = call(runs=runs, chats=chats)
    if as_json:
        typer.echo(found.model_dump_json())
        return
    for run in found.runs:
        typer.echo(f"run {run.id}: {size(run.bytes)}")
    folders, talks = plural(len(found.runs), "folder"), plural(found.conversations, "conversation")
    typer.echo(f"{folders} of runs, {size(found.bytes)}; {talks}, {size(found.chat_bytes)} of text.")
    if found.in_use:
        they, what = ("it stays", "run") if len(found.in_use) == 1 else ("they stay", "runs")
        typer.echo(f"In use, so {they}: {what} {', '.join(map(str, found.in_use))}.")
    typer.echo("Deleted." if yes else "Nothing was changed. Add --yes to delete this.")
