"""The labelling screen."""

import psycopg
from fastapi import Request, Response
from sqlalchemy.orm import Session

from app import async_db
from app.annotation import KINDS
from app.db import DatabaseNotConfigured
from app.labels import data_routes, fast_path, key_routes, keys, leases, over_time_routes, screen, service
from app.labels.forms import AssignmentForm, LabelForm, SkipForm
from app.labels.new_label import LONGEST_COMMENT
from app.labels.screen import Filled, Screen
from app.models import Member, Project, User
from app.projects.dependencies import Access, Annotator
from app.web import csrf
from app.web.addresses import Before, Named
from app.web.dependencies import Db, Submitted
from app.web.errors import Conflict, Invalid, NotFound, Refused, TooLarge
from app.web.forms import parse
from app.web.render import is_htmx, redirect, render
from app.web.routing import Router
from app.web.shortcuts import first
from app.web.zones import zone_of

router = Router()

_PART = "labels/_screen.html"
_CHANGED = "Your answer is saved. The guidelines, or what is asked, have changed since: please read them again."


def _me(access: Access) -> tuple[Project, User, Member | None]:
    return access.project, access.user, access.member


def _show(
    request: Request, access: Access, shown: Screen, *, status: int = 200, warning: str | None = None
) -> Response:
    if shown.task is not None:
        fast_path.remember(request, access)
    if is_htmx(request):
        return render(request, _PART, status=status, screen=shown, warning=warning)
    more = {"section": "label", "screen": shown, "warning": warning, "project": access.project}
    return render(request, "labels/label.html", status=status, own_keys=keys.meanings(access.user.keys), **more)


def _revisit(
    request: Request, session: Session, access: Access, assignment_id: int, typed: Filled | None = None
) -> Screen:
    return screen.revisit(session, access.project, access.user, assignment_id, typed, zone_of(request))


async def _at_once(request: Request) -> Response | None:
    """The fast path, see `app.labels.fast_path`; None leaves it to `save`."""
    standing = fast_path.standing_of(request) if is_htmx(request) else None
    if standing is None:
        return None
    try:
        await csrf.protect(request)
        sent = parse(LabelForm, await request.form())
        new = sent.read(standing.settings)
        shown = await fast_path.save_and_claim(async_db.fetch_one, standing, sent.assignment_id, new)
    except (Refused, psycopg.Error, DatabaseNotConfigured):
        return None
    return None if shown is None else render(request, _PART, screen=shown, warning=None)


@router.get("/projects/{project_id}/label")
def show_next(request: Request, session: Db, access: Annotator, assignment: Named = None) -> Response:
    """The next item; or, with `assignment`, one of my own again with its label filled in."""
    if assignment is not None:
        return _show(request, access, _revisit(request, session, access, assignment))
    return _show(request, access, screen.next_screen(session, *_me(access), zone_of(request)))


@router.post("/projects/{project_id}/label")
@first(_at_once)
def save(request: Request, session: Db, access: Annotator, form: Submitted) -> Response:
    """Save a label and bring the next item. A refused one brings it too, and says why."""
    sent, me, zone = parse(LabelForm, form), _me(access), zone_of(request)
    renewed = sent.instructions is not None and sent.instructions != access.project.version
    try:
        new = sent.read(access.project.answer)
        if is_htmx(request):
            done, shown = screen.save_and_claim(session, *me, sent.assignment_id, new, zone)
            return _show(request, access, shown, status=done.status, warning=done.warning)
        done = service.submit(session, *me, sent.assignment_id, new)
    except (Invalid, TooLarge, service.LabelledMeanwhile) as refusal:
        told = is_htmx(request) and not renewed and not isinstance(refusal, service.LabelledMeanwhile)
        if told:  # the page keeps what was typed, and shows the sentence beside it
            raise
        typed = Filled(sent.raw, sent.reasons, (sent.comment or "")[:LONGEST_COMMENT])
        again = _revisit(request, session, access, sent.assignment_id, typed)
        return _show(request, access, again, status=refusal.status, warning=refusal.message)
    if done.status == 200:
        word = done.warning or (_CHANGED if renewed else None)
        return redirect(f"/projects/{access.project.id}/label", word, kind="warn")
    return _show(request, access, screen.next_screen(session, *me, zone), status=done.status, warning=done.warning)


@router.post("/projects/{project_id}/label/preview")
def preview(request: Request, session: Db, access: Annotator, form: Submitted) -> Response:
    """What a response that is being written will look like; nothing is kept."""
    sent = parse(LabelForm, form)
    task = leases.task_of(session, access.project, access.user, sent.assignment_id)
    shown, template = screen.preview(task, sent.raw), KINDS[task.kind].preview_template
    if shown is None or template is None:
        raise NotFound("There is no preview of this kind of answer.")
    if is_htmx(request):
        return render(request, template, preview=shown)
    typed = Filled(sent.raw, sent.reasons, (sent.comment or "")[:LONGEST_COMMENT])
    return _show(request, access, _revisit(request, session, access, task.id, typed))


@router.get("/projects/{project_id}/label/guidelines")
def show_guidelines(request: Request, access: Annotator) -> Response:
    """The guidelines beside the screen, for a page that is older than they are."""
    return render(request, "labels/_guidelines.html", project=access.project)


@router.get("/projects/{project_id}/label/undo")
def undo(request: Request, session: Db, access: Annotator, before: Before = None) -> Response:
    """The comparison before `before` again, its label filled in. Nothing changes until it is sent again."""
    found = screen.previous(session, access.project, access.user, before)
    if is_htmx(request):
        return _show(request, access, _revisit(request, session, access, found))
    return redirect(f"/projects/{access.project.id}/label?assignment={found}")


@router.post("/projects/{project_id}/label/skip")
def skip(request: Request, session: Db, access: Annotator, form: Submitted) -> Response:
    """Leave an item to somebody else, with a reason or without."""
    sent = parse(SkipForm, form)
    leases.skip(session, access.project, access.user, sent.assignment_id, sent.reason, sent.note)
    if not is_htmx(request):
        return redirect(f"/projects/{access.project.id}/label")
    return _show(request, access, screen.next_screen(session, *_me(access), zone_of(request)))


@router.post("/projects/{project_id}/label/again")
def take_again(request: Request, session: Db, access: Annotator) -> Response:
    """Look once more at an item that I skipped and nobody has labelled."""
    leases.take_skipped_again(session, access.project, access.user)
    return redirect(f"/projects/{access.project.id}/label")


@router.post("/projects/{project_id}/label/renew")
def renew(session: Db, access: Annotator, form: Submitted) -> Response:
    """Keep the lease while the page is open."""
    if not leases.renew(session, access.project, access.user, parse(AssignmentForm, form).assignment_id):
        raise Conflict("This pair has gone back to the queue. If you answer it all the same, your answer is kept.")
    return Response(status_code=204)


router.include_router(key_routes.router)
router.include_router(over_time_routes.router)
router.include_router(data_routes.router)  # behind the screen: routes are tried in turn
