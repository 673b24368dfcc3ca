"""A crawl of every route by everybody, by cookie and by tokens of each scope, held against `permissions.txt`."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection
from sqlalchemy.orm import Session

from app.accounts.scopes import Scope
from app.main import app
from app.web.guard import access_by_route
from tests.app.conftest import Browser, Cast

RANKS = ("public", "signed-in", "annotator", "manager", "admin")
CREATORS = ("colleague", "manager", "admin")
# What each of the cast is to `cast.project`.
STANDING = {
    "anonymous": "public", "outsider": "signed-in", "colleague": "signed-in", "annotator": "annotator",
    "manager": "manager", "admin": "admin",
}  # fmt: skip


@dataclass(frozen=True)
class Line:
    """One line of the table."""

    method: str
    path: str
    who: str
    scopes: tuple[str, ...]

    def admits(self, who: str) -> bool:
        """Whether a person of the cast gets further."""
        if self.who == "creator":
            return who in CREATORS
        return RANKS.index(STANDING[who]) >= RANKS.index(self.who)

    def opens(self, who: str, scope: str) -> bool:
        """Whether their token of one scope does. Without the scope of administrators it is an ordinary person's."""
        if self.scopes == ("any",):
            return True
        if who == "admin" and scope != "admin":
            who = "outsider"
        return scope in self.scopes and self.admits(who)


TABLE = [
    Line(method, path, who, tuple(scopes))
    for method, path, who, *scopes in (
        line.split()
        for line in (Path(__file__).parent / "permissions.txt").read_text().splitlines()
        if line and not line.startswith("#")
    )
]


def test_the_table_has_every_route_and_no_other():
    assert sorted((line.method, line.path) for line in TABLE) == sorted(access_by_route(app))


def address(path: str, project_id: int) -> str:
    return re.sub(r"{(\w+)(:\w+)?}", lambda found: str(project_id) if found[1] == "project_id" else "1", path)


@contextmanager
def undone(session: Session) -> Iterator[None]:
    """What a request did is taken back: the next person finds everything as it was."""
    session.commit()
    connection = session.get_bind()
    assert isinstance(connection, Connection)
    step = connection.begin_nested()
    try:
        yield
    finally:
        session.rollback()
        step.rollback()
        session.expire_all()


def is_refused(answer: Any) -> bool:
    """Access control's own words: sign in, you may not, there is no such thing."""
    if answer.status_code == 303:
        return str(answer.headers["location"]).startswith("/sign-in?next=")
    return answer.status_code in (401, 403)


def is_hidden(answer: Any) -> bool:
    return answer.status_code == 404 and "you have no access to it" in answer.text


def ask(browser: Browser, session: Session, line: Line, url: str, headers: dict[str, str]) -> Any:
    with undone(session):
        body: Any = {}
        if line.who == "creator" and line.method == "POST":  # refused once it is known what they want
            body = {"json" if url.startswith("/api/") else "data": {"name": "Mine", "starter_prompts": False}}
        answer = browser.request(line.method, url, headers={"Accept": "text/html"} | headers, **body)
        assert answer.status_code < 500 or line.path in ("/healthz", "/readyz"), answer.text[:300]
        return answer


@pytest.mark.parametrize("line", TABLE, ids=[f"{line.method} {line.path}" for line in TABLE])
def test_everybody_gets_as_far_as_the_table_says(client: Browser, cast: Cast, session: Session, line: Line):
    url = address(line.path, cast.project.id)
    in_project = "{project_id}" in line.path
    endless = line.path.endswith("/events")  # those who are admitted would listen for ever
    for who in STANDING:
        if endless and line.admits(who):
            continue
        person = None if who == "anonymous" else getattr(cast, who)
        client.cookies.clear()
        if person is not None:
            client.sign_in(person)
        answer = ask(client, session, line, url, {"X-CSRF-Token": client.csrf()})
        if line.admits(who):
            assert not is_refused(answer), f"{who} is kept out: {answer.status_code}"
        else:
            kept_out = is_hidden if in_project and STANDING[who] == "signed-in" else is_refused
            assert kept_out(answer), f"{who}: {answer.status_code} {answer.text[:200]}"


@pytest.mark.parametrize("line", TABLE, ids=[f"{line.method} {line.path}" for line in TABLE])
def test_tokens_open_what_their_scope_and_their_person_may(client: Browser, cast: Cast, session: Session, line: Line):
    url = address(line.path, cast.project.id)
    endless = line.path.endswith("/events")
    for who in ("annotator", "manager", "colleague", "admin"):
        for scope in Scope:
            if scope is Scope.ADMIN and who != "admin":
                continue  # nobody else is given one
            opened = line.opens(who, scope)
            if endless and opened:
                continue
            client.cookies.clear()
            answer = ask(client, session, line, url, client.bearer(getattr(cast, who), scope))
            said = f"{who}'s token to {scope}: {answer.status_code} {answer.text[:200]}"
            assert (not is_refused(answer)) if opened else (is_refused(answer) or is_hidden(answer)), said


@pytest.mark.parametrize("line", TABLE, ids=[f"{line.method} {line.path}" for line in TABLE])
def test_what_is_no_token_opens_nothing(client: Browser, cast: Cast, session: Session, line: Line):
    """Beside the cookie of somebody who may: a bad token is refused, not passed over."""
    url = address(line.path, cast.project.id)
    for given in ("Bearer ", "Bearer hone_" + "x" * 43, "bearer null", "Bearer \x7f", f"Bearer {'a' * 5_000}"):
        answer = ask(client.sign_in(cast.admin), session, line, url, {"Authorization": given})
        if line.scopes != ("any",):
            assert is_refused(answer), f"{given[:20]}: {answer.status_code}"
