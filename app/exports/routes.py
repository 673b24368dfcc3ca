"""The page of exports: what to take away, its first rows, and the file."""

from typing import Annotated, Any

from fastapi import Query, Request, Response
from starlette.datastructures import FormData

from app.exports import service
from app.exports.export import Export
from app.labels import queries as labels
from app.models.export_settings import ExportSettings
from app.projects.dependencies import Manager
from app.settings import get_settings
from app.web.dependencies import Db, RowId, Submitted
from app.web.errors import Invalid
from app.web.forms import parse, typed
from app.web.render import redirect, render
from app.web.routing import Router
from app.web.slots import SlottedDownload

router = Router()

LAYOUTS = [
    ("everything", "Everything, to be imported again"),
    ("trl", "TRL: prompt, chosen, rejected"),
    ("trl-conversational", "TRL, conversational"),
    ("sft", "Written answers, for supervised fine-tuning"),
    ("label-studio", "Label Studio"),
]
FORMATS = [
    ("", "JSON Lines (Label Studio: JSON)"),
    ("jsonl", "JSON Lines"),
    ("json", "JSON, one list"),
    ("csv", "CSV for programs"),
    ("excel", "CSV for spreadsheets"),
    ("parquet", "Parquet"),
    ("dataset", "A DatasetDict folder, as a ZIP archive"),
]
SHOWN = 20_000  # characters of the first rows


@router.get("/projects/{project_id}/exports")
def show_exports(request: Request, session: Db, access: Manager) -> Response:
    """What to export, and the first rows as they will be."""
    known = ExportSettings.model_fields
    asked = FormData([each for each in request.query_params.multi_items() if each[0] in known])
    shown: dict[str, Any] = {"wanted": None, "errors": {}, "error": None}
    status = 200
    try:
        wanted = parse(ExportSettings, asked)
        export = Export(access.project, wanted)
        text = export.preview_text(session)
        cut = f"{text[:SHOWN]}…" if len(text) > SHOWN else text
        shown |= {"wanted": wanted, "text": cut, "too_large": service.too_large(session, export)}
    except Invalid as refusal:
        status = refusal.status
        shown |= {"errors": refusal.errors, "error": refusal.message}
    return render(
        request,
        "exports/page.html",
        status=status,
        section="labels",
        given=typed(ExportSettings, asked),
        layouts=LAYOUTS,
        formats=FORMATS,
        annotators=labels.annotators(session, access.project.id),
        questions=access.project.answer.question_options(),
        streamed=service.STREAMED,
        days=get_settings().export_days,
        **shown,
    )


@router.post("/projects/{project_id}/exports")
def start(session: Db, access: Manager, form: Submitted) -> Response:
    """Start a run that writes the file."""
    run = service.start(session, access.project, access.user, parse(ExportSettings, form))
    return redirect(f"/projects/{access.project.id}/runs/{run.id}", f"Export {run.id} is queued.")


@router.get("/projects/{project_id}/exports/{run_id}/file")
def download_of_run(session: Db, access: Manager, run_id: RowId) -> SlottedDownload:
    """The file that a run has written."""
    return service.file(session, access.project, run_id)


@router.get("/projects/{project_id}/exports/file")
def download(session: Db, access: Manager, wanted: Annotated[ExportSettings, Query()]) -> SlottedDownload:
    """The file, made while it is sent."""
    return service.download(session, access.project, access.user, wanted)
