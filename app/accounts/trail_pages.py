"""The audit trail on pages: a project's, and that of the whole installation."""

from typing import Any

from fastapi import Request
from fastapi.responses import Response
from sqlalchemy.orm import Session

from app.accounts import queries, trail
from app.accounts.trail import EventFilter
from app.web.filters import query
from app.web.render import render
from app.web.zones import zone_of


def trail_page(
    request: Request, session: Session, project_id: int | None, template: str, chosen: EventFilter, **context: Any
) -> Response:
    """A page that has the trail, with its filter."""
    here = request.url.path
    file = "/system/audit.csv" if project_id is None else f"{here}.csv"
    return render(
        request,
        template,
        events=trail.find(session, project_id, chosen, zone_of(request)),
        chosen=chosen,
        people={one.id: one.shown for one in queries.actors(session, project_id)},
        kinds=trail.kinds(),
        here=here,
        file=file + query(chosen),
        **context,
    )


def trail_file(request: Request, session: Session, project_id: int | None, chosen: EventFilter) -> Response:
    """The same as CSV, from the newest on."""
    lines = trail.as_csv(session, project_id, chosen, zone_of(request))
    named = {"Content-Disposition": 'attachment; filename="audit.csv"'}
    return Response(b"".join(lines), media_type="text/csv; charset=utf-8", headers=named)
