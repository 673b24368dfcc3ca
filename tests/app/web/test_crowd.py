"""Many requests in the same moment: more than there are threads and connections to the database."""

import asyncio
import time
from collections.abc import AsyncIterator

import httpx
import pytest

from app.accounts import sessions
from app.db import REQUESTS, task_session
from app.models import Role
from app.web.csrf import SESSION_COOKIE
from app.web.signing import sign
from tests import factories


@pytest.fixture
def manager(database: str) -> tuple[int, dict[str, str]]:
    """A project, and what proves its manager."""
    with task_session() as session:
        project, manager = factories.project(session), factories.user(session)
        factories.member(session, project, manager, Role.MANAGER)
        cookie = f"{SESSION_COOKIE}={sessions.start(session, manager, 'test')}"
        return project.id, {"Cookie": cookie, "X-CSRF-Token": sign("csrf", cookie)}


def client(headers: dict[str, str]) -> httpx.AsyncClient:
    from app.main import app

    transport = httpx.ASGITransport(app=app)
    return httpx.AsyncClient(transport=transport, base_url="http://localhost", headers=headers, timeout=60)


def test_two_hundred_requests_at_once_are_all_answered(manager: tuple[int, dict[str, str]]) -> None:
    project_id, headers = manager

    async def scene() -> list[int]:
        async with client(headers) as people:
            answers = await asyncio.gather(*(people.get(f"/projects/{project_id}/runs") for _ in range(200)))
        return [answer.status_code for answer in answers]

    began = time.monotonic()
    assert asyncio.run(scene()) == [200] * 200
    assert time.monotonic() - began < 25, "they have waited for each other until the pool gave up"


def test_forms_that_are_still_on_their_way_hold_up_nobody(manager: tuple[int, dict[str, str]]) -> None:
    project_id, headers = manager

    async def scene() -> None:
        rest = asyncio.Event()

        async def slowly() -> AsyncIterator[bytes]:
            yield b"assignment_id=1&"
            await rest.wait()
            yield b"answer=left"

        form = {"Content-Type": "application/x-www-form-urlencoded"}
        async with client(headers) as people:
            slow = [
                asyncio.create_task(people.post(f"/projects/{project_id}/label", content=slowly(), headers=form))
                for _ in range(REQUESTS)
            ]
            await asyncio.sleep(0.2)
            answer = await asyncio.wait_for(people.get(f"/projects/{project_id}/runs"), 10)
            assert answer.status_code == 200
            rest.set()
            assert {sent.status_code for sent in await asyncio.gather(*slow)} == {404}

    asyncio.run(scene())
