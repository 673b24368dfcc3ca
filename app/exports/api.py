"""Exports through the JSON API."""

from typing import Annotated, Any

from fastapi import Query
from fastapi.responses import StreamingResponse

from app.exports import service
from app.exports.export import Export
from app.models.export_settings import ExportSettings
from app.projects.dependencies import Manager
from app.runs.api import RunView
from app.web.dependencies import Db, RowId
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
    """Labels as a file, made while it is sent; of more than 100,000 a run makes it."""
    return service.download(session, access.project, access.user, wanted)


@router.post("/projects/{project_id}/exports", status_code=201)
def start_export(session: Db, access: Manager, wanted: ExportSettings) -> RunView:
    """Start a run that writes labels to a file, of any number."""
    return RunView.model_validate(service.start(session, access.project, access.user, wanted))


@router.get("/projects/{project_id}/exports/{run_id}/file", response_class=StreamingResponse)
def download_export_of_run(session: Db, access: Manager, run_id: RowId) -> SlottedDownload:
    """The file that a run has written; it is kept for some days."""
    return service.file(session, access.project, run_id)


@router.get("/projects/{project_id}/exports/preview")
def preview_export(session: Db, access: Manager, wanted: Annotated[ExportSettings, Query()]) -> ExportPreview:
    """The first three rows."""
    export = Export(access.project, wanted)
    return ExportPreview(columns=export.columns, rows=export.preview(session))
