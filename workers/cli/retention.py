"""`hone retention`: what is older than so many days goes, once that is said."""

from typing import Annotated

import typer

from app.db import task_session
from app.erasing import retention as rules
from app.web.errors import Invalid
from app.web.filters import size
from workers.platform.services import connected


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(retention)


def retention(
    runs: Annotated[
        int | None, typer.Option(min=1, max=36_500, help="Days after its end for which a run's folder is kept.")
    ] = None,
    chats: Annotated[
        int | None, typer.Option(min=1, max=36_500, help="Days after its last turn for which a chat is kept.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Delete it; without this nothing changes.")] = False,
) -> None:
    """Delete folders of runs (inputs, log, checkpoints) and chats that are older than this; says what would go."""
    if runs is None and chats is None:
        raise Invalid("Say what is to go: --runs DAYS, --chats DAYS, or both.")
    with connected(), task_session() as session:
        if runs is not None:
            old = rules.old_runs(session, runs)
            numbers = f" ({', '.join(str(run.id) for run in old)})" if old else ""
            typer.echo(f"{len(old)} folders of runs{numbers}, {size(rules.freed(old))}.")
            if yes:
                rules.delete_folders(session, old)
        if chats is not None:
            talks = rules.old_chats(session, chats)
            typer.echo(f"{len(talks)} conversations.")
            if yes:
                rules.delete_chats(session, talks)
    typer.echo("Deleted." if yes else "Nothing was changed. Add --yes to delete this.")
