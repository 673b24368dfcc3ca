"""The rules of imports: how one is asked for, what it may do with refused rows, and how it is taken back."""

import shutil
from pathlib import Path
from typing import IO

from sqlalchemy.orm import Session

from app.accounts import audit
from app.imports import files, queries
from app.imports.forms import HubImport
from app.imports.reading import require_map
from app.models import ImportConfig, Project, Run, RunKind, RunState, UndoConfig, User
from app.quotas import service as quotas
from app.runs import service as runs
from app.web.errors import Conflict, Invalid, NotFound


def keep(session: Session, project: Project, source: IO[bytes], most: int | None = files.MAX_UPLOAD) -> str:
    """Put a file into the store; its address. What was uploaded before and never imported is deleted in time."""
    quotas.require_room(session, project.id)
    files.delete_forgotten(project.id, lambda given: queries.named(session, project.id, given))
    return files.address(project.id, files.keep(project.id, source, most))


def keep_path(session: Session, project: Project, path: Path) -> str:
    """The same for a file or a folder of this machine, of any size."""
    try:
        if path.is_dir():
            copied = files.keep_folder(project.id, lambda to: shutil.copytree(path, to, dirs_exist_ok=True))
            return files.address(project.id, copied)
        with path.open("rb") as source:
            return keep(session, project, source, most=None)
    except OSError as error:
        raise Invalid(f"{path} cannot be read: {error.strerror}.") from None


def start(session: Session, project: Project, actor: User, config: ImportConfig) -> Run:
    """Queue the import of a file that is in the store."""
    require_map(config)
    if not config.file.startswith(files.address(project.id, "")):
        raise NotFound("The file is no longer there. Choose it again.")
    config = config.model_copy(update={"size": files.size(config.file)})
    return runs.create(session, project, config, created_by=actor)


def start_from_hub(session: Session, project: Project, actor: User, wanted: HubImport) -> Run:
    """Queue the import of a data set, which the run fetches first. For administrators: it is fetched with the server's
    credentials."""
    config = wanted.config("", f"hub:{wanted.hub}", wanted.what)
    return runs.create(session, project, config.model_copy(update={"hub": wanted.hub}), created_by=actor)


def get(session: Session, project: Project, run_id: int) -> Run:
    """An import of this project, or NotFound."""
    run = runs.get(session, project, run_id)
    if run.kind is not RunKind.IMPORT:
        raise NotFound("There is no such import.")
    return run


def config_of(run: Run) -> ImportConfig:
    """What an import was asked to do."""
    return run.asked(ImportConfig)


def import_rest(session: Session, project: Project, actor: User, run: Run) -> Run:
    """Import what can be used of a file whose other rows were refused."""
    if run.state is not RunState.FAILED or not queries.counts(session, run.id).get("refused"):
        raise Conflict(f"Import {run.id} does not wait for a word on refused rows.")
    run.config = run.asked(ImportConfig).model_copy(update={"skip_invalid": True})
    session.flush()
    audit.record(session, actor, "import.rest", project_id=project.id, subject=run)
    return runs.resume(session, actor, run)


def undo(session: Session, project: Project, actor: User, run: Run) -> Run:
    """Queue what takes out everything that an import has brought."""
    if run.state not in runs.ENDED:
        raise Conflict(f"Import {run.id} is {run.state.value}. Cancel it first.")
    before = queries.undone_by(session, project.id, run.id)
    if before is not None and before.state in (RunState.QUEUED, RunState.RUNNING):
        raise Conflict(f"Import {run.id} is being undone already, by run {before.id}.")
    return runs.create(session, project, UndoConfig(import_id=run.id), created_by=actor)
