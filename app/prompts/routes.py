"""Pages of prompts: browse, review what came from chat. Files come in by `app.imports`."""

from typing import Annotated

from fastapi import Query, Request, Response

from app.models import PromptStatus
from app.projects.dependencies import Access, Manager
from app.prompts import queries, service
from app.prompts.forms import PromptConditions, PromptFilter
from app.prompts.table import PROMPTS
from app.web import tables
from app.web.addresses import Before
from app.web.dependencies import Db, RowId, Submitted
from app.web.errors import Invalid
from app.web.markdown import to_html
from app.web.render import redirect, render
from app.web.routing import Router

router = Router()


@router.get("/projects/{project_id}/prompts")
def show_prompts(request: Request, session: Db, access: Manager, chosen: Annotated[PromptFilter, Query()]) -> Response:
    """All prompts."""
    found = queries.found(access.project.id, chosen)
    return tables.show(
        request,
        "prompts/list.html",
        PROMPTS,
        chosen,
        *tables.read(session, PROMPTS, found, chosen),
        section="prompts",
        counts=_counts(session, access),
    )


@router.post("/projects/{project_id}/prompts/starter")
def import_starter(session: Db, access: Manager) -> Response:
    """Add the prompts that come with Hone."""
    report = service.import_starter_set(session, access.project, access.user)
    text = f"{report.imported} starter prompts added." if report.imported else "The starter prompts are here already."
    return redirect(f"/projects/{access.project.id}/prompts", text)


@router.get("/projects/{project_id}/prompts/review")
def show_review(request: Request, session: Db, access: Manager, before: Before = None) -> Response:
    """What people asked in chat and agreed to share, for a manager to admit or refuse."""
    waiting = queries.found(access.project.id, PromptConditions(status=PromptStatus.REVIEW))
    found = tables.page(session, PROMPTS, waiting, PROMPTS.order, before, 20)
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
    count = service.review(session, access.project, access.user, [int(value) for value in marked], admit)
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
    service.restore(session, access.project, access.user, prompt_id)
    return redirect(f"/projects/{access.project.id}/prompts/{prompt_id}", "The prompt is back in the loop.")


def _counts(session: Db, access: Access) -> dict[str, int]:
    """Totals by status and, of the active ones, by split."""
    totals: dict[str, int] = {}
    for (status, split), count in queries.counts(session, access.project.id).items():
        totals[status.value] = totals.get(status.value, 0) + count
        if status is PromptStatus.ACTIVE:
            totals[split.value] = count
    return totals
