"""`hone export`: a project's labels as a file. Its options are the fields of the one description of an export."""

import inspect
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from types import UnionType
from typing import IO, Annotated, Any, get_args

import typer
from pydantic import ValidationError
from pydantic.fields import FieldInfo

from app.accounts import audit
from app.db import patient_session, task_session
from app.exports.export import Export
from app.models.export_settings import ExportSettings
from app.web.errors import Invalid
from app.web.forms import invalid
from workers.cli.calls import ProjectId, does, written
from workers.cli.following import told
from workers.cli.reach import As, acting, client, elsewhere, project_of
from workers.platform.folder import Unusable
from workers.platform.services import connected

Output = Annotated[Path | None, typer.Option("--output", "-o", help="File to write; default: stdout.")]
Json = Annotated[bool, typer.Option("--json", help="Say what was written as JSON, on stderr.")]


def add_to(app: typer.Typer) -> None:
    """Mount these commands."""
    app.command("export")(_with_options(export))


@does("start_export", "download_export_of_run")
def export(project: ProjectId, output: Output = None, as_json: Json = False, as_: As = None, **wanted: Any) -> None:
    """Export the labels of a project, as the page does. An archive is a ZIP file."""
    given = {name: value for name, value in wanted.items() if value is not None}
    try:
        settings = ExportSettings.model_validate(given)
    except ValidationError as error:
        raise Invalid(" ".join(invalid(error).errors.values())) from None
    rows = _there(project, output, given) if elsewhere() else _here(project, output, settings, as_)
    about = {"rows": rows, "file": str(output) if output else None}
    typer.echo(json.dumps(about) if as_json else f"{rows} rows exported.", err=True)


def _there(project: int, output: Path | None, given: dict[str, Any]) -> int:
    """By a run of the other machine, which takes any number of rows."""
    with client() as hone:
        run = told(hone, hone.start_export(project, **given))
        written(hone.download_export_of_run(project, run.id), output)
    return int((run.summary or {}).get("rows", 0))


def _here(project: int, output: Path | None, settings: ExportSettings, as_: str | None) -> int:
    """Straight from the database, so that no worker has to run."""
    with connected():
        with task_session() as session:
            target = project_of(session, project)
            made = Export(target, settings)
            audit.record(session, acting(session, as_), "labels.exported", project_id=target.id, **made.about)
        with patient_session() as session, _written(output) as file:
            for piece in made.pieces(session):
                file.write(piece)
    return made.rows


def _with_options(command: Any) -> Any:
    """The command with an option for each field of the settings."""
    signature = inspect.signature(command)
    own = [each for each in signature.parameters.values() if each.kind is not inspect.Parameter.VAR_KEYWORD]
    options = [_option(name, field) for name, field in ExportSettings.model_fields.items()]
    command.__signature__ = signature.replace(parameters=[*own, *options])
    command.__annotations__ = {each.name: each.annotation for each in (*own, *options)}
    return command


def _option(name: str, field: FieldInfo) -> inspect.Parameter:
    kind = _plain(field.annotation)
    flag = f"--{name.replace('_', '-')}"
    option = typer.Option(flag, help=field.description, show_default=field.default not in (None, "", False))
    return inspect.Parameter(
        name, inspect.Parameter.KEYWORD_ONLY, default=field.default, annotation=Annotated[kind, option]
    )


def _plain(annotation: Any) -> Any:
    """The type as the command line takes it: an enumeration, a number, a text, or a truth value."""
    inner = [each for each in get_args(annotation) if each is not type(None)]
    if isinstance(annotation, UnionType) or type(None) in get_args(annotation):
        return _plain(inner[0]) | None
    if hasattr(annotation, "__metadata__"):
        return _plain(annotation.__origin__)
    known = annotation in (bool, int, str) or issubclass(annotation, StrEnum)
    if not known:
        raise TypeError(f"no option can be made of {annotation}")
    return annotation


@contextmanager
def _written(path: Path | None) -> Iterator[IO[bytes]]:
    """The file at `path`, there only when it is whole; stdout without one."""
    if path is None:
        yield sys.stdout.buffer
        sys.stdout.flush()
        return
    beside = path.with_name(f".{path.name}.part")
    try:
        with beside.open("wb") as file:
            yield file
        beside.replace(path)
    except OSError as error:
        raise Unusable(f"{path} cannot be written: {error.strerror}.") from None
    finally:
        beside.unlink(missing_ok=True)
