"""Imports through the JSON API: a file by POST as a form, what became of it by GET."""

from typing import Annotated, Any

from fastapi import Depends, File, Form, Query, UploadFile
from fastapi.responses import StreamingResponse
from pydantic import ValidationError
from starlette.datastructures import FormData

import formats
from app.imports import files, incoming, queries, service, views
from app.imports.forms import Container, HubImport, ImportFields
from app.imports.preview import Preview
from app.models import Imported, Messages, Run
from app.models.documents import ImportCounts
from app.projects.dependencies import Manager, ManagingAdmin
from app.runs.api import RunView
from app.web.dependencies import Db, RowId, Submitted
from app.web.errors import Invalid
from app.web.forms import invalid
from app.web.pages import Paging, page
from app.web.routing import Router
from app.web.slots import SlottedDownload
from app.web.views import Listing, View

router = Router(tags=["imports"])
MOST_BYTES = files.MAX_UPLOAD + 2**20


class RefusedView(View):
    """A row that cannot be used: its line, why, and its text."""

    line: int
    reason: str
    raw: str


class FoundResponse(View):
    """A response of the file; `author` is null where the file does not name who wrote it."""

    text: str
    author: str | None


class FoundRow(View):
    """A row as it will be stored. `labels` are in words."""

    line: int
    messages: Messages
    responses: list[FoundResponse]
    labels: list[str]


class ImportPreview(View):
    """What a file comes to, or its first rows where it is not `whole`; nothing was stored. `proposal` says which column
    may be what, where the columns are of no known layout: `counts` are empty then, and `sentence` says what to do."""

    what: Imported | None
    container: str | None
    layout: str | None
    columns: list[str]
    rows: int
    whole: bool
    counts: ImportCounts
    first: list[FoundRow]
    refused: list[RefusedView]
    proposal: dict[str, str]
    sentence: str | None


class ImportView(View):
    """An import. `refused` are the first of its refused rows; `counts` has what it made of the others. `undone_by` is
    the run that takes it back."""

    run: RunView
    counts: ImportCounts
    refused: list[RefusedView]
    undone_by: int | None


def _fields(
    form: Submitted,
    what: Annotated[Imported | None, Form(description="Default: the most that the file holds")] = None,
    layout: Annotated[str, Form(max_length=60, description="Default: by the columns")] = "",
    container: Annotated[Container, Form(description="Default: by the content")] = "",
    encoding: Annotated[str, Form(max_length=40)] = "",
    delimiter: Annotated[str, Form(max_length=1)] = "",
    mapping: Annotated[str, Form(max_length=10_000, description='A JSON object: {"prompt": "Question"}')] = "",
    skip_invalid: Annotated[bool, Form(description="Import the rest where rows are refused")] = False,
) -> ImportFields:
    _require_known(form)
    values = {
        "what": what, "layout": layout, "container": container, "encoding": encoding, "delimiter": delimiter,
        "mapping": mapping, "skip_invalid": skip_invalid,
    }  # fmt: skip
    try:
        return ImportFields.model_validate(values)
    except ValidationError as error:
        raise invalid(error) from None


def _require_known(form: FormData) -> None:
    """Invalid where something else is sent than is taken: a wrong name would change nothing without a word."""
    for name in form:
        sent = form.getlist(name)
        if name != "file" and name not in ImportFields.model_fields:
            raise Invalid("There is no such field.", name[:40])
        if len(sent) > 1:
            raise Invalid("Send one file." if name == "file" else "Send it once.", name)
        if name == "file" and isinstance(sent[0], str):
            raise Invalid("Send the file itself, as a part of the form that has a file name.", name)


Fields = Annotated[ImportFields, Depends(_fields)]
Sent = Annotated[UploadFile, File(description="JSON Lines, JSON, CSV, Parquet, Arrow or text; also gzip, zstd")]


@router.post("/projects/{project_id}/imports/preview", max_body_size=MOST_BYTES)
def preview_import(session: Db, access: Manager, file: Sent, fields: Fields) -> ImportPreview:
    """Read a file and say what its import would make, without storing any of it."""
    address = service.keep(session, access.project, file.file)
    try:
        config = incoming.asked(fields, address, incoming.name_of(file))
        found = incoming.looked_at(session, access.project, config)
    except formats.UnknownLayout as error:
        about = incoming.unmapped(error)
        return ImportPreview(
            what=fields.what, container=None, layout=None, columns=list(about.columns), rows=0, whole=False, counts={},
            first=[], refused=[], proposal=about.proposal, sentence=about.sentence,
        )  # fmt: skip
    return _preview_view(found, config.what)


@router.post("/projects/{project_id}/imports", status_code=201, max_body_size=MOST_BYTES)
def start_import(session: Db, access: Manager, file: Sent, fields: Fields) -> ImportView:
    """Import a file, as a run. Where rows are refused and `skip_invalid` is not set, the run fails and nothing is
    imported; `rest` imports the others then."""
    address = service.keep(session, access.project, file.file)
    try:
        config = incoming.asked(fields, address, incoming.name_of(file))
    except formats.UnknownLayout as error:
        raise Invalid(str(error), "mapping") from None
    return _view(session, service.start(session, access.project, access.user, config))


@router.post("/projects/{project_id}/imports/hub", status_code=201)
def import_from_hub(session: Db, access: ManagingAdmin, wanted: HubImport) -> ImportView:
    """Import a data set of the Hugging Face hub, which the run fetches first. For administrators."""
    return _view(session, service.start_from_hub(session, access.project, access.user, wanted))


@router.get("/projects/{project_id}/imports")
def list_imports(session: Db, access: Manager, asked: Annotated[Paging, Query()]) -> Listing[RunView]:
    """The project's imports, and the runs that take them back, newest first."""
    return Listing[RunView].of(page(session, queries.runs(access.project.id), Run.id, asked.before, asked.limit))


@router.get("/projects/{project_id}/imports/{run_id}")
def show_import(session: Db, access: Manager, run_id: RowId) -> ImportView:
    """One import."""
    return _view(session, service.get(session, access.project, run_id))


@router.get("/projects/{project_id}/imports/{run_id}/refused", response_class=StreamingResponse)
def refused_rows(session: Db, access: Manager, run_id: RowId) -> SlottedDownload:
    """All refused rows as JSON Lines."""
    return views.refused_file(service.get(session, access.project, run_id))


@router.post("/projects/{project_id}/imports/{run_id}/rest")
def import_rest(session: Db, access: Manager, run_id: RowId) -> ImportView:
    """Import the rows that are good, of a file whose others were refused."""
    run = service.get(session, access.project, run_id)
    return _view(session, service.import_rest(session, access.project, access.user, run))


@router.post("/projects/{project_id}/imports/{run_id}/undo", status_code=201)
def undo_import(session: Db, access: Manager, run_id: RowId) -> RunView:
    """Take out what an import has brought. What others depend on stays; the run's summary says how much."""
    run = service.get(session, access.project, run_id)
    return RunView.model_validate(service.undo(session, access.project, access.user, run))


def _view(session: Db, run: Run) -> ImportView:
    undone = queries.undone_by(session, run.project_id or 0, run.id)
    return ImportView(
        run=RunView.model_validate(run),
        counts=queries.counts(session, run.id),
        refused=[RefusedView.model_validate(row) for row in queries.refused(session, run.id, 100)],
        undone_by=undone.id if undone else None,
    )


def _preview_view(found: Preview, what: Imported) -> ImportPreview:
    def row(each: Any) -> FoundRow:
        return FoundRow(
            line=each.line,
            messages=each.messages,
            responses=[FoundResponse(text=one.text, author=one.author) for one in each.responses],
            labels=[said.words for said in views.said(each)],
        )

    return ImportPreview(
        what=what, container=found.container, layout=found.layout, columns=found.columns, rows=found.rows,
        whole=found.whole, counts=found.counts, first=[row(each) for each in found.first],
        refused=[RefusedView.model_validate(each) for each in found.refused[:100]], proposal={}, sentence=None,
    )  # fmt: skip
