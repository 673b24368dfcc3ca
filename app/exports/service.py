"""Exports as downloads: made while they are sent, or by a run and kept for some days."""

from collections.abc import Iterator

from sqlalchemy.orm import Session

from app import db
from app.accounts import audit
from app.exports import parts
from app.exports.export import Export
from app.models import ExportConfig, Project, Run, RunKind, RunState, User
from app.models.export_settings import ExportSettings
from app.runs import folders
from app.runs import service as runs
from app.settings import get_settings
from app.web.errors import Conflict, NotFound
from app.web.filters import count
from app.web.slots import SlottedDownload

STREAMED = 100_000  # labels at most that are sent at once


def download(session: Session, project: Project, user: User, wanted: ExportSettings) -> SlottedDownload:
    """The file, made while it is sent, in one of the slots that downloads have. Conflict where it is too large."""
    export = Export(project, wanted)
    if too_large(session, export):
        raise Conflict(
            f"This export has more than {count(STREAMED)} labels, too many to be made while they are sent. "
            "Start it as a run, and download the file when it is done."
        )
    audit.record(session, user, "labels.exported", project_id=project.id, **export.about)

    def pieces() -> Iterator[bytes]:
        with db.patient_session() as own:
            yield from export.pieces(own)

    return SlottedDownload(pieces, export.media_type, export.name)


def too_large(session: Session, export: Export) -> bool:
    """Whether it takes a run."""
    return export.count(session, STREAMED + 1) > STREAMED


def start(session: Session, project: Project, user: User, wanted: ExportSettings) -> Run:
    """Queue a run that writes the file."""
    export = Export(project, wanted)
    audit.record(session, user, "labels.exported", project_id=project.id, **export.about)
    return runs.create(session, project, ExportConfig(wanted=wanted), created_by=user)


def file(session: Session, project: Project, run_id: int) -> SlottedDownload:
    """What a run has written. NotFound where it is not there yet, or no longer."""
    run = runs.get(session, project, run_id)
    if run.kind is not RunKind.EXPORT:
        raise NotFound("There is no such export.")
    if run.state is not RunState.SUCCEEDED:
        raise NotFound(f"The file of export {run.id} is not ready: the run is {run.state.value}.")
    export = Export(project, run.asked(ExportConfig).wanted)
    try:
        name, media_type, content = parts.entries(export, folders.workspace(run) / parts.FOLDER)
    except FileNotFoundError:
        days = get_settings().export_days
        raise NotFound(
            f"The file of export {run.id} is deleted: files are kept for {days} days. Run it again for a new one."
        ) from None
    return SlottedDownload(lambda: content, media_type, name)
