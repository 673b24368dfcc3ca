"""Everybody's first page: a manager's projects at a glance, an annotator's to go on in."""

from fastapi import Request, Response

from app.accounts.dependencies import SignedIn
from app.home import overview
from app.home.overview import Sort
from app.projects import queries, service
from app.web.dependencies import Db
from app.web.render import redirect, render
from app.web.routing import Router
from app.web.zones import zone_of

router = Router()


@router.get("/")
def show_projects(
    request: Request, session: Db, user: SignedIn, archived: bool = False, sort: Sort = Sort.ATTENTION
) -> Response:
    """My projects. Whoever only answers in one project goes straight there."""
    may_create = service.may_create(session, user)
    found = queries.listed(session, user, archived).items
    if len(found) == 1 and not may_create and not archived:
        return redirect(f"/projects/{found[0].project.id}")
    looks_over = may_create and not archived
    glances, counted_at = overview.glances(session, user, found if looks_over else [], sort, zone_of(request))
    managed = {glance.project.id for glance in glances}
    return render(
        request,
        "home/projects.html",
        glances=glances,
        counted_at=counted_at,
        projects=[one for one in found if one.project.id not in managed],
        may_create=may_create,
        archived=archived,
        sort=sort,
    )
