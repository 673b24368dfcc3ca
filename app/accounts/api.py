"""Accounts in the JSON API."""

from datetime import datetime

from app.accounts import queries
from app.accounts.dependencies import Admin, SignedIn
from app.web.addresses import Before
from app.web.dependencies import Db
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


@router.get("/me")
def show_me(user: SignedIn) -> PersonView:
    """Who this token stands for."""
    return PersonView.model_validate(user)


@router.get("/users")
def list_users(session: Db, user: Admin, q: str = "", before: Before = None) -> Listing[PersonView]:
    """Everybody with an account, newest first. For administrators."""
    return Listing[PersonView].of(queries.users(session, q.strip(), before))
