"""Labels over time: the page, its file and the call."""

from dataclasses import replace
from typing import Annotated

from fastapi import Query, Request, Response

from app.labels import over_time_views
from app.labels.over_time import Over, at_hand, over_time
from app.labels.views import BucketView, OverTimeView
from app.projects.dependencies import Manager
from app.web import zones
from app.web.dependencies import Db
from app.web.render import render
from app.web.routing import Router

router = Router()
api = Router()


@router.get("/projects/{project_id}/labels/over-time")
def show_over_time(
    request: Request, session: Db, access: Manager, over: Over = Over.MONTH, wait: bool = False
) -> Response:
    """When people label, how much each does, and how far they agree. Figures that take long to count come to the page
    later, by a request that does `wait` for them."""
    found, counted_at, standing = at_hand(session, access.project, over, zones.zone_of(request), wait)
    return render(
        request,
        "labels/over_time.html",
        section="labels",
        over=over,
        found=found,
        counted_at=counted_at,
        standing=standing,
        curves=found and replace(over_time_views.curves(found), csv=f"{request.url.path}.csv?over={over}"),
        by_hour=found and over_time_views.by_hour(found),
        bucket_name=over_time_views.name,
    )


@router.get("/projects/{project_id}/labels/over-time.csv")
def download_over_time(request: Request, session: Db, access: Manager, over: Over = Over.MONTH) -> Response:
    """The same as a file."""
    found, _ = over_time(session, access.project, over, zones.zone_of(request))
    named = {"Content-Disposition": f'attachment; filename="labels-{over}.csv"'}
    return Response(over_time_views.as_csv(found), media_type="text/csv; charset=utf-8", headers=named)


@api.get("/projects/{project_id}/labels/over-time")
def show_labels_over_time(
    session: Db,
    access: Manager,
    over: Annotated[Over, Query(description="A day by hours, a week or a month by days, a year by weeks")] = Over.MONTH,
    zone: Annotated[str, Query(max_length=60, description="Whose hours and days, such as Europe/Berlin")] = "UTC",
) -> OverTimeView:
    """Labels by person and by hour, and how far people agreed, over time; in a very large project as of a while ago."""
    found, counted_at = over_time(session, access.project, over, zones.named(zone))
    return OverTimeView(
        unit=found.unit,
        labels=found.labels,
        buckets=[BucketView.model_validate(each) for each in found.buckets],
        people=found.people,
        hours=found.hours,
        counted_at=counted_at,
    )
