"""`hone backup` and `hone restore`."""

from pathlib import Path
from typing import Annotated

import typer

from app.settings import get_settings
from workers.cli.telling import Json, say
from workers.platform import backup as backups
from workers.platform import services
from workers.platform.folder import lock, prepare_folder


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(backup)
    app.command()(restore)


def _tell(line: str) -> None:
    typer.echo(line, err=True)


def backup(
    folder: Annotated[Path, typer.Argument(help="A new folder, for the database, the store and the secret key.")],
    as_json: Json = False,
) -> None:
    """Back up everything while the platform runs, and check what was written."""
    with services.connected():
        made = backups.backup(get_settings(), folder.absolute(), _tell)
    size = sum(each.size for each in made.files.values())
    rows = sum(made.rows.values())
    sentence = f"Backed up {rows:,} rows and {len(made.files):,} files, {size / 1e6:,.1f} MB: {folder}"
    say(as_json, sentence, folder=folder, rows=rows, files=len(made.files), bytes=size, missing=made.missing)
    if made.missing:
        typer.echo(f"Without the files of {', '.join(made.missing)}, which are not in the store.", err=True)


def restore(folder: Annotated[Path, typer.Argument(help="What `hone backup` wrote.")], as_json: Json = False) -> None:
    """Bring a backup back into an empty data folder, or an empty DATABASE_URL and HONE_STORE_DIR."""
    settings, folder = get_settings(), folder.absolute()
    made = backups.restorable(folder, _tell)  # before anything is made where it is to go
    data = prepare_folder(settings)
    with lock(data):
        running = services.start(settings, data, services.note_queue_away)
        try:
            services.use(running, data)
            backups.restore(get_settings(), folder, made, _tell)
        finally:
            running.stop()
    rows = sum(made.rows.values())
    sentence = f"Restored {rows:,} rows and {len(made.files):,} files of {made.made_at:%Y-%m-%d %H:%M} UTC."
    say(as_json, sentence, rows=rows, files=len(made.files), made_at=made.made_at)
