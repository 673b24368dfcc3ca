"""Versions of the guidelines and of what is asked, in the JSON API."""

from datetime import datetime
from typing import Annotated

from fastapi import Query

from app.models import Asked, Instructions
from app.projects import instructions
from app.projects.dependencies import Annotator
from app.web.dependencies import Db, RowId
from app.web.pages import Paging
from app.web.routing import Router
from app.web.views import Listing, View

router = Router(tags=["projects"])


class InstructionsView(View):
    """One version of a project's guidelines and of what it asked, as its settings had it; labels name it by `number`.
    `present` is true for the one that holds now."""

    number: int
    present: bool
    guidelines: str
    asked: Asked
    created_at: datetime


@router.get("/projects/{project_id}/instructions")
def list_instructions(session: Db, access: Annotator, chosen: Annotated[Paging, Query()]) -> Listing[InstructionsView]:
    """All versions of the guidelines and of what is asked, the newest first."""
    found = instructions.listing(session, access.project, chosen.before, chosen.limit)
    present = access.project.instructions_id
    return Listing[InstructionsView](items=[_view(each, present) for each in found.items], before=found.before)


@router.get("/projects/{project_id}/instructions/{number}")
def show_instructions(session: Db, access: Annotator, number: RowId) -> InstructionsView:
    """One version."""
    return _view(instructions.get(session, access.project, number), access.project.instructions_id)


def _view(version: Instructions, present: int | None) -> InstructionsView:
    return InstructionsView(
        number=version.number,
        present=version.id == present,
        guidelines=version.guidelines,
        asked=version.asked,
        created_at=version.created_at,
    )
