"""Chat through the JSON API."""

from collections.abc import Iterator
from uuid import uuid4

import pytest
from sqlalchemy import update

from app.db import task_session
from app.models import IdempotencyKey, User
from tests import factories
from tests.app.chat.conftest import Chat
from tests.app.conftest import Browser


def headers(user: User) -> dict[str, str]:
    from app.web.signing import digest

    token = uuid4().hex
    with task_session() as session:
        factories.api_token(session, user, token_hash=digest(token))
    return {"Authorization": f"Bearer {token}"}


@pytest.fixture
def api(chat: Chat) -> Iterator[Browser]:
    from app.main import app

    with Browser(app, base_url="http://localhost", headers=headers(chat.annotator)) as client:
        yield client


def test_a_conversation_from_beginning_to_end(api: Browser, chat: Chat) -> None:
    base = f"/api/v1{chat.url}"
    begun = api.post(base, json={"content": "Hello", "consent": True})
    assert begun.status_code == 201, begun.text
    url = f"{base}/{begun.json()['id']}"
    asked, answered = begun.json()["turns"]
    assert (asked["role"], asked["content"]) == ("user", "Hello")
    assert (answered["state"], answered["model_id"]) == ("done", chat.base_id)
    again = api.post(f"{url}/turns/{answered['id']}/regenerate").json()
    second = again["turns"][-1]
    assert [turn["kept"] for turn in again["turns"]] == [True, False, True]
    chosen = api.post(f"{url}/turns/{second['id']}/choose", json={"choice": "second"}).json()
    assert [turn["kept"] for turn in chosen["turns"]] == [True, False, True]
    assert api.post(f"{url}/turns/{second['id']}/thumb", json={"thumb": "up"}).json()["turns"][-1]["thumb"] == "up"
    assert len(api.post(f"{url}/messages", json={"content": "More"}).json()["turns"]) == 5
    assert [each["id"] for each in api.get(base).json()["items"]] == [begun.json()["id"]]
    choices = f"/api/v1/projects/{chat.project_id}/chat-choices"
    assert api.get(choices).status_code == 403
    (choice,) = api.get(choices, headers=headers(chat.manager)).json()["items"]
    assert choice["prompt"] == [{"role": "user", "content": "Hello"}]
    assert (choice["chosen"], choice["rejected"]) == (second["content"], answered["content"])
    assert api.post(f"{url}/consent", json={"consent": False}).json()["consent"] is False
    assert api.get(choices, headers=headers(chat.manager)).json()["items"] == []
    assert api.delete(url).status_code == 204
    assert api.get(url).status_code == 404


def test_a_message_sent_twice_with_one_key_is_answered_once(api: Browser, chat: Chat) -> None:
    key = {"Idempotency-Key": "hello"}
    first, second = (api.post(f"/api/v1{chat.url}", json={"content": "Hello"}, headers=key) for _ in "ab")
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.content == second.content
    assert len(chat.turns()) == 2
    with task_session() as session:  # as where the program left before the answer was whole
        session.execute(update(IdempotencyKey).values(status=None, body=None))
    broken = api.post(f"/api/v1{chat.url}", json={"content": "Hello"}, headers=key)
    assert broken.status_code == 409
    assert "still being answered, or its answer broke off" in broken.json()["detail"]
    assert len(chat.turns()) == 2


def test_too_long_a_message_is_a_problem(api: Browser, chat: Chat) -> None:
    answer = api.post(f"/api/v1{chat.url}", json={"content": "x" * 100_000})
    assert answer.status_code == 413
    assert "Your message has 100,000 characters" in answer.json()["detail"]


def test_somebody_else_s_conversation_does_not_exist(api: Browser, chat: Chat) -> None:
    url = f"/api/v1{chat.url}/{api.post(f'/api/v1{chat.url}', json={'content': 'Hi'}).json()['id']}"
    other = headers(chat.manager)
    assert api.get(url, headers=other).status_code == 404
    assert api.delete(url, headers=other).status_code == 404
    assert api.get(url).status_code == 200
