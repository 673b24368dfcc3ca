"""Flags through the JSON API."""

from typing import Annotated

from fastapi import Query, Response

from app.flags import queries, service
from app.flags.forms import FlagFilter, FlagForm, MessageForm
from app.flags.views import FlagView, flag_view
from app.projects.dependencies import Annotator, Manager
from app.web.dependencies import Db, RowId
from app.web.routing import Router
from app.web.views import Listing

router = Router(tags=["flags"])


@router.get("/projects/{project_id}/flags")
def list_flags(session: Db, access: Annotator, chosen: Annotated[FlagFilter, Query()]) -> Listing[FlagView]:
    """Flags on items, the newest first: a manager sees everybody's, anybody else their own."""
    found = queries.listing(session, access, chosen)
    return Listing[FlagView](items=[flag_view(flag) for flag in found.items], before=found.before)


@router.post("/projects/{project_id}/flags", status_code=201)
def raise_flag(session: Db, access: Annotator, body: FlagForm) -> FlagView:
    """Ask the managers about an item that was put before me. A second message goes to the flag that is open."""
    return flag_view(service.raise_flag(session, access.project, access.user, body.assignment_id, body.message))


@router.get("/projects/{project_id}/flags/{flag_id}")
def show_flag(session: Db, access: Annotator, flag_id: RowId) -> FlagView:
    """A flag with its thread."""
    return flag_view(queries.find(session, access, flag_id))


@router.post("/projects/{project_id}/flags/{flag_id}/messages", status_code=201)
def reply_to_flag(session: Db, access: Annotator, flag_id: RowId, body: MessageForm) -> FlagView:
    """Write in the thread of an open flag."""
    return flag_view(service.reply(session, access.user, queries.find(session, access, flag_id), body.message))


@router.post("/projects/{project_id}/flags/{flag_id}/close", status_code=204)
def close_flag(session: Db, access: Manager, flag_id: RowId) -> Response:
    """Settle a flag."""
    service.close(session, access.user, queries.find(session, access, flag_id))
    return Response(status_code=204)
