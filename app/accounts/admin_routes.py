"""What administrators see: everybody's accounts, the state of every part, the whole audit trail."""

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import Query, Request, Response
from sqlalchemy.orm import Session

from app.accounts import queries, service, sessions
from app.accounts.dependencies import Admin
from app.accounts.trail import EventFilter
from app.accounts.trail_pages import trail_file, trail_page
from app.models import User
from app.web import health
from app.web.addresses import Before
from app.web.dependencies import Db, RowId
from app.web.filters import plural
from app.web.render import absolute, redirect, render
from app.web.routing import Router

router = Router()

Rule = Callable[[Session, User, User, bool], None]


@router.get("/system")
def show_system(request: Request, session: Db, user: Admin, chosen: Annotated[EventFilter, Query()]) -> Response:
    """The state of every part and what everybody did."""
    return trail_page(request, session, None, "accounts/system.html", chosen, parts=health.check())


@router.get("/system/audit.csv")
def download_trail(request: Request, session: Db, user: Admin, chosen: Annotated[EventFilter, Query()]) -> Response:
    """What everybody did, as a file."""
    return trail_file(request, session, None, chosen)


@router.get("/users")
def show_users(request: Request, session: Db, user: Admin, q: str = "", before: Before = None) -> Response:
    """Everybody with an account."""
    return _users(request, session, q=q, before=before)


def _users(request: Request, session: Db, *, q: str = "", before: int | None = None, **over: Any) -> Response:
    context: dict[str, Any] = {"users": queries.users(session, q.strip(), before), "q": q, "link": None, "who": None}
    return render(request, "accounts/users.html", **(context | over))


@router.post("/users/{user_id}/reset")
def reset_sign_in(request: Request, session: Db, user: Admin, user_id: RowId) -> Response:
    """End the old password and show a one-time link, in this answer only."""
    person = service.person(session, user_id)
    token = service.reset_sign_in(session, user, person)
    return _users(request, session, link=absolute(request, f"/sign-in/{token}"), who=person)


@router.post("/users/{user_id}/sign-out")
def sign_out(session: Db, user: Admin, user_id: RowId) -> Response:
    """End every session of somebody."""
    person = service.person(session, user_id)
    ended = sessions.end_all(session, user, person)
    return redirect("/users", f"{person.name} is signed out in {plural(ended, 'browser')}.")


@router.post("/users/{user_id}/disable")
def disable(session: Db, user: Admin, user_id: RowId) -> Response:
    """Shut somebody out."""
    return _changed(session, user, user_id, service.set_disabled, True, "{} can no longer sign in.")


@router.post("/users/{user_id}/enable")
def enable(session: Db, user: Admin, user_id: RowId) -> Response:
    """Let somebody in again."""
    return _changed(session, user, user_id, service.set_disabled, False, "{} can sign in again.")


@router.post("/users/{user_id}/make-admin")
def make_admin(session: Db, user: Admin, user_id: RowId) -> Response:
    """Make somebody an administrator."""
    return _changed(session, user, user_id, service.set_admin, True, "{} is an administrator now.")


@router.post("/users/{user_id}/remove-admin")
def remove_admin(session: Db, user: Admin, user_id: RowId) -> Response:
    """Take somebody from the administrators."""
    return _changed(session, user, user_id, service.set_admin, False, "{} is no longer an administrator.")


def _changed(session: Db, actor: User, user_id: int, rule: Rule, value: bool, says: str) -> Response:
    person = service.person(session, user_id)
    rule(session, actor, person, value)
    return redirect("/users", says.format(person.name))
