"""Endpoints: registered, changed and retired by administrators, by page and API; what each may take is never passed."""

from threading import Thread
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.db import task_session
from app.models import AuditEvent, Endpoint, Model, ModelKind, ModelState
from app.registry import endpoints, inference
from app.registry import service as registry
from app.settings import get_settings
from app.web.errors import Conflict, Invalid, NotFound
from tests import factories
from tests.app.conftest import Browser, Cast

FORM = {
    "name": "GPT of theirs", "base_url": "https://api.example.com/v1/", "served_name": "gpt-x", "key_name": "main",
    "requests_per_minute": "30", "at_once": "2", "token_limit": "5000", "price_in": "1.5", "price_out": "",
}  # fmt: skip


def only(session: Session) -> Model:
    return session.scalars(select(Model).where(Model.answers_from == "endpoint")).one()


def test_an_administrator_registers_one_by_the_page(client: Browser, cast: Cast, session: Session):
    client.sign_in(cast.admin)
    assert "No endpoints yet" in client.get("/endpoints").text
    answer = client.submit("/endpoints", **FORM)
    model = only(session)
    assert answer.headers["location"] == f"/endpoints/{model.id}"
    assert (model.name, model.kind, model.offered, model.project_id) == ("GPT of theirs", ModelKind.BASE, True, None)
    endpoint = model.endpoint
    assert endpoint is not None
    assert (endpoint.base_url, endpoint.served_name, endpoint.key_name) == (
        "https://api.example.com/v1",
        "gpt-x",
        "main",
    )
    assert (endpoint.requests_per_minute, endpoint.at_once, endpoint.token_limit) == (30, 2, 5000)
    assert (endpoint.price_in, endpoint.price_out) == (1.5, None)
    page = client.get(f"/endpoints/{model.id}").text
    assert "It has not been tried yet" in page
    assert "gpt-x at https://api.example.com/v1" in page
    event = session.scalars(select(AuditEvent).where(AuditEvent.action == "endpoint.registered")).one()
    assert event.actor_id == cast.admin.id
    assert event.details["base_url"] == "https://api.example.com/v1"


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ("base_url", "http://169.254.169.254/v1", "not a public address"),
        ("base_url", "https://u:p@api.example.com/v1", "may not hold a user or a password"),
        ("base_url", "", "This is needed."),
        ("key_name", "my key; rm", "should match pattern"),
        ("requests_per_minute", "0", "at least 1"),
        ("at_once", "x", "whole number"),
        ("token_limit", "-1", "at least 1"),
        ("price_in", "-1", "at least 0"),
        ("name", "Taken", "There is an endpoint named Taken already."),
        ("served_name", "", "This is needed."),
    ],
)
def test_what_is_wrong_is_told_and_what_was_typed_is_kept(
    client: Browser, cast: Cast, session: Session, field: str, value: str, says: str
):
    factories.endpoint(session, name="Taken")
    answer = client.sign_in(cast.admin).submit("/endpoints", **FORM | {field: value})
    assert answer.status_code == 422
    assert says in answer.text
    assert 'value="gpt-x"' in answer.text or field == "served_name"
    assert 'value="1.5"' in answer.text or field == "price_in"
    assert len(endpoints.listed(session)) == 1


def test_a_change_keeps_the_model_and_the_past(client: Browser, cast: Cast, session: Session):
    model = factories.endpoint(session, served_name="gpt-x", tokens_in=7)
    fields = {name: value for name, value in FORM.items() if name != "served_name"}
    assert client.sign_in(cast.admin).submit(f"/endpoints/{model.id}", **fields).status_code == 303
    session.refresh(model.endpoint)
    assert (model.endpoint.served_name, model.endpoint.tokens_in, model.endpoint.at_once) == ("gpt-x", 7, 2)
    event = session.scalars(select(AuditEvent).where(AuditEvent.action == "endpoint.changed")).one()
    assert event.details["at_once"] == [4, 2]
    assert "base_url" not in event.details
    refused = client.submit(f"/endpoints/{model.id}", **fields, served_name="another")
    assert refused.status_code == 422
    assert model.endpoint.served_name == "gpt-x"
    refused = client.submit(f"/endpoints/{model.id}", **fields | {"base_url": "http://10.0.0.1"})
    assert refused.status_code == 422
    assert 'value="http://10.0.0.1"' in refused.text
    assert model.endpoint.base_url == "https://api.example.com/v1"


def test_one_that_is_retired_is_asked_nothing_more(client: Browser, cast: Cast, session: Session):
    model = factories.endpoint(session)
    registry.require_usable(model)
    assert endpoints.call(session, model.id).served_name == model.endpoint.served_name
    assert client.sign_in(cast.admin).submit(f"/endpoints/{model.id}/retire").status_code == 303
    assert (model.state, model.offered) == (ModelState.ARCHIVED, False)
    for refused in (
        lambda: registry.require_usable(model),
        lambda: endpoints.call(session, model.id),
        lambda: endpoints.retire(session, cast.admin, model),
    ):
        with pytest.raises(Conflict, match="was retired"):
            refused()
    assert not registry.is_usable(model)
    page = client.get(f"/endpoints/{model.id}").text
    assert "retired" in page
    assert "Save" not in page
    again = endpoints.register(session, cast.admin, endpoints.EndpointForm(
        name=model.name, base_url="https://api.example.com", served_name="x"))  # fmt: skip
    assert again.name == model.name


def test_the_api_does_what_the_pages_do(client: Browser, cast: Cast, session: Session):
    headers = client.bearer(cast.admin, "admin")
    body: dict[str, Any] = {"name": "Theirs", "base_url": "https://api.example.com/v1", "served_name": "gpt-x"}
    made = client.post("/api/v1/endpoints", json=body, headers=headers)
    assert made.status_code == 201
    view = made.json()
    assert view["token_limit"] == 1_000_000
    assert (view["state"], view["key_name"], view["tried_at"]) == ("ready", None, None)
    url = f"/api/v1/endpoints/{view['id']}"
    assert client.get(url, headers=headers).json() == view
    assert client.get("/api/v1/endpoints", headers=headers).json() == {"items": [view], "before": None}
    changed = client.patch(url, json={"token_limit": None, "at_once": 9}, headers=headers).json()
    assert changed == view | {"token_limit": None, "at_once": 9}
    for wrong in (
        {},
        {"served_name": "other"},
        {"name": None},
        {"at_once": 0},
        {"base_url": "http://[::1]/v1"},
        {"key": "sk"},
    ):
        assert client.patch(url, json=wrong, headers=headers).status_code == 422, wrong
    assert client.post("/api/v1/endpoints", json=body, headers=headers).status_code == 422
    assert client.post(f"{url}/retire", headers=headers).json()["state"] == "archived"
    assert client.post(f"{url}/retire", headers=headers).status_code == 409
    assert client.post(f"{url}/try", headers=headers).status_code == 409
    assert client.get(f"/api/v1/endpoints/{cast.project.base_model_id}", headers=headers).status_code == 404


def test_files_are_refused_with_a_sentence(session: Session):
    model = factories.endpoint(session, name="Theirs")
    with pytest.raises(Conflict, match="Theirs has no files here, which this needs"):
        registry.artifact_path(model)
    assert registry.address_of(model) == inference.elsewhere(model.id) == f"sources/{model.id}"
    name = factories.base_model(session, answers_from="nowhere", name="Some paper's")
    with pytest.raises(Conflict, match="only a name"):
        registry.require_usable(name)
    reward = factories.model(session, factories.project(session), kind=ModelKind.REWARD, name="Reward 1")
    with pytest.raises(Invalid, match="reward model"):
        registry.require_usable(reward)
    assert model not in registry.offered(session)
    with pytest.raises(NotFound):
        endpoints.get(session, name.id)


def test_what_it_costs(session: Session):
    endpoint = factories.endpoint(session, price_in=2.0, price_out=10.0, tokens_in=500_000, tokens_out=100_000).endpoint
    assert endpoint.cost == 2.0  # 0.5 * 2 + 0.1 * 10
    assert factories.endpoint(session, tokens_in=5).endpoint.cost is None


def test_a_limit_is_not_passed_however_many_ask_at_once(database: str):
    with task_session() as session:
        model_id = factories.endpoint(session, token_limit=1000, tokens_in=100).id
    refused: list[str | None] = []

    def ask() -> None:
        for _ in range(5):
            with task_session() as session:
                refused.append(endpoints.reserve(session, model_id, 20, 40))

    threads = [Thread(target=ask) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # 900 are left: fifteen times 60.
    assert refused.count(None) == 15
    [sentence] = {each for each in refused if each is not None}
    assert sentence.startswith("Its spending limit is reached: 0 tokens are left, and this request may take 60.")
    with task_session() as session:
        endpoints.settle(session, model_id, (20, 40), (15, 5), 0)
        endpoint = session.get_one(Endpoint, model_id)
        assert (endpoint.tokens_in, endpoint.tokens_out, endpoint.tokens_used) == (395, 565, 960)
        assert "40 tokens are left" in str(endpoints.reserve(session, model_id, 20, 40))


def test_no_limit(session: Session):
    model = factories.endpoint(session, token_limit=None)
    assert endpoints.reserve(session, model.id, 10**12, 10**12) is None


def test_the_pages_never_open_the_list_of_keys(
    client: Browser, cast: Cast, session: Session, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
):
    keys = tmp_path / "keys.json"
    keys.write_text('{"main": "sk-secret"}')
    keys.chmod(0)
    monkeypatch.setenv("HONE_ENDPOINT_KEYS", str(keys))
    get_settings.cache_clear()
    opened: list[str] = []
    real = type(keys).open
    monkeypatch.setattr(type(keys), "open", lambda path, *a, **k: (opened.append(str(path)), real(path, *a, **k))[1])
    client.sign_in(cast.admin).submit("/endpoints", **FORM)
    client.get(f"/endpoints/{only(session).id}")
    assert client.get("/endpoints").status_code == 200
    assert str(keys) not in opened
