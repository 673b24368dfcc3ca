"""The whole way: our own inference server, started apart, is an endpoint whose answers are compared with those of the
project's model; people judge through the page, the evaluation gives the win rate, and chat answers from it."""

import asyncio
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event
from typing import Any
from uuid import uuid4

import httpx
import pytest
from sqlalchemy import select

from app import models as m
from app.db import task_session
from app.registry import inference
from app.settings import get_settings
from app.web.signing import digest
from tests import factories
from tests.app.conftest import Browser
from tests.inference_server import FIRST, SECOND, InferenceServer, make_store, serving
from workers.runs.execution import execute

NAME = "Rival of another house"


@dataclass
class House:
    """A project whose model is models/1, its people's browsers, and the server, on which models/2 is the endpoint."""

    server: InferenceServer
    project_id: int
    base_id: int
    admin: Browser
    anne: Browser

    @property
    def url(self) -> str:
        return f"/projects/{self.project_id}"

    def register(self, **over: str) -> int:
        form = {
            "name": NAME, "base_url": f"{self.server.url}/v1", "served_name": SECOND, "key_name": "rival-key",
            "requests_per_minute": "10000", "at_once": "4", "token_limit": "100000", "price_in": "", "price_out": "",
        }  # fmt: skip
        answer = self.admin.submit("/endpoints", **form | over)
        assert answer.status_code == 303, answer.text
        return int(answer.headers["location"].rsplit("/", 1)[1])

    def execute(self, kind: m.RunKind) -> m.Run:
        with task_session() as session:
            run = session.scalars(select(m.Run).where(m.Run.kind == kind).order_by(m.Run.id.desc())).first()
            assert run is not None
        assert execute(run.id, "here:1", "CPU", Event()) is m.RunState.SUCCEEDED
        return run

    def label_all(self, telling: list[str]) -> int:
        """Label through the page until nothing is left, the left one each time; nothing may tell any of `telling`."""
        for number in range(100):
            page = self.anne.get(f"{self.url}/label").text
            found = re.search(r'name="assignment_id" value="(\d+)"', page)
            if found is None:
                return number
            api = self.anne.post(f"/api/v1{self.url}/label/next", headers={"X-CSRF-Token": self.anne.csrf()}).text
            for word in telling:
                assert word not in page
                assert word not in api
            self.anne.submit(f"{self.url}/label", assignment_id=found[1], answer="left")
        raise AssertionError("there is no end")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_store(tmp_path_factory.mktemp("house") / "store")


@pytest.fixture
def house(database: str, store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    keys = tmp_path / "keys.json"
    keys.write_text(json.dumps({"rival-key": "sk-secret-of-the-house"}))
    monkeypatch.setenv("HONE_STORE_DIR", str(store))
    monkeypatch.setenv("HONE_ENDPOINT_ALLOW", "127.0.0.1/32")
    monkeypatch.setenv("HONE_ENDPOINT_KEYS", str(keys))
    get_settings.cache_clear()
    with task_session() as session:
        base = factories.base_model(session, artifact=FIRST, name="Ours at home")
        project = factories.project(session, base_model_id=base.id, queue_depth=4)
        project.sampling = project.sampling.model_copy(update={"max_new_tokens": 12, "strategy": "stochastic"})
        for number in range(4):
            factories.prompt(session, project, f"Question {number}")
            factories.prompt(session, project, f"Held out {number}", split=m.Split.HOLDOUT)
        people = {name: factories.user(session, name=name, is_admin=name == "Ada") for name in ("Ada", "Anne")}
        factories.member(session, project, people["Anne"])
    with serving(store) as server:
        monkeypatch.setenv("HONE_INFERENCE_URL", f"{server.url}/v1")
        get_settings.cache_clear()
        from app.main import app

        at: dict[str, Any] = {"base_url": "http://localhost", "follow_redirects": False}
        with Browser(app, **at) as ada, Browser(app, **at) as anne:
            for browser, person in ((ada, people["Ada"]), (anne, people["Anne"])):
                sign_in(browser, person)
            yield House(server, project.id, base.id, ada, anne)


def sign_in(browser: Browser, person: m.User) -> None:
    from app.web.csrf import SESSION_COOKIE

    token = uuid4().hex
    with task_session() as session:
        expires = datetime.now(UTC) + timedelta(hours=1)
        factories.web_session(session, person, token_hash=digest(token), expires_at=expires)
    browser.cookies.set(SESSION_COOKIE, token, domain="localhost.local", path="/")


def test_the_whole_way(house: House):
    model_id = house.register()
    assert house.admin.submit(f"/endpoints/{model_id}/try").status_code == 303
    page = house.admin.get(f"/endpoints/{model_id}").text
    assert "It answered" in page
    plan = {
        "source[0]": "", "responses[0]": "1", "source[1]": str(model_id), "responses[1]": "2", "temperature[1]": "1.3",
        "compare": "across", "chat_model_id": str(model_id),
    }  # fmt: skip
    assert house.admin.submit(f"{house.url}/settings/plan", **plan).status_code == 303
    house.admin.submit(f"{house.url}/items/sample")
    run = house.execute(m.RunKind.SAMPLING)
    with task_session() as session:
        made = list(session.scalars(select(m.Item).where(m.Item.run_id == run.id)))
        assert len(made) == 4
        for item in made:
            assert {response.model_id for response in item.responses} == {house.base_id, model_id}
    telling = [NAME, "Ours at home", SECOND, "model_id", "token_count", "temperature", "seed", "endpoint"]
    assert house.label_all(telling) == 4

    started = house.admin.post(
        f"/api/v1{house.url}/policies/{house.base_id}/evaluations",
        json={"baseline_id": model_id, "comparisons": 4},
        headers={"X-CSRF-Token": house.admin.csrf()},
    )
    assert started.status_code == 201, started.text
    run = house.execute(m.RunKind.EVALUATION)
    judged = house.label_all(telling)
    result = house.admin.get(f"/api/v1{house.url}/policies/evaluations/{run.id}").json()["result"]
    assert result["judged"] == judged == result["items"]
    assert result["wins"] + result["losses"] == judged
    assert result["rate"] == pytest.approx((result["wins"] + 0.5 * result["equal"]) / (judged + result["equal"]))
    assert NAME in house.admin.get(f"{house.url}/policies/evaluations/{run.id}").text

    with task_session() as session:
        before = session.scalar(select(m.Quota.tokens_used)), session.get_one(m.Endpoint, model_id).tokens_used
    assert 0 < before[0] < before[1], "trying it was nobody's"
    assert house.anne.submit(f"{house.url}/chat", content="Hello there").status_code == 303
    with task_session() as session:
        turn = session.scalars(select(m.Turn).where(m.Turn.role == m.TurnRole.ASSISTANT)).one()
        assert (turn.state, turn.model_id) == (m.TurnState.DONE, model_id)
        assert turn.content
        endpoint = session.get_one(m.Endpoint, model_id)
        spent, used = session.scalar(select(m.Quota.tokens_used)), endpoint.tokens_used
        assert spent - before[0] == used - before[1] > 0, "chat is the project's too"
        # Counted by the server itself: a dozen tokens for each answer, none estimated.
        assert endpoint.tokens_estimated == 0
        assert endpoint.tokens_in > 0
        assert 0 < endpoint.tokens_out <= (8 + 4) * 12 + 64 + 12


def test_what_goes_wrong_is_told_where_it_is_tried_and_in_chat(house: House):
    model_id = house.register(served_name="models/none", key_name="no-such-key")
    house.admin.submit(f"/endpoints/{model_id}/try")
    assert "has no key named “no-such-key”" in house.admin.get(f"/endpoints/{model_id}").text
    headers = {"X-CSRF-Token": house.admin.csrf()}
    house.admin.patch(f"/api/v1/endpoints/{model_id}", json={"key_name": None}, headers=headers)
    tried = house.admin.post(f"/api/v1/endpoints/{model_id}/try", headers=headers).json()
    assert tried["tried_well"] is False
    assert "It knows no model “models/none”, or nothing is at this base URL (404)" in tried["tried_said"]
    house.admin.patch(f"/api/v1/endpoints/{model_id}", json={"token_limit": 10}, headers=headers)
    plan = {"responses[0]": "2", "chat_model_id": str(model_id)}
    assert house.admin.submit(f"{house.url}/settings/plan", **plan).status_code == 303
    house.anne.submit(f"{house.url}/chat", content="Hello there")
    with task_session() as session:
        turn = session.scalars(select(m.Turn).where(m.Turn.role == m.TurnRole.ASSISTANT)).one()
        assert turn.state is m.TurnState.FAILED
        assert "Its spending limit is reached" in str(turn.error)


def test_nobody_but_the_platform_may_spend(house: House):
    model_id = house.register()
    address = inference.elsewhere(model_id)
    body = {"model": address, "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 5}
    url = f"{house.server.url}/v1/chat/completions"
    for headers in ({}, {inference.SIGNATURE: "x"}, {inference.SIGNATURE: inference.sign("sources", "sources/0")}):
        refused = httpx.post(url, json=body, headers=headers)
        assert refused.status_code == 401
        assert "Only the platform itself" in refused.json()["error"]["message"]
    signed = {inference.SIGNATURE: inference.sign("sources", address)}
    answer = httpx.post(url, json=body, headers=signed, timeout=60)
    assert answer.status_code == 200
    assert answer.json()["choices"][0]["message"]["content"]
    gone = {inference.SIGNATURE: inference.sign("sources", "sources/999")}
    answer = httpx.post(url, json=body | {"model": "sources/999"}, headers=gone)
    assert (answer.status_code, answer.json()["error"]["message"]) == (502, "There is no such model.")


def test_chat_sends_the_secret_that_the_inference_server_asks_for(store: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HONE_INFERENCE_SECRET", "known to the platform alone")

    async def ask() -> str:
        pieces = inference.respond(FIRST, [{"role": "user", "content": "Hello"}], {"max_tokens": 8})
        return "".join([piece async for piece in pieces if isinstance(piece, str)])

    with serving(store) as server:
        monkeypatch.setenv("HONE_INFERENCE_URL", f"{server.url}/v1")
        get_settings.cache_clear()
        try:
            assert asyncio.run(ask())
        finally:
            monkeypatch.undo()
            get_settings.cache_clear()
