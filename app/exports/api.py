"""Exports through the JSON API."""

from typing import Annotated, Any

from fastapi import Query
from fastapi.responses import StreamingResponse

from app.exports import service
from app.exports.export import Export
from app.models.export_settings import ExportSettings
from app.projects.dependencies import Manager
from app.web.dependencies import Db
from app.web.routing import Router
from app.web.slots import SlottedDownload
from app.web.views import View

router = Router(tags=["exports"])


class ExportPreview(View):
    """The first rows of an export, as they will be, and its columns in their order."""

    columns: list[str]
    rows: list[dict[str, Any]]


@router.get("/projects/{project_id}/exports/file", response_class=StreamingResponse)
def download_export(session: Db, access: Manager, wanted: Annotated[ExportSettings, Query()]) -> SlottedDownload:
    """Labels as a file, made while it is sent."""
    return service.download(session, access.project, access.user, wanted)


@router.get("/projects/{project_id}/exports/preview")
def preview_export(session: Db, access: Manager, wanted: Annotated[ExportSettings, Query()]) -> ExportPreview:
    """The first three rows."""
    export = Export(access.project, wanted)
    return ExportPreview(columns=export.columns, rows=export.preview(session))
