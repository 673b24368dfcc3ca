"""Many requests in the same moment: more than there are threads and connections to the database."""

import asyncio
import time

import httpx

from app.accounts import service as accounts
from app.db import task_session
from app.models import Role
from tests import factories


def test_two_hundred_requests_at_once_are_all_answered(database: str) -> None:
    from app.main import app

    with task_session() as session:
        project, manager = factories.project(session), factories.user(session)
        factories.member(session, project, manager, Role.MANAGER)
        token = accounts.create_token(session, manager, "test")[1]

    async def scene() -> list[int]:
        transport = httpx.ASGITransport(app=app)
        headers = {"Authorization": f"Bearer {token}"}
        async with httpx.AsyncClient(
            transport=transport, base_url="http://localhost", headers=headers, timeout=60
        ) as client:
            answers = await asyncio.gather(*(client.get(f"/projects/{project.id}/runs") for _ in range(200)))
        return [answer.status_code for answer in answers]

    began = time.monotonic()
    assert asyncio.run(scene()) == [200] * 200
    assert time.monotonic() - began < 25, "they have waited for each other until the pool gave up"
