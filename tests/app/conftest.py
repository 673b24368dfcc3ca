"""A client of the real application over the rolled-back session, and the cast of people that permission tests use.

`client`        a browser: keeps cookies, follows no redirect. `client.sign_in(user)`; `client.submit(url, field=value)`
                posts a form with its CSRF token; `client.bearer(user)` gives the header of a new API token.
`cast`          admin, manager, annotator of `cast.project`; colleague (manager of `cast.other`); outsider.
`as_`           `as_("manager")` -> the client signed in as that person of the cast; "anonymous" -> not signed in.
"""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import TextClause
from sqlalchemy.orm import Session
from starlette.testclient import TestClient

from app.models import Project, Role, User
from tests import factories

os.environ.setdefault("HONE_SECRET_KEY", "a key for tests only, of the length that is asked")


class Browser(TestClient):
    """A person's browser at the application."""

    session: Session

    def sign_in(self, user: User) -> "Browser":
        """Hold a session's cookie of `user`, as after the sign-in form."""
        from app.web.csrf import SESSION_COOKIE
        from app.web.signing import digest

        self.cookies.clear()
        token = uuid4().hex
        factories.web_session(
            self.session, user, token_hash=digest(token), expires_at=datetime.now(UTC) + timedelta(hours=1)
        )
        self.cookies.set(SESSION_COOKIE, token, domain="localhost.local", path="/")
        return self

    def csrf(self) -> str:
        """The token that a page shown to this browser would carry."""
        from app.web.csrf import SESSION_COOKIE, VISITOR_COOKIE
        from app.web.signing import sign

        for cookie in (SESSION_COOKIE, VISITOR_COOKIE):
            if value := self.cookies.get(cookie):
                return sign("csrf", f"{cookie}={value}")
        self.cookies.set(VISITOR_COOKIE, "a visitor", domain="localhost.local", path="/")
        return self.csrf()

    def submit(self, url: str, *, htmx: bool = False, files: Any = None, **fields: Any) -> Any:
        """Post a form with its CSRF token."""
        headers = {"HX-Request": "true"} if htmx else {}
        return self.post(url, data={"csrf_token": self.csrf(), **fields}, files=files, headers=headers)

    def bearer(self, user: User, *scopes: str) -> dict[str, str]:
        """Headers that prove `user` to the JSON API, by a token with all scopes or these."""
        from app.web.signing import digest

        token = uuid4().hex
        given = {"scopes": list(scopes)} if scopes else {}
        factories.api_token(self.session, user, token_hash=digest(token), **given)
        return {"Authorization": f"Bearer {token}"}


@pytest.fixture
def client(session: Session, redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Browser]:
    """A browser at the application, whose requests share this test's transaction, each in a savepoint of its own."""
    from app import async_db, db, settings
    from app.main import app

    def one_transaction() -> Iterator[Session]:
        with session.begin_nested():
            yield session

    async def fetch_one(statement: TextClause, values: Mapping[str, Any]) -> Any:
        with session.begin_nested():
            return session.execute(statement, values).one_or_none()

    monkeypatch.setenv("HONE_DATA_DIR", str(tmp_path / "hone"))
    monkeypatch.setenv("REDIS_URL", redis_url)
    monkeypatch.setattr(async_db, "fetch_one", fetch_one)
    monkeypatch.setattr(db, "patient_session", lambda: nullcontext(session))
    settings.get_settings.cache_clear()
    app.dependency_overrides[db.get_session] = one_transaction
    try:
        with Browser(app, base_url="http://localhost", follow_redirects=False) as browser:
            browser.session = session
            yield browser
    finally:
        app.dependency_overrides.clear()
        settings.get_settings.cache_clear()


@dataclass
class Cast:
    """People who stand differently to `project`."""

    project: Project
    other: Project
    admin: User
    manager: User
    annotator: User
    colleague: User
    outsider: User


@pytest.fixture
def cast(session: Session) -> Cast:
    """A project with its people, another project's manager, and somebody in no project."""
    project, other = factories.project(session, name="Ours"), factories.project(session, name="Theirs")
    people = {
        name: factories.user(session, name=name.title(), email=f"{name}@example.org", is_admin=name == "admin")
        for name in ("admin", "manager", "annotator", "colleague", "outsider")
    }
    factories.member(session, project, people["manager"], Role.MANAGER)
    factories.member(session, project, people["annotator"], Role.ANNOTATOR)
    factories.member(session, other, people["colleague"], Role.MANAGER)
    return Cast(project, other, **people)


@pytest.fixture
def as_(client: Browser, cast: Cast) -> Callable[[str], Browser]:
    """Sign the client in as one of the cast."""

    def become(who: str) -> Browser:
        client.cookies.clear()
        return client if who == "anonymous" else client.sign_in(getattr(cast, who))

    return become
