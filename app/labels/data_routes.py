"""Pages about labels: mine, everybody's, and how well people agree."""

from typing import Annotated
from urllib.parse import urlencode

from fastapi import Query, Request, Response

from app.annotation import KINDS
from app.labels import history, quality, quality_views, queries, skips
from app.labels.bulk import BULK_LABELS
from app.labels.forms import LabelFilter, SkipFilter
from app.labels.history import OwnFilter
from app.labels.table import LABELS
from app.projects import bulk
from app.projects.dependencies import Access, Annotator, Manager
from app.web import tables
from app.web.dependencies import Db, RowId, Submitted
from app.web.errors import NotFound
from app.web.render import render
from app.web.routing import Router
from app.web.zones import zone_of

router = Router()


@router.get("/projects/{project_id}/labels")
def show_labels(request: Request, session: Db, access: Annotator, chosen: Annotated[LabelFilter, Query()]) -> Response:
    """A manager sees everybody's labels, an annotator their own."""
    if not access.is_manager:
        return _mine(request, session, access, OwnFilter(before=chosen.before))
    found = queries.found(access.project.id, chosen)
    return tables.show(
        request,
        "labels/list.html",
        LABELS,
        chosen,
        *tables.read(session, LABELS, found, chosen),
        options={"annotator": queries.annotators(session, access.project.id)},
        asked=access.project.answer,
        section="labels",
    )


@router.get("/projects/{project_id}/labels/bulk")
def ask_about_labels(request: Request, session: Db, access: Manager) -> Response:
    """Ask whether something is to be done about many labels."""
    return bulk.confirm(request, session, access, BULK_LABELS)


@router.post("/projects/{project_id}/labels/bulk")
def follow_up_labels(request: Request, session: Db, access: Manager, form: Submitted) -> Response:
    """Do it."""
    return bulk.act(request, session, access, BULK_LABELS, form)


@router.get("/projects/{project_id}/labels/mine")
def show_mine(request: Request, session: Db, access: Annotator, chosen: Annotated[OwnFilter, Query()]) -> Response:
    """My labels, each to be looked at and changed, and the hours that they took."""
    return _mine(request, session, access, chosen)


@router.get("/projects/{project_id}/labels/mine/{item_id}")
def show_history(request: Request, session: Db, access: Annotator, item_id: RowId) -> Response:
    """All revisions of my label of one item."""
    found = queries.revisions(session, access.user.id, item_id)
    if not found or found[0].project_id != access.project.id:
        raise NotFound("You have not answered this pair.")
    return render(request, "labels/history.html", section="labels", revisions=found, asked=access.project.answer)


@router.get("/projects/{project_id}/labels/quality")
def show_quality(request: Request, session: Db, access: Manager, wait: bool = False) -> Response:
    """How well people agree, and how each of them works. Figures that take long to count come to the page later, by a
    request that does `wait` for them."""
    found, counted_at, standing = quality.at_hand(session, access.project, wait)
    figures = {} if found is None else quality_views.figures(found, access.project)
    return render(
        request,
        "labels/quality.html",
        section="labels",
        skips=skips.counts(session, access.project),
        counted_at=counted_at,
        standing=standing,
        **figures,
    )


@router.get("/projects/{project_id}/labels/skips")
def show_skips(request: Request, session: Db, access: Manager, chosen: Annotated[SkipFilter, Query()]) -> Response:
    """Which items were skipped, and why."""
    return render(
        request,
        "labels/skips.html",
        section="labels",
        skips=skips.listing(session, access.project, chosen),
        chosen=chosen,
        counts=skips.counts(session, access.project),
    )


def _mine(request: Request, session: Db, access: Access, chosen: OwnFilter) -> Response:
    about = (session, access.project.id, access.user.id, chosen, zone_of(request))
    return render(
        request,
        "labels/mine.html",
        asked=access.project.answer,
        section="labels",
        labels=history.listing(*about),
        work=history.work(*about),
        chosen=chosen,
        kinds=KINDS.values(),
        query=urlencode(chosen.model_dump(mode="json", exclude_defaults=True, exclude={"before"})),
    )
