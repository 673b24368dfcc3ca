"""`hone import`: a file into a project, here and now, by the run that the page and the API start too."""

import json
import os
import socket
import time
from pathlib import Path
from threading import Event
from typing import Annotated, Any

import typer

import formats
from app.db import task_session
from app.imports import queries, reading
from app.imports import service as imports
from app.imports.preview import Preview, preview
from app.models import ImportConfig, RefusedRow, Run, RunState
from app.runs import service as runs
from app.runs import work as run_work
from formats.containers import hub
from formats.containers.opening import HUB
from hone_client import Client, RunEnded
from hone_client.models import ImportConfig as SentConfig
from hone_client.models import RunView
from rlhf.lease import clock
from workers.cli.calls import does
from workers.cli.following import told
from workers.cli.reach import acting, client, elsewhere, project_of
from workers.platform.folder import Unusable
from workers.platform.services import connected

SHOWN = 1_000  # refused rows that are told here; all of them are on the import's page
CONTAINERS = ("jsonl", "json", "csv", "parquet", "arrow", "lines", "blocks")


def add_to(app: typer.Typer) -> None:
    """Mount this command."""
    app.command("import")(import_file)


@does("start_import", "import_from_hub", "preview_import", "show_import")
def import_file(
    file: Annotated[
        Path, typer.Argument(help="JSON Lines, JSON, CSV, Parquet, text, a save_to_disk folder, hub:owner/name.")
    ],
    project: Annotated[int, typer.Option("--project", "-p", help="The project's number (`hone projects`).")],
    what: Annotated[
        str | None,
        typer.Option("--as", help="prompts, pairs (to label) or labels; default: the most that the file holds."),
    ] = None,
    format_: Annotated[
        str | None, typer.Option("--format", help="A layout (docs/formats.md), or csv, jsonl, lines, blocks ...")
    ] = None,
    map_: Annotated[
        str | None, typer.Option("--map", help="Which column is what: prompt=question,chosen=better,rejected=worse")
    ] = None,
    encoding: Annotated[
        str | None, typer.Option(help="Of text that is neither UTF-8 nor UTF-16, such as cp1252.")
    ] = None,
    delimiter: Annotated[str | None, typer.Option(help="Of a table's cells; default: by its first lines.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only read the file and count.")] = False,
    skip_invalid: Annotated[bool, typer.Option("--skip-invalid", help="Import the rest where rows are bad.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Counts and refused rows as JSON.")] = False,
    by: Annotated[str | None, typer.Option(help="E-mail of who does it; default: the first administrator.")] = None,
) -> None:
    """Import prompts, pairs to label, or labels. Rows that cannot be used are named with the reason; nothing is
    imported then, unless --skip-invalid says otherwise. Ends with status 2 where rows were refused and not to be
    skipped."""
    options = _options(what, format_, map_, skip_invalid) | {"encoding": encoding, "delimiter": _one(delimiter)}
    if elsewhere():
        with client(by) as hone:
            found = _there(hone, file, project, options, dry_run)
    else:
        file = _found(file)
        with connected():
            asked = _asked(file, options)
            found = _dry(file, project, asked) if dry_run else _run(file, project, asked, by)
            found["what"] = asked.what
    _tell(found, found["what"], project, as_json)
    if found["refused_count"] and not skip_invalid:
        raise typer.Exit(2)


def _found(file: Path) -> Path:
    """A file or folder that is there; of a hub's name the folder of what was downloaded. Raises Unusable."""
    if str(file).startswith(HUB):
        try:
            return hub.download(str(file).removeprefix(HUB))
        except formats.Unreadable as error:
            raise Unusable(str(error)) from None
    if not file.exists():
        raise Unusable(f"{file} cannot be read: there is no such file.")
    if not (file.is_file() or file.is_dir()):
        raise Unusable(f"{file} is neither a file nor a folder. Write what it gives into a file, and import that.")
    return file


def _options(what: str | None, format_: str | None, map_: str | None, skip_invalid: bool) -> dict[str, Any]:
    """What the command line says, as imports have it. Raises Unusable."""
    container = format_ if format_ in CONTAINERS else None
    mapping = dict(part.split("=", 1) for part in map_.split(",")) if map_ and "=" in map_ else {}
    if map_ and len(mapping) != map_.count(",") + 1:
        raise Unusable("Write the map as prompt=question,chosen=better,rejected=worse.")
    if what is not None and what not in ("prompts", "pairs", "labels"):
        raise Unusable(f"A file is imported as prompts, pairs or labels, not as {what}.")
    layout = None if container else format_
    return {
        "what": what, "layout": layout, "mapping": mapping, "container": container, "skip_invalid": skip_invalid
    }  # fmt: skip


def _one(delimiter: str | None) -> str | None:
    """The delimiter, in which `\\t` may stand for a tab. Raises Unusable."""
    written = "\t" if delimiter == "\\t" else delimiter
    if written is not None and len(written) != 1:
        raise Unusable("A delimiter is one character, such as ';', or \\t for a tab.")
    return written


def _there(hone: Client, file: Path, project: int, options: dict[str, Any], dry: bool) -> dict[str, Any]:
    """By a run of the other machine, to which the file is sent; a data set of the hub is fetched there."""
    if str(file).startswith(HUB):
        return _from_hub(hone, str(file).removeprefix(HUB), project, options, dry)
    if _found(file).is_dir():
        raise Unusable("A folder cannot be sent to HONE_URL; send a file of it, such as Parquet or JSON Lines.")
    sent = options | {"mapping": json.dumps(options["mapping"]) if options["mapping"] else None}
    if dry:
        seen = hone.preview_import(project, file, **sent)
        if seen.sentence:
            raise Unusable(seen.sentence)
        refused = [{"line": each.line, "reason": each.reason, "row": each.raw} for each in seen.refused]
        more = {"refused": refused, "refused_count": seen.counts.get("refused", 0), "what": seen.what}
        return {"counts": seen.counts} | more
    return _followed(hone, project, hone.start_import(project, file, **sent).run)


def _from_hub(hone: Client, name: str, project: int, options: dict[str, Any], dry: bool) -> dict[str, Any]:
    if dry or options["what"] is None:
        raise Unusable("Of a data set that the other machine fetches, say --as prompts, pairs or labels; no --dry-run.")
    given: dict[str, Any] = {name: "" if value is None else value for name, value in options.items()}
    return _followed(hone, project, hone.import_from_hub(project, hub=name, **given).run)


def _followed(hone: Client, project: int, run: RunView) -> dict[str, Any]:
    error = None
    try:
        told(hone, run)
    except RunEnded as ended:
        error = ended
    done = hone.show_import(project, run.id)
    refused_count = done.counts.get("refused", 0)
    if error is not None and not refused_count:
        raise error
    config = done.run.config
    return {
        "counts": {} if error else done.counts,
        "refused": [{"line": each.line, "reason": each.reason, "row": each.raw} for each in done.refused],
        "refused_count": refused_count, "run": run.id, "error": done.run.error,
        "what": config.what if isinstance(config, SentConfig) else "",
    }  # fmt: skip


def _asked(file: Path, options: dict[str, Any]) -> ImportConfig:
    """The same, with what the file is most likely meant as. Raises Unusable or Invalid."""
    what = options["what"]
    if what is None:
        try:
            found = formats.read(
                file, layout=options["layout"], mapping=options["mapping"] or None, kind=options["container"],
                encoding=options["encoding"], delimiter=options["delimiter"],
            )  # fmt: skip
            what = reading.offers(found)
        except formats.Unreadable as error:
            raise Unusable(str(error)) from None
    name = "".join(letter if letter.isprintable() else "?" for letter in file.name)
    return ImportConfig(file="", name=name[-200:], **(options | {"what": what}))


def _dry(file: Path, project: int, asked: ImportConfig) -> dict[str, Any]:
    with task_session() as session:
        found: Preview = preview(session, project_of(session, project), file, asked, most=None)
    refused = [{"line": each.line, "reason": each.reason, "row": each.raw} for each in found.refused[:SHOWN]]
    return {"counts": found.counts, "refused": refused, "refused_count": found.counts.get("refused", 0)}


def _run(file: Path, project: int, asked: ImportConfig, by: str | None) -> dict[str, Any]:
    """Start the run and work on it here, unless a worker was quicker; wait for its end."""
    with task_session() as session:
        target = project_of(session, project)
        address = imports.keep_path(session, target, file)
        config = asked.model_copy(update={"file": address})
        run_id = imports.start(session, target, acting(session, by), config).id
    run = _worked_on(run_id)
    with task_session() as session:
        counts = queries.counts(session, run_id)
        rows = [_row(each) for each in queries.refused(session, run_id, SHOWN)]
    made = counts if run.state is RunState.SUCCEEDED else {}
    refused = counts.get("refused", 0)
    if run.state is not RunState.SUCCEEDED and not refused:
        raise Unusable(f"Import {run_id} {run.state.value}: {run.error or 'somebody cancelled it'}")
    return {"counts": made, "refused": rows, "refused_count": refused, "run": run_id, "error": run.error}


def _worked_on(run_id: int) -> Run:
    from workers.runs.execution import work_on

    stopping = Event()
    while True:
        since = clock()
        with task_session() as session:
            run = run_work.claim(session, run_id, f"{socket.gethostname()}:{os.getpid()}", "CPU")
        if run is not None:
            work_on(run, stopping, since)
        with task_session() as session:
            run = session.get_one(Run, run_id)
        if run.state in runs.ENDED:
            return run
        time.sleep(0.2)


def _row(each: RefusedRow) -> dict[str, Any]:
    return {"line": each.line, "reason": each.reason, "row": each.raw}


def _tell(found: dict[str, Any], what: str, project: int, as_json: bool) -> None:
    counts = found["counts"]
    if as_json:
        told = {what: counts.get(what, 0), "duplicates": counts.get("duplicates", 0), "refused": found["refused"]}
        if found["refused_count"] > len(found["refused"]):
            told["refused_count"] = found["refused_count"]
        typer.echo(json.dumps(told, ensure_ascii=False))
        return
    for row in found["refused"][:20]:
        typer.echo(f"line {row['line']}: {row['reason']}", err=True)
    if found["refused_count"] > 20:
        typer.echo(f"... and {found['refused_count'] - 20:,} more; --json tells them.", err=True)
    if found.get("error"):
        typer.echo(f"error: {found['error']} (--skip-invalid)", err=True)
        return
    made = ", ".join(f"{counts[name]:,} {name}" for name in ("prompts", "pairs", "labels") if name in counts)
    typer.echo(f"{made or f'0 {what}'}; {counts.get('duplicates', 0):,} were there already.")
    for name in ("labels", "responses", "records"):
        if left := counts.get(f"{name}_left_out"):
            typer.echo(f"{left:,} {name} of the file are left out: only {what} are imported.", err=True)
    if "run" in found:
        typer.echo(f"`hone imports undo -p {project} {found['run']}` takes it back.")
