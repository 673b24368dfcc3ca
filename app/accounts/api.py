"""Accounts in the JSON API."""

from datetime import datetime
from typing import Annotated

from fastapi import Query
from pydantic import Field

from app.accounts import queries
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


@router.get("/me")
def show_me(user: SignedIn) -> PersonView:
    """Who this token stands for."""
    return PersonView.model_validate(user)


@router.get("/users")
def list_users(session: Db, user: Admin, chosen: Annotated[PeopleFilter, Query()]) -> Listing[PersonView]:
    """Everybody with an account, newest first. For administrators."""
    return Listing[PersonView].of(queries.users(session, chosen.q.strip(), chosen.before, chosen.limit))
