"""`hone endpoints`: what the page does, from a shell."""

import json
from pathlib import Path

import pytest

from app.db import task_session
from app.settings import get_settings
from tests import factories
from tests.endpoint_server import misbehaving
from tests.workers.cli.test_cli import hone, refused


@pytest.fixture(autouse=True)
def administrator(database: str) -> None:
    with task_session() as session:
        factories.user(session, is_admin=True)


def test_from_registering_to_retiring(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keys = tmp_path / "keys.json"
    keys.write_text('{"main": "sk-secret"}')
    monkeypatch.setenv("HONE_ENDPOINT_KEYS", str(keys))
    monkeypatch.setenv("HONE_ENDPOINT_ALLOW", "127.0.0.1/32")
    get_settings.cache_clear()
    assert "No endpoints yet." in hone("endpoints", "list").stdout
    with misbehaving() as api:
        new = ("register", "Theirs", "--base-url", api.url, "--model", "good", "--key", "main", "--token-limit", "0")
        assert "Endpoint 1 is registered" in hone("endpoints", *new).stdout
        assert hone("endpoints", "try", "1").stdout.startswith("Answer 1 to: Say hello")
        (listed,) = hone("endpoints", "list", "--json").stdout.splitlines()
        view = json.loads(listed)
        assert (view["token_limit"], view["tried_well"], view["tokens_out"]) == (None, True, 5)
        assert "sk-secret" not in listed
        assert hone("endpoints", "change", "1", "--at-once", "9", "--name", "Ours").stdout == "Saved.\n"
        keys.write_text("{}")
        assert "has no key named “main”" in refused("endpoints", "try", "1")
    assert hone("endpoints", "retire", "1").stdout == "Ours is retired.\n"
    assert "retired" in hone("endpoints", "list").stdout
    assert "was retired" in refused("endpoints", "try", "1")


def test_what_is_wrong_is_a_sentence() -> None:
    new = ("register", "X", "--base-url", "http://10.0.0.1", "--model", "m")
    assert "not a public address" in refused("endpoints", *new)
    assert "There is no such endpoint" in refused("endpoints", "retire", "7")
    with task_session() as session:
        number = factories.endpoint(session).id
    assert "Say what is to change" in refused("endpoints", "change", str(number))


def test_a_plan_is_set_and_shown() -> None:
    with task_session() as session:
        project = factories.project(session)
        rival = factories.endpoint(session, name="Rival")
    here = ("-p", str(project.id))
    assert hone("plan", "set", *here, "--source", "in-use:1", "--source", f"{rival.id}:3:0.4").stdout == "Saved.\n"
    shown, *models = hone("plan", "show", *here).stdout.splitlines()
    sources = json.loads(shown)["sources"]
    assert [(each["model_id"], each["responses"], each["temperature"]) for each in sources] == [
        (None, 1, None),
        (rival.id, 3, 0.4),
    ]
    assert f"{rival.id}\tRival\tendpoint" in models
    assert "cannot be chosen here" in refused("plan", "set", *here, "--source", "999:2")
    assert "MODEL:RESPONSES" in refused("plan", "set", *here, "--source", "in-use")
    assert "between 2 and 16" in refused("plan", "set", *here, "--source", "in-use:1")
    assert json.loads(hone("plan", "show", *here).stdout.splitlines()[0])["sources"] == sources
