"""A call sent twice with one Idempotency-Key is carried out once, whatever happens between."""

import asyncio
from datetime import UTC, datetime, timedelta
from threading import Barrier, Thread
from typing import Any

import httpx
import pytest
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session
from starlette.requests import Request

from app.db import task_session
from app.main import app
from app.models import IdempotencyKey, Member, Project, Prompt
from app.web.idempotency import once
from app.web.signing import digest
from app.web.viewer import Viewer
from tests import factories
from tests.app.conftest import Browser, Cast
from tests.web_server import web_server

KEY = {"Idempotency-Key": "one"}


def projects(session: Session) -> int | None:
    return session.scalar(select(func.count()).select_from(Project))


TOLD_ONCE = {"set_my_password", "create_token", "reset_sign_in", "invite_person"}  # and kept nowhere


def test_every_call_that_changes_something_by_post_takes_a_key() -> None:
    for path, methods in app.openapi()["paths"].items():
        for method, operation in methods.items():
            headers = [each["name"] for each in operation.get("parameters", []) if each["in"] == "header"]
            takes_one = method == "post" and operation["operationId"] not in TOLD_ONCE
            assert headers == (["Idempotency-Key"] if takes_one else []), path


def test_the_same_again_is_the_same_answer(client: Browser, cast: Cast, session: Session) -> None:
    headers = client.bearer(cast.admin) | KEY
    before = projects(session)
    first, second = (
        client.post("/api/v1/projects", json={"name": "P", "starter_prompts": False}, headers=headers) for _ in "ab"
    )
    assert (first.status_code, first.content) == (201, second.content)
    assert second.status_code == 201
    assert second.headers["content-type"] == "application/json"
    assert projects(session) == (before or 0) + 1
    plain = {"Authorization": headers["Authorization"]}
    other = client.post("/api/v1/projects", json={"name": "P", "starter_prompts": False}, headers=plain)
    assert other.json().keys() == first.json().keys()
    assert other.json()["id"] != first.json()["id"]


def test_another_body_path_or_person_with_the_key(client: Browser, cast: Cast, session: Session) -> None:
    admin, manager = client.bearer(cast.admin) | KEY, client.bearer(cast.manager) | KEY
    new = {"name": "P", "starter_prompts": False}
    assert client.post("/api/v1/projects", json=new, headers=admin).status_code == 201
    before = projects(session)
    refused = client.post("/api/v1/projects", json=new | {"name": "Q"}, headers=admin)
    assert (refused.status_code, list(refused.json()["errors"])) == (422, ["Idempotency-Key"])
    assert refused.json()["detail"].startswith("This Idempotency-Key was sent before with another request.")
    elsewhere = client.post(f"/api/v1/projects/{cast.project.id}/items/sample", json=new, headers=admin)
    assert elsewhere.status_code == 422
    assert projects(session) == before
    assert client.post("/api/v1/projects", json=new, headers=manager).status_code == 201  # keys are each person's own
    assert client.post("/api/v1/projects", json=new, headers=admin | {"Idempotency-Key": "two"}).status_code == 201


def test_what_is_refused_leaves_no_key(client: Browser, cast: Cast, session: Session) -> None:
    headers, url = client.bearer(cast.manager) | KEY, f"/api/v1/projects/{cast.project.id}/runs"
    body = {"method": "reward", "settings": {}}
    assert client.post(url, json=body, headers=headers).status_code in (409, 422)
    assert client.post(url, json=body, headers=headers).status_code in (409, 422)
    assert session.scalar(select(func.count()).select_from(IdempotencyKey)) == 0
    for bad in ("", "k" * 201):
        answer = client.post(url, json=body, headers=headers | {"Idempotency-Key": bad})
        assert (answer.status_code, list(answer.json()["errors"])) == (422, ["Idempotency-Key"]), bad


def test_a_key_at_an_address_that_is_none_or_without_a_token(client: Browser, cast: Cast) -> None:
    headers = client.bearer(cast.manager) | KEY
    assert client.post("/api/v1/projects/0/prompts", json={"prompts": ["Good"]}, headers=headers).status_code == 404
    nobody = client.post(
        f"/api/v1/projects/{cast.project.id}/prompts", json={}, headers=KEY | {"Authorization": "Bearer x"}
    )
    assert nobody.status_code == 401


def test_entries_that_are_refused_in_an_answer_are_refused_alike(client: Browser, cast: Cast, session: Session) -> None:
    headers, url = client.bearer(cast.manager) | KEY, f"/api/v1/projects/{cast.project.id}/prompts"
    first, second = (client.post(url, json={"prompts": ["Good", 7]}, headers=headers) for _ in "ab")
    assert (first.status_code, second.status_code) == (422, 422)
    assert first.content == second.content
    assert first.json()["refused_count"] == 1
    assert session.scalar(select(func.count()).where(Prompt.project_id == cast.project.id)) == 0


def test_whoever_may_no_longer_ask_gets_no_answer_of_old(client: Browser, cast: Cast, session: Session) -> None:
    headers, url = client.bearer(cast.manager) | KEY, f"/api/v1/projects/{cast.project.id}/prompts"
    assert client.post(url, json={"prompts": ["Good"]}, headers=headers).status_code == 200
    session.delete(session.get_one(Member, (cast.project.id, cast.manager.id)))
    session.flush()
    assert client.post(url, json={"prompts": ["Good"]}, headers=headers).status_code == 404


def test_after_a_day_a_key_is_new(client: Browser, cast: Cast, session: Session) -> None:
    headers, new = client.bearer(cast.admin) | KEY, {"name": "P", "starter_prompts": False}
    first = client.post("/api/v1/projects", json=new, headers=headers).json()["id"]
    for hours, same in ((23, True), (25, False)):
        session.execute(update(IdempotencyKey).values(created_at=datetime.now(UTC) - timedelta(hours=hours)))
        assert (client.post("/api/v1/projects", json=new, headers=headers).json()["id"] == first) is same


@pytest.fixture
def token(database: str) -> str:
    """The bearer token of an administrator, in a database of its own."""
    with task_session() as session:
        admin = factories.user(session, is_admin=True)
        factories.api_token(session, admin, token_hash=digest("t" * 32))
    return "t" * 32


def test_eight_at_once_make_one(token: str) -> None:
    barrier, answers = Barrier(8), []
    with web_server() as server:

        def ask() -> None:
            headers = {"Authorization": f"Bearer {token}", **KEY}
            barrier.wait()
            with httpx.Client(base_url=f"http://localhost:{server.port}", headers=headers, timeout=60) as client:
                answers.append(client.post("/api/v1/projects", json={"name": "P", "starter_prompts": False}))

        threads = [Thread(target=ask) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.content for answer in answers}) == 1
    with task_session() as session:
        assert projects(session) == 1


@pytest.mark.parametrize(("other", "same"), [({}, True), ({"text": b"b"}, False), ({"name": "y"}, False)])
def test_a_form_is_told_by_its_fields_and_files(other: dict[str, Any], same: bool) -> None:
    def told(name: str = "x", text: bytes = b"a") -> str:
        sent = httpx.Request("POST", "http://h/u", data={"name": name}, files={"file": ("f", text * 3_000_000)})
        body = [{"type": "http.request", "body": sent.read()}]
        headers = [(name.lower(), value) for name, value in sent.headers.raw]
        scope = {"type": "http", "method": "POST", "path": "/u", "query_string": b"", "headers": headers}

        async def receive() -> Any:
            return body.pop()

        request = Request(scope, receive)
        request.state.viewer = Viewer(1, "", "", False)
        found = asyncio.run(once(request, "one"))
        assert found is not None
        return found.digest

    assert (told() == told(**other)) is same
