"""Pages of prompts: browse, import, review what came from chat."""

from base64 import b64decode, b64encode
from typing import Annotated

from fastapi import Query, Request, Response
from starlette.datastructures import FormData, UploadFile

from app.models import PromptSource, PromptStatus
from app.projects.dependencies import Access, Manager
from app.prompts import queries, service
from app.prompts.forms import MAX_KEPT, ImportForm, PromptFilter
from app.prompts.service import MAX_FILE, ImportReport
from app.web.addresses import Before
from app.web.dependencies import Db, RowId, Submitted
from app.web.errors import Invalid, Refused
from app.web.forms import parse
from app.web.markdown import to_html
from app.web.render import redirect, render
from app.web.routing import Router

router = Router()


@router.get("/projects/{project_id}/prompts")
def show_prompts(request: Request, session: Db, access: Manager, chosen: Annotated[PromptFilter, Query()]) -> Response:
    """All prompts, newest first."""
    found = queries.listing(session, access.project.id, **chosen.model_dump())
    return render(
        request,
        "prompts/list.html",
        section="prompts",
        prompts=found,
        chosen=chosen,
        counts=_counts(session, access),
    )


@router.get("/projects/{project_id}/prompts/import")
def show_import(request: Request, access: Manager) -> Response:
    """The form to import prompts."""
    return _import_page(request, ImportForm())


@router.post("/projects/{project_id}/prompts/import", max_body_size=MAX_FILE + 2**20)
def import_prompts(request: Request, session: Db, access: Manager, form: Submitted) -> Response:
    """Preview or import a file or pasted text; nothing is imported while a line is bad, unless that is accepted.

    A previewed file comes back with the page to the byte, where it is small; a larger one has to be chosen again.
    """
    given = parse(ImportForm, form)
    try:
        content = _content(form, given)
        report = service.import_prompts(
            session,
            access.project,
            content,
            access.user,
            PromptSource.IMPORT,
            given.accept_bad,
            given.layout,
            dry=given.action == "preview",
        )
    except Refused as refusal:
        return _import_page(request, given, status=refusal.status, error=refusal.message)
    if given.action == "import" and (report.imported or (report.clean and not report.new)):
        text = f"{report.imported} prompts imported, {report.holdout} of them held out."
        text += f" {report.duplicates} were there already." if report.duplicates else ""
        text += f" {len(report.refused)} were refused." if report.refused else ""
        text += f" Left out: {left_out(report)}." if report.left_out else ""
        return redirect(f"/projects/{access.project.id}/prompts", text)
    return _import_page(request, given, report, status=200 if given.action == "preview" else 422)


@router.post("/projects/{project_id}/prompts/starter")
def import_starter(session: Db, access: Manager) -> Response:
    """Add the prompts that come with Hone."""
    report = service.import_starter_set(session, access.project, access.user)
    text = f"{report.imported} starter prompts added." if report.imported else "The starter prompts are here already."
    return redirect(f"/projects/{access.project.id}/prompts", text)


@router.get("/projects/{project_id}/prompts/review")
def show_review(request: Request, session: Db, access: Manager, before: Before = None) -> Response:
    """What people asked in chat and agreed to share, for a manager to admit or refuse."""
    found = queries.listing(session, access.project.id, status=PromptStatus.REVIEW, before=before, limit=20)
    return render(
        request,
        "prompts/review.html",
        section="prompts",
        prompts=found,
        counts=_counts(session, access),
        to_html=to_html,
    )


@router.post("/projects/{project_id}/prompts/review")
def review(session: Db, access: Manager, form: Submitted) -> Response:
    """Add or reject the selected prompts."""
    marked = [value for value in form.getlist("prompt") if isinstance(value, str)]
    if not marked or not all(value.isascii() and value.isdigit() and len(value) < 19 for value in marked):
        raise Invalid("Select the prompts that you want to add or reject.")
    admit = form.get("decision") == "admit"
    count = service.review(session, access.project, [int(value) for value in marked], admit, access.user)
    text = f"{count} {'prompt' if count == 1 else 'prompts'} {'added' if admit else 'rejected'}."
    return redirect(f"/projects/{access.project.id}/prompts/review", text)


@router.get("/projects/{project_id}/prompts/{prompt_id}")
def show_prompt(request: Request, session: Db, access: Manager, prompt_id: RowId) -> Response:
    """One prompt, whole."""
    prompt = service.get(session, access.project, prompt_id)
    turns = [(message["role"], to_html(message["content"], "message")) for message in prompt.messages]
    return render(request, "prompts/show.html", section="prompts", prompt=prompt, turns=turns)


@router.post("/projects/{project_id}/prompts/{prompt_id}/restore")
def restore(session: Db, access: Manager, prompt_id: RowId) -> Response:
    """Take a withdrawn prompt back."""
    service.restore(session, access.project, prompt_id, access.user)
    return redirect(f"/projects/{access.project.id}/prompts/{prompt_id}", "The prompt is back in the loop.")


def left_out(report: ImportReport) -> str:
    """What came with the prompts and is no part of them, in words."""
    return " and ".join(f"{count:,} {what}" for what, count in report.left_out.items())


def _content(form: FormData, given: ImportForm) -> bytes | str:
    file = form.get("file")
    if isinstance(file, UploadFile) and file.filename:
        content = file.file.read()
        given.kept_name = file.filename[-200:]
        given.kept = b64encode(content).decode() if len(content) <= MAX_KEPT else ""
        return content
    if given.text.strip() or not given.kept:
        given.kept = given.kept_name = ""
        return given.text
    try:
        return b64decode(given.kept, validate=True)
    except ValueError:
        raise Invalid("The file did not come back whole. Choose it again.", "file") from None


def _import_page(
    request: Request,
    given: ImportForm,
    report: ImportReport | None = None,
    status: int = 200,
    error: str | None = None,
) -> Response:
    return render(
        request,
        "prompts/import.html",
        status=status,
        section="prompts",
        given=given,
        report=report,
        error=error,
        left_out=left_out(report) if report and report.left_out else "",
    )


def _counts(session: Db, access: Access) -> dict[str, int]:
    """Totals by status and, of the active ones, by split."""
    totals: dict[str, int] = {}
    for (status, split), count in queries.counts(session, access.project.id).items():
        totals[status.value] = totals.get(status.value, 0) + count
        if status is PromptStatus.ACTIVE:
            totals[split.value] = count
    return totals
