"""Who is asking: a browser by its session's cookie, a program by its bearer token."""

from typing import Annotated

from fastapi import Depends, Request

from app.accounts import queries
from app.models import User
from app.web.csrf import SESSION_COOKIE, has_bearer
from app.web.dependencies import Db
from app.web.errors import NotAllowed, SignInNeeded
from app.web.guard import grants
from app.web.signing import digest
from app.web.viewer import Viewer


def current_user(request: Request, session: Db) -> User | None:
    """The person behind this request, or None. A bearer token that is not valid is refused, not passed over."""
    if has_bearer(request):
        token = request.headers["authorization"][len("bearer ") :].strip()
        user = queries.user_of_api_token(session, digest(token))
        if user is None:
            raise SignInNeeded("This API token is not valid. Make a new one on your account page.")
    elif token := request.cookies.get(SESSION_COOKIE, ""):
        user = queries.user_of_session(session, digest(token))
    else:
        user = None
    if user is not None:
        request.state.viewer = Viewer(user.id, user.name, user.email, user.is_admin)
    return user


@grants("public")
async def maybe_signed_in(user: Annotated[User | None, Depends(current_user)]) -> User | None:
    """Anybody; the person where they are signed in."""
    return user


@grants("signed in")
async def signed_in(user: Annotated[User | None, Depends(current_user)]) -> User:
    """Anybody who is signed in."""
    return needed(user)


def needed(user: User | None) -> User:
    """The person; SignInNeeded where there is none."""
    if user is None:
        raise SignInNeeded("Please sign in to go on.")
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
