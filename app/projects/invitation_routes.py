"""Where an invitation's link leads: join as the person signed in, or with a new account."""

from typing import Any

from fastapi import Request, Response
from sqlalchemy.orm import Session

from app.accounts import attempts
from app.accounts import service as accounts
from app.accounts.dependencies import Visitor
from app.accounts.forms import NewAccountForm
from app.accounts.routes import signed_in_redirect
from app.models import User
from app.projects import people
from app.web import rate_limits
from app.web.dependencies import Db, Submitted
from app.web.errors import Invalid, NotFound
from app.web.forms import parse, typed
from app.web.render import redirect, render
from app.web.routing import Router

router = Router()

_TAKEN = "This e-mail and password cannot be used here. If you have an account, sign in first."


@router.get("/invitations/{token}")
def show_invitation(request: Request, session: Db, user: Visitor, token: str) -> Response:
    """What the invitation is to, and how to accept it."""
    rate_limits.hit("120/15 minutes", "invitation seen", rate_limits.address(request))
    return _invitation(request, session, user, token)


def _invitation(
    request: Request, session: Session, user: User | None, token: str, status: int = 200, **over: Any
) -> Response:
    try:
        invitation, project = people.invitation_behind(session, token)
    except NotFound as refusal:
        return render(request, "projects/invitation_gone.html", status=404, says=refusal.message)
    context: dict[str, Any] = {
        "invitation": invitation,
        "project": project,
        "user": user,
        "values": {"name": "", "email": ""},
        "errors": {},
    }
    return render(request, "projects/invitation.html", status=status, **(context | over))


@router.post("/invitations/{token}")
def accept(request: Request, session: Db, user: Visitor, token: str, form: Submitted) -> Response:
    """Join. Whoever is not signed in gives name, e-mail and password, and has an account from then on."""
    rate_limits.hit(attempts.PER_ADDRESS, "invitation", rate_limits.address(request))
    if user is not None:
        project = people.accept(session, user, token)
        return redirect(f"/projects/{project.id}", f"Welcome to {project.name}.")
    people.invitation_behind(session, token)
    try:
        person = _person(request, session, parse(NewAccountForm, form))
    except Invalid as refusal:
        shown = typed(NewAccountForm, form)
        return _invitation(request, session, None, token, 422, values=shown, errors=refusal.errors)
    project = people.accept(session, person, token)
    url, flash = f"/projects/{project.id}", f"Welcome to {project.name}."
    return signed_in_redirect(request, session, person, "invitation", url, flash)


def _person(request: Request, session: Session, values: NewAccountForm) -> User:
    """The account to join with: a new one, or the one that this e-mail and password belong to already."""
    try:
        return accounts.create_user(session, values.email, values.name, values.password)
    except Invalid as refusal:
        if "email" not in refusal.errors:
            raise
    person = attempts.check(request, session, values.email, values.password)
    if person is None:
        raise Invalid(_TAKEN, "email")
    return person
