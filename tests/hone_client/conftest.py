"""A client at the real application under uvicorn, and a server that answers what a test says."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from app.accounts import service as accounts
from app.accounts.scopes import Scope
from app.db import task_session
from app.models import Role, User
from hone_client import Client
from tests import factories
from tests.web_server import web_server


@dataclass(frozen=True)
class Place:
    """An installation with a project, its manager's client, and the client of an annotator."""

    url: str
    project: int
    manager: Client
    annotator: Client


def token_of(email: str) -> str:
    """A new token with all scopes that this person may give."""
    with task_session() as session:
        user = session.query(User).filter_by(email=email).one()
        scopes = [scope for scope in Scope if scope is not Scope.ADMIN or user.is_admin]
        return accounts.create_token(session, user, "for a test", scopes)[1]


@pytest.fixture
def place(database: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    """The real application, with real tokens."""
    monkeypatch.setenv("HONE_SECRET_KEY", "a key for tests only, of the length that is asked")
    with task_session() as session:
        project = factories.project(session)
        for name, role in (("manager", Role.MANAGER), ("annotator", Role.ANNOTATOR)):
            factories.member(session, project, factories.user(session, email=f"{name}@example.org"), role)
        number = project.id
    with web_server() as server:
        clients = [Client(server.url, token_of(f"{name}@example.org")) for name in ("manager", "annotator")]
        try:
            yield Place(server.url, number, *clients)
        finally:
            for client in clients:
                client.close()
