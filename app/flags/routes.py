"""Pages of flags: everybody's for managers, one's own for annotators."""

from typing import Annotated

from fastapi import Query, Request, Response

from app.flags import queries, service
from app.flags.forms import FlagFilter, FlagForm, MessageForm
from app.projects.dependencies import Access, Annotator, Manager
from app.web.dependencies import Db, RowId, Submitted
from app.web.errors import Conflict, Invalid
from app.web.forms import parse
from app.web.render import is_htmx, redirect, render
from app.web.routing import Router

router = Router()


@router.get("/projects/{project_id}/flags")
def show_flags(request: Request, session: Db, access: Annotator, chosen: Annotated[FlagFilter, Query()]) -> Response:
    """Flags, the open ones first asked for."""
    flags = queries.listing(session, access, chosen)
    return render(request, "flags/list.html", section="flags", flags=flags, chosen=chosen, me=access.user.id)


@router.post("/projects/{project_id}/flags")
def raise_flag(request: Request, session: Db, access: Annotator, form: Submitted) -> Response:
    """Ask the managers about an item. The labelling screen sends it beside its own forms, and stays as it is."""
    sent = parse(FlagForm, form)
    service.raise_flag(session, access.project, access.user, sent.assignment_id, sent.message)
    if is_htmx(request):
        return Response(status_code=204)
    back = f"/projects/{access.project.id}/label?assignment={sent.assignment_id}"
    return redirect(back, "The managers see your flag. Their reply appears under Flags.")


@router.get("/projects/{project_id}/flags/news")
def show_news(request: Request, session: Db, access: Annotator) -> Response:
    """Whether somebody has replied to a flag of mine: the notice on the labelling screen."""
    return render(request, "flags/_news.html", unread=queries.unread(session, access), project_id=access.project.id)


@router.get("/projects/{project_id}/flags/{flag_id}")
def show_flag(request: Request, session: Db, access: Annotator, flag_id: RowId) -> Response:
    """A flag with its thread."""
    return _thread(request, session, access, flag_id)


@router.post("/projects/{project_id}/flags/{flag_id}/messages")
def write(request: Request, session: Db, access: Annotator, flag_id: RowId, form: Submitted) -> Response:
    """Write in the thread."""
    typed = str(form.get("message", ""))
    try:
        sent = parse(MessageForm, form)
        service.reply(session, access.user, queries.find(session, access, flag_id), sent.message)
    except (Invalid, Conflict) as refusal:
        errors = {"message": getattr(refusal, "errors", {}).get("message", refusal.message)}
        return _thread(request, session, access, flag_id, refusal.status, typed, errors)
    return redirect(f"/projects/{access.project.id}/flags/{flag_id}")


@router.post("/projects/{project_id}/flags/{flag_id}/close")
def close(session: Db, access: Manager, flag_id: RowId) -> Response:
    """Settle a flag."""
    service.close(session, access.user, queries.find(session, access, flag_id))
    return redirect(f"/projects/{access.project.id}/flags", f"Flag {flag_id} is closed.")


def _thread(
    request: Request,
    session: Db,
    access: Access,
    flag_id: int,
    status: int = 200,
    typed: str = "",
    errors: dict[str, str] | None = None,
) -> Response:
    flag = queries.find(session, access, flag_id)
    service.seen(session, access.user, flag)
    context = {"section": "flags", "flag": flag, "typed": typed, "errors": errors or {}, "me": access.user.id}
    return render(request, "flags/show.html", status=status, **context)
