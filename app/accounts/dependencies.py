"""Who is asking: a browser by its session's cookie, a program by its bearer token."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, TypeVarTuple

from fastapi import Depends, Request
from sqlalchemy import Row, Select
from sqlalchemy.orm import Session
from sqlalchemy.orm.attributes import set_committed_value

from app.accounts import queries, scopes, sessions
from app.accounts.queries import Credential
from app.models import ApiToken, User
from app.web.csrf import SESSION_COOKIE, has_bearer
from app.web.dependencies import Db
from app.web.errors import NotAllowed, SignInNeeded
from app.web.guard import grants
from app.web.signing import digest
from app.web.viewer import Viewer

Found = TypeVarTuple("Found")
_ANEW = {"populate_existing": True}  # who is asking, as the database has it now


def recognise(
    request: Request, session: Session, statements: Mapping[Credential, Select[User, *Found]], **values: object
) -> Row[User, *Found] | None:
    """The row about the person behind this request, which begins with them; None where nobody is signed in. A bearer
    token that is not valid or does not open this route is refused, not passed over. `statements` are `queries.USER_BY`,
    or extend them."""
    row: Row[User, *Found] | None
    if has_bearer(request):
        row = _by_token(request, session, statements[Credential.BEARER], values)
    elif token := request.cookies.get(SESSION_COOKIE, ""):
        found = {"token_hash": digest(token), **values}
        row = session.execute(statements[Credential.COOKIE], found, execution_options=_ANEW).first()
        if row is not None:
            sessions.note_use(session, digest(token))
    else:
        return None
    if row is not None:
        user = row[0]
        request.state.viewer = Viewer(user.id, user.name, user.email, user.is_admin)
    return row


def _by_token(request: Request, session: Session, statement: Select[User, *Found], values: dict[str, object]) -> Any:
    token_hash = digest(request.headers["authorization"][len("bearer ") :].strip())
    row = session.execute(
        statement.add_columns(ApiToken.scopes, ApiToken.expires_at),
        {"token_hash": token_hash, **values},
        execution_options=_ANEW,
    ).first()
    if row is None:
        raise SignInNeeded("This API token is not valid. Create a new one on your account page.")
    if row.expires_at is not None and row.expires_at <= datetime.now(UTC):
        day = f"{row.expires_at.astimezone(UTC):%d %b %Y}"
        raise SignInNeeded(f"This API token expired on {day}. Create a new one on your account page.")
    scopes.check(request, row.scopes)
    if scopes.Scope.ADMIN not in row.scopes:  # then its person is no administrator to this request
        set_committed_value(row[0], "is_admin", False)
    queries.note_use(session, token_hash)
    return row


def current_user(request: Request, session: Db) -> User | None:
    """The person behind this request, or None."""
    row = recognise(request, session, queries.USER_BY)
    return None if row is None else row[0]


@grants("public")
async def maybe_signed_in(user: Annotated[User | None, Depends(current_user)]) -> User | None:
    """Anybody; the person where they are signed in."""
    return user


@grants("signed in")
async def signed_in(user: Annotated[User | None, Depends(current_user)]) -> User:
    """Anybody who is signed in."""
    if user is None:
        raise SignInNeeded()
    return user


@grants("admin")
async def admin(user: Annotated[User, Depends(signed_in)]) -> User:
    """Administrators of the installation."""
    if not user.is_admin:
        raise NotAllowed("Only an administrator may do this.")
    return user


@grants("in person")
async def in_person() -> None:
    """Beside another access: by a session, never by a token, since it changes an account or gives out a way in."""


Visitor = Annotated[User | None, Depends(maybe_signed_in)]
SignedIn = Annotated[User, Depends(signed_in)]
Admin = Annotated[User, Depends(admin)]
IN_PERSON = Depends(in_person)
