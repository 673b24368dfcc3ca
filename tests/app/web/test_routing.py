"""A route's transaction: ended in the route's own thread, kept where it answers, undone where it raises."""

import pytest
from fastapi import FastAPI
from sqlalchemy import QueuePool, func, select
from starlette.testclient import TestClient

from app.db import get_engine, task_session
from app.models import User
from app.web.dependencies import Db
from app.web.routing import Router
from tests import factories


@pytest.fixture
def web(database: str) -> TestClient:
    router = Router()

    @router.get("/good")
    def good(session: Db) -> dict[str, int]:
        factories.user(session)
        return {}

    @router.get("/bad")
    def bad(session: Db) -> None:
        factories.user(session)
        raise RuntimeError("broken")

    @router.get("/slow")
    async def slow(session: Db) -> dict[str, int]:
        factories.user(session)
        return {}

    app = FastAPI()
    app.include_router(router)
    return TestClient(app, raise_server_exceptions=False)


def people() -> int:
    with task_session() as session:
        return session.scalar(select(func.count(User.id))) or 0


def connections_out() -> int:
    pool = get_engine().pool
    assert isinstance(pool, QueuePool)
    return pool.checkedout()


def test_a_route_commits_in_its_own_thread_and_leaves_no_connection(
    web: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.db._end", None)  # what another thread would do
    assert web.get("/good").status_code == 200
    assert people() == 1
    assert connections_out() == 0


def test_an_async_route_is_committed_too(web: TestClient) -> None:
    assert web.get("/slow").status_code == 200
    assert people() == 1


def test_a_route_that_raises_leaves_nothing(web: TestClient) -> None:
    assert web.get("/bad").status_code == 500
    assert people() == 0
    assert connections_out() == 0
