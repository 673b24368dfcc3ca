"""A person's own keys for the labelling screen, by page and by API."""

from typing import Annotated

from fastapi import Request, Response
from pydantic import ConfigDict, Field

from app.accounts import service as accounts
from app.accounts.dependencies import IN_PERSON, SignedIn
from app.input import Input
from app.labels import keys
from app.models import User
from app.web import seen
from app.web.dependencies import Db, Submitted
from app.web.errors import Invalid
from app.web.forms import parse
from app.web.render import redirect, render
from app.web.routing import Router
from app.web.views import View

router = Router()
api = Router(tags=["accounts"])

Keys = Annotated[dict[str, Annotated[str, Field(max_length=100)]], Field(max_length=200)]


class KeysForm(Input):
    """A key for each action; `reset` leaves them aside."""

    keys: Keys = {}  # noqa: RUF012  pydantic copies it
    reset: bool = False


class OwnKeys(Input):
    """Keys by the action's name. What is left out has its usual key."""

    model_config = ConfigDict(extra="forbid")
    keys: Keys


class KeyView(View):
    """An action of the labelling screen, its usual key and the one that it has for me. A capital letter means Shift."""

    action: str
    title: str
    usual: str
    key: str


class KeysView(View):
    """All of them."""

    keys: list[KeyView]


def _page(request: Request, user: User, status: int = 200, **over: object) -> Response:
    context = {"groups": keys.groups(), "typed": user.keys, "errors": {}, "own": user.keys}
    return render(request, "accounts/keys.html", status=status, **(context | over))


@router.get("/account/keys")
def show_keys(request: Request, user: SignedIn) -> Response:
    """The keys of the labelling screen, each in a field."""
    return _page(request, user)


@router.post("/account/keys")
def save_keys(request: Request, session: Db, user: SignedIn, form: Submitted) -> Response:
    """Give actions other keys, or all of them their usual ones."""
    sent = parse(KeysForm, form)
    try:
        seen.require(form, {"keys": user.keys})
        accounts.set_keys(session, user, {} if sent.reset else keys.read(sent.keys))
    except Invalid as refusal:
        return _page(request, user, refusal.status, typed=sent.keys, errors=refusal.errors)
    return redirect("/account/keys", "Every action has its usual key." if sent.reset else "Saved.")


def _view(user: User) -> KeysView:
    return KeysView(
        keys=[
            KeyView(action=each.name, title=each.title, usual=each.key, key=user.keys.get(each.name, each.key))
            for each in keys.actions()
        ]
    )


@api.get("/me/keys")
def show_my_keys(user: SignedIn) -> KeysView:
    """The keys of the labelling screen as they are for me."""
    return _view(user)


@api.put("/me/keys", dependencies=[IN_PERSON])
def set_my_keys(session: Db, user: SignedIn, body: OwnKeys) -> KeysView:
    """Give actions of the labelling screen keys of my own; without any, all have their usual ones."""
    accounts.set_keys(session, user, keys.read(body.keys))
    return _view(user)
