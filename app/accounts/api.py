"""Accounts in the JSON API."""

from datetime import datetime
from typing import Annotated

from fastapi import Query
from pydantic import Field, JsonValue

from app.accounts import events, queries
from app.accounts.dependencies import Admin, SignedIn
from app.web.dependencies import Db
from app.web.pages import Paging
from app.web.routing import Router
from app.web.views import Listing, View

router = Router(tags=["accounts"])


class PersonView(View):
    """An account."""

    id: int
    name: str
    email: str
    is_admin: bool
    disabled_at: datetime | None
    created_at: datetime


class PeopleFilter(Paging):
    """Which accounts to list."""

    q: str = Field("", max_length=320, description="Part of a name or an e-mail address")


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


class EventFilter(Paging):
    """Which events to list."""

    action: str = Field("", max_length=64, description="Keeps the events whose action begins with this")


@router.get("/audit")
def list_all_events(session: Db, user: Admin, chosen: Annotated[EventFilter, Query()]) -> Listing[EventView]:
    """What everybody did, newest first. For administrators."""
    return Listing[EventView].of(events.tell(session, queries.events(session, None, **chosen.model_dump())))


@router.get("/me")
def show_me(user: SignedIn) -> PersonView:
    """Who this token stands for."""
    return PersonView.model_validate(user)


@router.get("/users")
def list_users(session: Db, user: Admin, chosen: Annotated[PeopleFilter, Query()]) -> Listing[PersonView]:
    """Everybody with an account, newest first. For administrators."""
    return Listing[PersonView].of(queries.users(session, chosen.q.strip(), chosen.before, chosen.limit))
