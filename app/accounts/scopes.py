"""What an API token opens: one table that every request with a token is held against. What it does not name is
refused, so that a token never changes an account, makes tokens or links, or accepts an invitation."""

from enum import StrEnum

from fastapi import Request

from app.web.errors import NotAllowed
from app.web.guard import access_of


class Scope(StrEnum):
    """What its person lets a token do. It never does more than the person may."""

    READ = "read"
    LABEL = "label"
    MANAGE = "manage"
    ADMIN = "admin"


MEANS = {
    Scope.READ: "See and export what you can see in your projects.",
    Scope.LABEL: "Compare answers and chat in your name.",
    Scope.MANAGE: "Change projects that you manage: settings, prompts, people, training. Create projects.",
    Scope.ADMIN: "Act as an administrator: see all users, register endpoints, and every project as its manager.",
}

_ANY = frozenset(Scope)
_STRICTEST_FIRST = ("in person", "admin", "manager", "annotator", "signed in", "public")

# (who may call it, whether it changes anything) -> the scopes of which one is needed.
_CALLS: dict[tuple[str, bool], frozenset[Scope]] = {
    ("public", False): _ANY,
    ("signed in", False): _ANY,
    ("signed in", True): frozenset({Scope.MANAGE}),  # a new project
    ("annotator", False): frozenset({Scope.READ, Scope.LABEL}),
    ("annotator", True): frozenset({Scope.LABEL}),
    ("manager", False): frozenset({Scope.READ}),
    ("manager", True): frozenset({Scope.MANAGE}),
    ("admin", False): frozenset({Scope.ADMIN}),
    ("admin", True): frozenset({Scope.ADMIN}),
}
# Pages are for browsers; what managers download or follow live has no other address.
_PAGES: dict[tuple[str, bool], frozenset[Scope]] = {
    ("public", False): _ANY,
    ("manager", False): frozenset({Scope.READ}),
}


def needed(path: str, access: set[str], method: str) -> frozenset[Scope]:
    """The scopes of which a token needs one for a route at `path` that declares `access`; none: no token opens it."""
    strictest = next((kind for kind in _STRICTEST_FIRST if kind in access), "")
    table = _CALLS if path.startswith("/api/") else _PAGES
    return table.get((strictest, method not in ("GET", "HEAD")), frozenset())


def check(request: Request, held: list[str]) -> None:
    """Raise NotAllowed where a token with the scopes `held` does not open the route of this request."""
    wanted = needed(request.url.path, access_of(request), request.method)
    if not wanted:
        raise NotAllowed(
            "An API token cannot do this. Sign in with a browser, or use `hone` on the machine that Hone runs on."
        )
    if wanted.isdisjoint(held):
        names = " or ".join(f"“{scope}”" for scope in Scope if scope in wanted)
        raise NotAllowed(f"This API token lacks the scope {names}. Create one that has it on your account page.")
