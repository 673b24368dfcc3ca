"""An API that misbehaves, on this machine, which is permitted by its network; and the keys of endpoints."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.settings import get_settings
from tests.endpoint_server import EndpointServer, misbehaving

KEY = "sk-a-key-that-nobody-may-see"


@pytest.fixture(scope="session")
def _api() -> Iterator[EndpointServer]:
    with misbehaving() as server:
        yield server


@pytest.fixture
def api(_api: EndpointServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[EndpointServer]:
    _api.asked.clear()
    _api.seen.clear()
    _api.most_at_once.clear()
    keys = tmp_path / "keys.json"
    keys.write_text(json.dumps({"main": KEY}))
    monkeypatch.setenv("HONE_ENDPOINT_KEYS", str(keys))
    monkeypatch.setenv("HONE_ENDPOINT_ALLOW", "127.0.0.0/8")
    get_settings.cache_clear()
    yield _api
    get_settings.cache_clear()
