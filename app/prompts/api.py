"""Prompts through the JSON API."""

from datetime import datetime
from typing import Annotated

from fastapi import Query, Response

from app.models import Messages, PromptSource, PromptStatus, Split
from app.projects.dependencies import Manager
from app.prompts import queries, service
from app.prompts.forms import ImportBody, PromptFilter, ReviewBody
from app.prompts.service import MAX_FILE
from app.prompts.table import PROMPTS
from app.web import tables
from app.web.dependencies import Db, RowId
from app.web.routing import Router
from app.web.views import Listing, View

router = Router(tags=["prompts"])


class PromptView(View):
    """A prompt. `flags` names kinds of personal data that it may contain."""

    id: int
    messages: Messages
    split: Split
    source: PromptSource
    status: PromptStatus
    flags: list[str]
    created_at: datetime


class RefusedEntry(View):
    """An entry that is no prompt, by its place in what was sent, from 1."""

    entry: int
    reason: str


class ImportReport(View):
    """What became of an import. `refused` has the first hundred of `refused_count`."""

    entries: int
    imported: int
    new: int
    duplicates: int
    holdout: int
    refused: list[RefusedEntry]
    refused_count: int


class Reviewed(View):
    """How many prompts were decided about."""

    decided: int


@router.get("/projects/{project_id}/prompts")
def list_prompts(session: Db, access: Manager, chosen: Annotated[PromptFilter, Query()]) -> Listing[PromptView]:
    """Prompts, newest first, or in another order."""
    found = queries.found(access.project.id, chosen)
    return Listing[PromptView].of(tables.page(session, PROMPTS, found, chosen.sort, chosen.before, chosen.limit))


@router.post(
    "/projects/{project_id}/prompts",
    max_body_size=MAX_FILE + 2**20,
    responses={422: {"model": ImportReport, "description": "Some entries are refused, and nothing was imported"}},
)
def import_prompts(session: Db, access: Manager, body: ImportBody, response: Response) -> ImportReport:
    """Import entries. Gives 422 and imports nothing where some are bad and `accept_bad` is not set."""
    report = service.import_prompts(
        session, access.project, access.user, body.prompts, PromptSource.API, body.accept_bad, dry=body.dry_run
    )
    if not body.dry_run and not report.clean and not body.accept_bad:
        response.status_code = 422
    return _view(report)


@router.post("/projects/{project_id}/prompts/starter")
def add_starter_prompts(session: Db, access: Manager) -> ImportReport:
    """Add the prompts that come with Hone."""
    return _view(service.import_starter_set(session, access.project, access.user))


@router.post("/projects/{project_id}/prompts/review")
def review_prompts(session: Db, access: Manager, body: ReviewBody) -> Reviewed:
    """Add prompts from chat to the loop, or reject them. Those that wait are listed by `status=review`."""
    return Reviewed(decided=service.review(session, access.project, access.user, body.prompts, body.admit))


@router.get("/projects/{project_id}/prompts/{prompt_id}")
def show_prompt(session: Db, access: Manager, prompt_id: RowId) -> PromptView:
    """One prompt."""
    return PromptView.model_validate(service.get(session, access.project, prompt_id))


@router.post("/projects/{project_id}/prompts/{prompt_id}/restore")
def restore_prompt(session: Db, access: Manager, prompt_id: RowId) -> PromptView:
    """Take a withdrawn prompt back into the loop. Its items stay withdrawn."""
    return PromptView.model_validate(service.restore(session, access.project, access.user, prompt_id))


def _view(report: service.ImportReport) -> ImportReport:
    return ImportReport(
        entries=report.entries,
        imported=report.imported,
        new=report.new,
        duplicates=report.duplicates,
        holdout=report.holdout,
        refused=[RefusedEntry(entry=refusal.line, reason=refusal.reason) for refusal in report.refused[:100]],
        refused_count=len(report.refused),
    )
