"""/healthz: each part's state from what really answers."""

import json

import pytest
import redis

from app.web import health


@pytest.fixture
def parts(database, monkeypatch):
    """The parts as they are with a real database and Valkey, and nothing else running."""
    from app.settings import get_settings

    monkeypatch.setenv("HONE_INFERENCE_URL", "http://127.0.0.1:9/v1")
    get_settings.cache_clear()
    return health.check


def announce(url: str, name: str, queues: list[str]) -> None:
    with redis.Redis.from_url(url) as client:
        client.set(f"hone:worker:{name}", json.dumps({"queues": queues, "device": "cpu"}), ex=30)


def test_what_is_up_and_what_is_not(parts):
    found = parts()
    assert {name for name, part in found.items() if part.ok} == {"database", "queue", "disk"}
    assert found["database"].details["schema"]
    assert found["workers"].says == "nobody serves the queue sampling and training"
    assert health.report(found)["status"] == "degraded"


def test_workers_are_up_once_both_queues_are_served(parts, redis_url):
    announce(redis_url, "one", ["sampling"])
    assert parts()["workers"].says == "nobody serves the queue training"
    announce(redis_url, "two", ["training"])
    found = parts()["workers"]
    assert (found.ok, found.says) == (True, "2 at work")
    assert found.details["workers"]["two"] == {"queues": ["training"], "device": "cpu"}


def test_services_that_are_away_are_told_without_their_address(parts, monkeypatch):
    from app.settings import get_settings

    monkeypatch.setenv("DATABASE_URL", "postgresql://hone:secret@127.0.0.1:1/hone")
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:1/0")
    get_settings.cache_clear()
    report = health.report(parts())
    assert {name for name, part in report["parts"].items() if part["ok"]} == {"disk"}
    assert "secret" not in json.dumps(report)
    assert "127.0.0.1" not in json.dumps(report)


def test_the_page_answers_503_while_something_needed_is_away(client):
    answer = client.get("/healthz")
    assert answer.status_code == 503
    assert answer.json()["parts"]["queue"]["ok"] is True
    assert answer.headers["cache-control"] == "no-store"
