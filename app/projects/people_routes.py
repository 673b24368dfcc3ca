"""The people of a project, for its managers."""

from typing import Annotated, Any

from fastapi import Query, Request, Response

from app.models import Role
from app.projects import bulk, forms, people, queries
from app.projects.bulk_people import BULK_PEOPLE
from app.projects.dependencies import Access, Manager
from app.projects.forms import MemberFilter
from app.projects.table import PEOPLE
from app.web import tables
from app.web.dependencies import Db, RowId, Submitted
from app.web.errors import Invalid
from app.web.forms import parse, typed
from app.web.render import absolute, redirect
from app.web.routing import Router

router = Router()


def _people(request: Request, session: Db, access: Access, chosen: MemberFilter | None = None, **over: Any) -> Response:
    wanted = chosen or MemberFilter()
    found = queries.found(access.project.id, wanted)
    context: dict[str, Any] = {
        "section": "people",
        "project": access.project,
        "me": access.user.id,
        "managers": queries.count_managers(session, access.project.id),
        "invitations": queries.open_invitations(session, access.project.id),
        "link": None,
        "invited": None,
        "values": {"role": Role.ANNOTATOR, "note": ""},
        "errors": {},
    }
    return tables.show(
        request,
        "projects/people.html",
        PEOPLE,
        wanted,
        *tables.read(session, PEOPLE, found, wanted),
        path=f"/projects/{access.project.id}/people",
        **(context | over),
    )


@router.get("/projects/{project_id}/people")
def show_people(request: Request, session: Db, access: Manager, chosen: Annotated[MemberFilter, Query()]) -> Response:
    """Members and open invitations."""
    return _people(request, session, access, chosen)


@router.get("/projects/{project_id}/people/bulk")
def ask_about_people(request: Request, session: Db, access: Manager) -> Response:
    """Ask whether something is to be done to many people."""
    return bulk.confirm(request, session, access, BULK_PEOPLE)


@router.post("/projects/{project_id}/people/bulk")
def change_people(request: Request, session: Db, access: Manager, form: Submitted) -> Response:
    """Do it."""
    return bulk.act(request, session, access, BULK_PEOPLE, form)


@router.post("/projects/{project_id}/invitations")
def invite(request: Request, session: Db, access: Manager, form: Submitted) -> Response:
    """Make an invitation. Its link is in this answer and nowhere else, so there is no redirect."""
    try:
        values = parse(forms.InvitationForm, form)
    except Invalid as refusal:
        return _people(
            request, session, access, status=422, values=typed(forms.InvitationForm, form), errors=refusal.errors
        )
    invitation, token = people.invite(session, access.project, access.user, values.role, values.note)
    session.flush()
    session.refresh(invitation)
    link = absolute(request, f"/invitations/{token}")
    return _people(request, session, access, status=201, link=link, invited=invitation)


@router.post("/projects/{project_id}/invitations/{invitation_id}/withdraw")
def withdraw(session: Db, access: Manager, invitation_id: RowId) -> Response:
    """Make an invitation useless."""
    people.withdraw(session, access.project, access.user, invitation_id)
    return _back(access, "The invitation is withdrawn.")


@router.post("/projects/{project_id}/people/{user_id}/role")
def change_role(session: Db, access: Manager, user_id: RowId, form: Submitted) -> Response:
    """Make a member manager or annotator."""
    role = parse(forms.RoleForm, form).role
    member = people.change_role(session, access.project, access.user, user_id, role)
    return _back(access, f"{member.user.name} is {role.value} now.")


@router.post("/projects/{project_id}/people/{user_id}/pause")
def pause(session: Db, access: Manager, user_id: RowId, form: Submitted) -> Response:
    """Hand a member no more pairs."""
    member = people.pause(session, access.project, access.user, user_id, parse(forms.PauseForm, form).reason)
    return _back(access, f"{member.user.name} is paused.")


@router.post("/projects/{project_id}/people/{user_id}/resume")
def resume(session: Db, access: Manager, user_id: RowId) -> Response:
    """Hand a member pairs again."""
    member = people.resume(session, access.project, access.user, user_id)
    return _back(access, f"{member.user.name} gets pairs again.")


@router.post("/projects/{project_id}/people/{user_id}/remove")
def remove(session: Db, access: Manager, user_id: RowId) -> Response:
    """Remove a member from the project."""
    member = people.remove(session, access.project, access.user, user_id)
    if user_id == access.user.id and not access.user.is_admin:
        return redirect("/", f"You have left {access.project.name}.")
    return _back(access, f"{member.user.name} is no longer in the project. Their labels stay.")


def _back(access: Access, flash: str) -> Response:
    return redirect(f"/projects/{access.project.id}/people", flash)
