"""Who is asking: a browser by its session's cookie, a program by its bearer token."""

from collections.abc import Mapping
from typing import Annotated, TypeVarTuple

from fastapi import Depends, Request
from sqlalchemy import Row, Select
from sqlalchemy.orm import Session

from app.accounts import queries
from app.accounts.queries import Credential
from app.models import User
from app.web.csrf import SESSION_COOKIE, has_bearer
from app.web.dependencies import Db
from app.web.errors import NotAllowed, SignInNeeded
from app.web.guard import grants
from app.web.signing import digest
from app.web.viewer import Viewer

Found = TypeVarTuple("Found")


def recognise(
    request: Request, session: Session, statements: Mapping[Credential, Select[User, *Found]], **values: object
) -> Row[User, *Found] | None:
    """The row about the person behind this request, which begins with them; None where nobody is signed in. A bearer
    token that is not valid is refused, not passed over. `statements` are `queries.USER_BY`, or extend them."""
    by_token = has_bearer(request)
    if by_token:
        credential, token = Credential.BEARER, request.headers["authorization"][len("bearer ") :].strip()
    else:
        credential, token = Credential.COOKIE, request.cookies.get(SESSION_COOKIE, "")
        if not token:
            return None
    row = session.execute(statements[credential], {"token_hash": digest(token), **values}).first()
    if by_token:
        if row is None:
            raise SignInNeeded("This API token is not valid. Make a new one on your account page.")
        queries.note_use(session, digest(token))
    if row is not None:
        user = row[0]
        request.state.viewer = Viewer(user.id, user.name, user.email, user.is_admin)
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


Visitor = Annotated[User | None, Depends(maybe_signed_in)]
SignedIn = Annotated[User, Depends(signed_in)]
Admin = Annotated[User, Depends(admin)]
