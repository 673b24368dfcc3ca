"""Exports as downloads."""

from collections.abc import Iterator

from sqlalchemy.orm import Session

from app import db
from app.accounts import audit
from app.exports.export import Export
from app.models import Project, User
from app.models.export_settings import ExportSettings
from app.web.slots import SlottedDownload


def download(session: Session, project: Project, user: User, wanted: ExportSettings) -> SlottedDownload:
    """The file, made while it is sent, in one of the slots that downloads have."""
    export = Export(project, wanted)
    audit.record(session, user, "labels.exported", project_id=project.id, **export.about)

    def pieces() -> Iterator[bytes]:
        with db.patient_session() as own:
            yield from export.pieces(own)

    return SlottedDownload(pieces, export.media_type, export.name)
