"""Accounts in the JSON API."""

from datetime import datetime

from pydantic import BaseModel, ConfigDict

from app.accounts import forms, queries, service
from app.accounts.dependencies import Admin, SignedIn
from app.models import ApiToken, User
from app.web.dependencies import Db, RowId
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


class Token(BaseModel):
    """An API token without its text."""

    model_config = ConfigDict(from_attributes=True)
    id: int
    name: str
    created_at: datetime
    last_used_at: datetime | None


class CreatedToken(Token):
    """A new API token; `token` is told this once."""

    token: str


@router.get("/me", response_model=Person)
def me(user: SignedIn) -> User:
    """Who this token stands for."""
    return user


@router.get("/users", response_model=People)
def users(session: Db, user: Admin, q: str = "", before: int | None = None) -> object:
    """Everybody with an account. For administrators."""
    found = queries.users(session, q.strip(), before)
    return {"items": found.items, "before": found.before}


@router.get("/tokens", response_model=list[Token])
def tokens(session: Db, user: SignedIn) -> object:
    """One's own API tokens."""
    return queries.tokens(session, user.id)


@router.post("/tokens", status_code=201)
def create_token(session: Db, user: SignedIn, body: forms.NewToken) -> CreatedToken:
    """Make an API token."""
    token, text = service.create_token(session, user, body.name)
    session.flush()
    session.refresh(token)
    return CreatedToken.model_validate(_with_text(token, text))


@router.delete("/tokens/{token_id}", status_code=204)
def revoke_token(session: Db, user: SignedIn, token_id: RowId) -> None:
    """Make an API token useless."""
    service.revoke_token(session, user, token_id)


def _with_text(token: ApiToken, text: str) -> dict[str, object]:
    return {
        "id": token.id,
        "name": token.name,
        "created_at": token.created_at,
        "last_used_at": token.last_used_at,
        "token": text,
    }
