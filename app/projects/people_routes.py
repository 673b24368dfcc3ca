"""The people of a project, for its managers."""

from typing import Any

from fastapi import Request, Response

from app.models import Role
from app.projects import forms, people, queries
from app.projects.dependencies import Access, Manager
from app.web.dependencies import Db, RowId, Submitted
from app.web.errors import Invalid
from app.web.forms import parse, typed
from app.web.render import absolute, redirect, render
from app.web.routing import Router

router = Router()


def _people(request: Request, session: Db, access: Access, status: int = 200, **over: Any) -> Response:
    members = queries.members(session, access.project.id)
    context: dict[str, Any] = {
        "section": "people",
        "project": access.project,
        "me": access.user.id,
        "members": members,
        "managers": sum(member.role is Role.MANAGER for member in members),
        "invitations": queries.open_invitations(session, access.project.id),
        "link": None,
        "invited": None,
        "values": {"role": Role.ANNOTATOR, "note": ""},
        "errors": {},
    }
    return render(request, "projects/people.html", status=status, **(context | over))


@router.get("/projects/{project_id}/people")
def show_people(request: Request, session: Db, access: Manager) -> Response:
    """Members and open invitations."""
    return _people(request, session, access)


@router.post("/projects/{project_id}/invitations")
def invite(request: Request, session: Db, access: Manager, form: Submitted) -> Response:
    """Make an invitation. Its link is in this answer and nowhere else, so there is no redirect."""
    try:
        values = parse(forms.InvitationForm, form)
    except Invalid as refusal:
        return _people(request, session, access, 422, values=typed(forms.InvitationForm, form), errors=refusal.errors)
    invitation, token = people.invite(session, access.project, access.user, values.role, values.note)
    session.flush()
    session.refresh(invitation)
    link = absolute(request, f"/invitations/{token}")
    return _people(request, session, access, 201, link=link, invited=invitation)


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
