"""Labelling, labels and their quality through the JSON API."""

from typing import Annotated

from fastapi import Query, Response

from app.labels import history, key_routes, leases, over_time_routes, quality, queries, screen, service, skips
from app.labels.bulk import BULK_LABELS
from app.labels.forms import AssignmentForm, LabelFilter, LabelForm, LabelsBulk, SkipFilter, SkipForm
from app.labels.history import OwnFilter, Work
from app.labels.table import LABELS
from app.labels.views import (
    Claimed,
    LabelPreview,
    LabelView,
    QualityView,
    Renewed,
    Saved,
    Skipped,
    SkipView,
    label_view,
    task_view,
)
from app.projects import bulk
from app.projects.bulk import BulkDone
from app.projects.dependencies import Annotator, Manager
from app.web import tables
from app.web.dependencies import Db
from app.web.errors import NotAllowed, NotFound
from app.web.routing import Router
from app.web.views import Listing

router = Router(tags=["labels"])
router.include_router(key_routes.api)
router.include_router(over_time_routes.api)


@router.post("/projects/{project_id}/label/next")
def claim_item(session: Db, access: Annotator) -> Claimed:
    """The item to label now, the same until it is labelled. What is asked about its responses is in the project's
    `answer`."""
    if access.member is not None and access.member.paused_at is not None:
        raise NotAllowed(access.member.pause_reason or "Your work in this project is paused.")
    task = service.next_task(session, access.project, access.user, access.member)
    return Claimed(task=task_view(task, access.project) if task else None)


@router.post(
    "/projects/{project_id}/label",
    responses={409: {"model": Saved, "description": "The item was withdrawn meanwhile; `next` is another"}},
)
def save_label(session: Db, access: Annotator, body: LabelForm, response: Response) -> Saved:
    """Save a label; sent again, it is the same one."""
    new = body.read(access.project.answer)
    done = service.submit_and_claim(session, access.project, access.user, access.member, body.assignment_id, new)
    response.status_code = done.status
    return Saved(
        label=done.label_id,
        warning=done.warning,
        paused=access.member is not None and access.member.paused_at is not None,
        next=task_view(done.task, access.project) if done.task else None,
    )


@router.post("/projects/{project_id}/label/preview")
def preview_label(session: Db, access: Annotator, body: LabelForm) -> LabelPreview:
    """What a response that is being written will look like, by the kind of its item; nothing is kept."""
    task = leases.task_of(session, access.project, access.user, body.assignment_id)
    shown = screen.preview(task, body.raw)
    if shown is None:
        raise NotFound("There is no preview of this kind of label.")
    return LabelPreview(**shown)


@router.post("/projects/{project_id}/label/skip")
def skip_item(session: Db, access: Annotator, body: SkipForm) -> Skipped:
    """Leave an item to somebody else, with a reason or without."""
    me = (access.project, access.user)
    return Skipped(skipped=leases.skip(session, *me, body.assignment_id, body.reason, body.note))


@router.post("/projects/{project_id}/label/again")
def take_skipped_again(session: Db, access: Annotator) -> Claimed:
    """Look once more at the newest item that I skipped and that nobody has answered; null where there is none."""
    task = leases.take_skipped_again(session, access.project, access.user)
    return Claimed(task=task_view(task, access.project) if task else None)


@router.get("/projects/{project_id}/skips")
def list_skips(session: Db, access: Manager, chosen: Annotated[SkipFilter, Query()]) -> Listing[SkipView]:
    """Items that somebody skipped and has not taken up again, the newest first, with the reason where one was given."""
    found = skips.listing(session, access.project, chosen)
    return Listing[SkipView].of(found)


@router.post("/projects/{project_id}/label/renew")
def renew_lease(session: Db, access: Annotator, body: AssignmentForm) -> Renewed:
    """Keep a lease."""
    return Renewed(open=leases.renew(session, access.project, access.user, body.assignment_id))


@router.get("/projects/{project_id}/labels/mine")
def list_my_labels(session: Db, access: Annotator, chosen: Annotated[OwnFilter, Query()]) -> Listing[LabelView]:
    """My own labels, newest first. Days are those of UTC."""
    found = history.listing(session, access.project.id, access.user.id, chosen)
    return Listing[LabelView](items=[label_view(label) for label in found.items], before=found.before)


@router.get("/projects/{project_id}/labels/mine/work")
def show_my_work(session: Db, access: Annotator, chosen: Annotated[OwnFilter, Query()]) -> Work:
    """How many labels these are in all, the hours that they took, and the pace."""
    return history.work(session, access.project.id, access.user.id, chosen)


@router.get("/projects/{project_id}/labels")
def list_labels(session: Db, access: Manager, chosen: Annotated[LabelFilter, Query()]) -> Listing[LabelView]:
    """Everybody's labels, newest first, or in another order."""
    wanted = queries.found(access.project.id, chosen)
    found = tables.page(session, LABELS, wanted, chosen.sort, chosen.before, chosen.limit)
    return Listing[LabelView](items=[label_view(label) for label in found.items], before=found.before)


@router.post("/projects/{project_id}/labels/bulk")
def follow_up_labels(session: Db, access: Manager, body: LabelsBulk) -> BulkDone:
    """Ask for one more label on the pairs of many labels. `done` counts pairs. Up to 10,000 labels a call."""
    return bulk.call(session, access, BULK_LABELS, body.action, body)


@router.get("/projects/{project_id}/labels/quality")
def show_quality(session: Db, access: Manager) -> QualityView:
    """Agreement in the project, and how each annotator works; in a very large project as of a while ago."""
    found, counted_at = quality.quality(session, access.project)
    skipped = skips.counts(session, access.project)
    return QualityView(
        skips=skipped,
        agreement=found.agreement,
        questions=found.questions,
        annotators=found.annotators,
        couples=found.couples,
        paces=found.paces,
        counted_at=counted_at,
    )
