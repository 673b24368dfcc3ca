"""Accounts in the JSON API."""

from datetime import datetime
from typing import Annotated

from fastapi import Query, Request
from pydantic import ConfigDict, Field, JsonValue

from app.accounts import attempts, queries, service, sessions, trail
from app.accounts.dependencies import IN_PERSON, Admin, SignedIn
from app.accounts.forms import NewToken, PasswordForm, ProfileForm
from app.accounts.scopes import Scope
from app.accounts.trail import EventFilter
from app.input import Input
from app.web.csrf import SESSION_COOKIE
from app.web.dependencies import Db, RowId
from app.web.pages import Paging
from app.web.render import absolute
from app.web.routing import Router, tells_a_secret
from app.web.signing import digest
from app.web.views import Listing, View

router = Router(tags=["accounts"])


class PersonView(View):
    """An account."""

    id: int
    name: str
    email: str
    is_admin: bool
    disabled_at: datetime | None
    labels_go_since: datetime | None = Field(
        None, description="Since when the labels of a deleted person are being deleted; null: none is to go"
    )
    chats_go_since: datetime | None = Field(None, description="The same of the conversations of one whose labels stay")
    created_at: datetime


class PeopleFilter(Paging):
    """Which accounts to list."""

    q: str = Field("", max_length=320, description="Part of a name or an e-mail address")


class UserChange(Input):
    """What to change about an account; what is left out stays."""

    model_config = ConfigDict(extra="forbid")
    disabled: bool | None = Field(None, description="A disabled account is signed out everywhere; its tokens are void")
    is_admin: bool | None = None


class SignInLinkView(View):
    """An address that signs its person in, once, within a day."""

    url: str


class SessionView(View):
    """A browser in which I am signed in. `device` and `last_used_at` (to five minutes) are unknown for old ones."""

    id: int
    device: str | None
    created_at: datetime
    last_used_at: datetime | None
    expires_at: datetime
    present: bool = Field(description="Whether this call itself comes by it")


class SessionsEnded(View):
    """How many browsers were signed out."""

    ended: int


class TokenView(View):
    """One of my API tokens. Without `expires_at` it lasts until it is revoked."""

    id: int
    name: str
    scopes: list[Scope]
    created_at: datetime
    last_used_at: datetime | None
    expires_at: datetime | None


class CreatedToken(TokenView):
    """A new token. Its `token` is told this once."""

    token: str


class EventView(View):
    """An entry of the audit trail: what happened in a sentence, and the same for programs."""

    id: int
    at: datetime
    sentence: str
    action: str = Field(description="subject.verb, as in policy.promoted")
    actor_id: int | None = Field(description="Null: the platform itself")
    actor_name: str | None
    project_id: int | None
    subject_type: str | None
    subject_id: int | None
    details: dict[str, JsonValue]


@router.get("/audit")
def list_all_events(session: Db, user: Admin, chosen: Annotated[EventFilter, Query()]) -> Listing[EventView]:
    """What everybody did, newest first. For administrators."""
    return Listing[EventView].of(trail.find(session, None, chosen))


@router.get("/me")
def show_me(user: SignedIn) -> PersonView:
    """Who this token stands for."""
    return PersonView.model_validate(user)


@router.patch("/me", dependencies=[IN_PERSON])
def change_me(session: Db, user: SignedIn, body: ProfileForm) -> PersonView:
    """Change my name or e-mail; what is left out or empty stays."""
    service.change_profile(session, user, body.name or user.name, body.email or user.email)
    return PersonView.model_validate(user)


@router.post("/me/password", status_code=204, dependencies=[IN_PERSON])
@tells_a_secret
def set_my_password(request: Request, session: Db, user: SignedIn, body: PasswordForm) -> None:
    """Set my password. Other browsers are signed out, and my API tokens are void."""
    attempts.require_current(request, session, user, body.current)
    service.change_password(session, user, body.new, request.cookies.get(SESSION_COOKIE))


@router.post("/me/sign-out-elsewhere", dependencies=[IN_PERSON])
def sign_out_elsewhere(request: Request, session: Db, user: SignedIn) -> SessionsEnded:
    """End every session of mine but this one."""
    return SessionsEnded(ended=sessions.end_others(session, user, request.cookies.get(SESSION_COOKIE)))


@router.get("/me/sessions")
def list_sessions(request: Request, session: Db, user: SignedIn) -> Listing[SessionView]:
    """In which browsers I am signed in, those used last first."""
    present = digest(request.cookies.get(SESSION_COOKIE, ""))
    fields = SessionView.model_fields.keys() - {"present"}
    return Listing(
        items=[
            SessionView(**{name: getattr(each, name) for name in fields}, present=each.token_hash == present)
            for each in sessions.of(session, user.id)
        ]
    )


@router.delete("/me/sessions/{session_id}", status_code=204, dependencies=[IN_PERSON])
def end_session(session: Db, user: SignedIn, session_id: RowId) -> None:
    """Sign one of my browsers out."""
    sessions.end_one(session, user, session_id)


@router.get("/tokens")
def list_tokens(session: Db, user: SignedIn, chosen: Annotated[Paging, Query()]) -> Listing[TokenView]:
    """My API tokens that were not revoked, newest first; never their text."""
    return Listing[TokenView].of(queries.listed_tokens(session, user.id, chosen.before, chosen.limit))


@router.post("/tokens", status_code=201, dependencies=[IN_PERSON])
@tells_a_secret
def create_token(session: Db, user: SignedIn, body: NewToken) -> CreatedToken:
    """Make an API token. Its text is in this answer and nowhere else."""
    token, text = service.create_token(session, user, body.name, body.scopes, body.days)
    session.flush()
    session.refresh(token)
    return CreatedToken(**TokenView.model_validate(token).model_dump(), token=text)


@router.delete("/tokens/{token_id}", status_code=204, dependencies=[IN_PERSON])
def revoke_token(session: Db, user: SignedIn, token_id: RowId) -> None:
    """Make one of my tokens useless at once."""
    service.revoke_token(session, user, token_id)


@router.get("/users")
def list_users(session: Db, user: Admin, chosen: Annotated[PeopleFilter, Query()]) -> Listing[PersonView]:
    """Everybody with an account, newest first. For administrators."""
    return Listing[PersonView].of(queries.users(session, chosen.q.strip(), chosen.before, chosen.limit))


@router.patch("/users/{user_id}", dependencies=[IN_PERSON])
def change_user(session: Db, user: Admin, user_id: RowId, body: UserChange) -> PersonView:
    """Shut somebody out or let them in again, give or take the rights of an administrator. For administrators."""
    person = service.person(session, user_id)
    if body.disabled is not None:
        service.set_disabled(session, user, person, body.disabled)
    if body.is_admin is not None:
        service.set_admin(session, user, person, body.is_admin)
    return PersonView.model_validate(person)


@router.post("/users/{user_id}/sign-out", dependencies=[IN_PERSON])
def sign_person_out(session: Db, user: Admin, user_id: RowId) -> SessionsEnded:
    """End every session of somebody; their password and API tokens stay. For administrators."""
    return SessionsEnded(ended=sessions.end_all(session, user, service.person(session, user_id)))


@router.post("/users/{user_id}/sign-in-link", status_code=201, dependencies=[IN_PERSON])
@tells_a_secret
def reset_sign_in(request: Request, session: Db, user: Admin, user_id: RowId) -> SignInLinkView:
    """For somebody who forgot: their password, sessions and tokens end, and a link signs them in once. For
    administrators."""
    token = service.reset_sign_in(session, user, service.person(session, user_id))
    return SignInLinkView(url=absolute(request, f"/sign-in/{token}"))
