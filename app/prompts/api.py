"""Prompts through the JSON API."""

from typing import Annotated, Any

from fastapi import Query
from fastapi.responses import JSONResponse, Response

from app.models import Prompt, PromptSource
from app.projects.dependencies import Manager
from app.prompts import queries, service
from app.prompts.forms import ImportBody, PromptFilter
from app.prompts.service import MAX_FILE
from app.web.dependencies import Db, RowId
from app.web.routing import Router

router = Router(tags=["prompts"])


@router.get("/projects/{project_id}/prompts")
def list_prompts(session: Db, access: Manager, chosen: Annotated[PromptFilter, Query()]) -> dict[str, Any]:
    """Prompts, newest first; `before` of the answer asks for the next page."""
    found = queries.listing(session, access.project.id, **chosen.model_dump())
    return {"prompts": [_row(prompt) for prompt in found.items], "before": found.before}


@router.post("/projects/{project_id}/prompts", max_body_size=MAX_FILE + 2**20)
def import_prompts(session: Db, access: Manager, body: ImportBody) -> Response:
    """Import entries. Answers 422 and imports nothing where some are bad and `accept_bad` is not set."""
    report = service.import_prompts(
        session, access.project, body.prompts, access.user, PromptSource.API, body.accept_bad, dry=body.dry_run
    )
    refused = not body.dry_run and not report.clean and not body.accept_bad
    answer = {
        "entries": report.entries,
        "imported": report.imported,
        "new": report.new,
        "duplicates": report.duplicates,
        "holdout": report.holdout,
        "refused": [{"entry": refusal.line, "reason": refusal.reason} for refusal in report.refused[:100]],
        "refused_count": len(report.refused),
    }
    return JSONResponse(answer, 422 if refused else 200)


@router.get("/projects/{project_id}/prompts/{prompt_id}")
def show_prompt(session: Db, access: Manager, prompt_id: RowId) -> dict[str, Any]:
    """One prompt."""
    return _row(service.get(session, access.project, prompt_id))


def _row(prompt: Prompt) -> dict[str, Any]:
    return {
        "id": prompt.id,
        "messages": prompt.messages,
        "split": prompt.split,
        "source": prompt.source,
        "status": prompt.status,
        "flags": prompt.flags,
        "created_at": prompt.created_at,
    }
