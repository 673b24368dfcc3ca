"""Accounts in the JSON API."""

from datetime import datetime

from pydantic import BaseModel, ConfigDict

from app.accounts import queries
from app.accounts.dependencies import Admin, SignedIn
from app.models import User
from app.web.addresses import Before
from app.web.dependencies import Db
from app.web.routing import Router

router = Router(tags=["accounts"])


class Person(BaseModel):
    """An account."""

    model_config = ConfigDict(from_attributes=True)
    id: int
    name: str
    email: str
    is_admin: bool
    disabled_at: datetime | None
    created_at: datetime


class People(BaseModel):
    """Accounts, newest first; ask again with `before` for the rest."""

    items: list[Person]
    before: int | None


@router.get("/me", response_model=Person)
def me(user: SignedIn) -> User:
    """Who this token stands for."""
    return user


@router.get("/users", response_model=People)
def users(session: Db, user: Admin, q: str = "", before: Before = None) -> object:
    """Everybody with an account. For administrators."""
    found = queries.users(session, q.strip(), before)
    return {"items": found.items, "before": found.before}
