"""/healthz: each part's state from what really answers."""

import json
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
import redis
from sqlalchemy import text

from app.db import get_engine
from app.settings import get_settings
from app.web import health, presence
from app.web.signing import digest
from tests import factories


@pytest.fixture(autouse=True)
def _forget(monkeypatch):
    monkeypatch.setattr(health, "_checked", (0.0, {}))
    monkeypatch.setattr(health, "_readiness", (0.0, None))


@pytest.fixture
def parts(database, monkeypatch):
    """The parts as they are with a real database and Valkey, and nothing else running."""
    monkeypatch.setenv("HONE_INFERENCE_URL", "http://127.0.0.1:9/v1")
    get_settings.cache_clear()
    return health.check


def announce(url: str, name: str, queues: list[str], seconds_ago: int = 0) -> None:
    with redis.Redis.from_url(url) as client:
        client.set(
            f"hone:worker:{name}", json.dumps({"queues": queues, "device": "cpu"}), ex=presence.KEPT - seconds_ago
        )


def test_what_is_up_and_what_is_not(parts):
    found = parts()
    assert {name for name, part in found.items() if part.ok} == {"database", "queue", "disk"}
    assert found["database"].details["schema"]
    assert found["workers"].says == "no worker serves sampling, training, files"
    assert health.report(found)["status"] == "degraded"


def test_workers_are_up_once_every_queue_is_served(parts, redis_url):
    announce(redis_url, "one", ["sampling", "files"])
    assert parts()["workers"].says == "no worker serves training"
    announce(redis_url, "two", ["training"])
    found = parts()["workers"]
    assert (found.ok, found.says) == (True, "2 at work")
    assert found.details["workers"]["two"] == {"queues": ["training"], "device": "cpu"}


def test_a_worker_that_falls_silent_serves_nothing_and_is_named(parts, redis_url):
    """Beside another of its queue and host, which hides it from whoever looks at queues only."""
    for name, ago in (("one", 29), ("two", 40), ("three", 300)):
        announce(redis_url, f"sampling@host:{name}", ["sampling", "files"], ago)
    announce(redis_url, "training@host:four", ["training"], 31)
    found = parts()["workers"]
    assert found.says == "no worker serves training; 3 fell silent in the last ten minutes"
    assert found.details["workers"].keys() == {"sampling@host:one"}
    assert found.details["silent"].keys() == {"sampling@host:two", "sampling@host:three", "training@host:four"}
    assert 300 <= found.details["silent"]["sampling@host:three"] <= 302
    announce(redis_url, "training@host:four", ["training"])  # it was stopped, and goes on
    assert parts()["workers"].says == "2 at work; 2 fell silent in the last ten minutes"


def test_services_that_are_away_are_told_without_their_address(parts, monkeypatch):
    monkeypatch.setenv("DATABASE_URL", "postgresql://hone:secret@127.0.0.1:1/hone")
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:1/0")
    get_settings.cache_clear()
    report = health.report(parts())
    assert {name for name, part in report["parts"].items() if part["ok"]} == {"disk"}
    assert "secret" not in json.dumps(report)
    assert "127.0.0.1" not in json.dumps(report)


def test_anybody_is_told_a_word_and_administrators_the_parts(as_, database):
    # `database`: the parts are looked at in one that other connections see, with the schema but no scheduling process
    for who in ("anonymous", "annotator", "manager"):
        answer = as_(who).get("/healthz")
        assert (answer.status_code, answer.json()) == (503, {"status": "degraded"}), who
    answer = as_("admin").get("/healthz")
    assert answer.status_code == 503
    assert answer.json()["parts"]["queue"]["ok"] is True
    assert answer.headers["cache-control"] == "no-store"


def test_a_token_tells_the_parts_where_it_may_act_as_an_administrator(client, cast, session, database):
    def parts(scopes, **over):
        token = uuid4().hex
        factories.api_token(session, cast.admin, token_hash=digest(token), scopes=scopes, **over)
        return "parts" in client.get("/healthz", headers={"Authorization": f"Bearer {token}"}).json()

    assert parts(["read", "admin"])
    assert not parts(["read", "manage"])
    assert not parts(["admin"], expires_at=datetime.now(UTC) - timedelta(days=1))
    assert "parts" not in client.get("/healthz", headers={"Authorization": "Bearer nonsense"}).json()


def test_a_process_is_ready_whatever_else_is_down(database, client, monkeypatch):
    assert client.get("/livez").json() == {"status": "alive"}
    assert client.get("/readyz").json() == {"status": "ready"}  # without workers, scheduling or a model server
    assert client.get("/readyz", headers={"Host": "10.1.2.3:8000"}).status_code == 200


def test_a_process_whose_database_is_of_an_older_schema_is_not_ready(database, client, monkeypatch):
    monkeypatch.setattr(health, "FRESH", 0.0)
    not_ready = (503, {"status": "not ready"})
    for revision, said in (("0001", not_ready), ("0034", not_ready), ("9999", (200, {"status": "ready"}))):
        with get_engine().begin() as connection:
            connection.execute(text("update alembic_version set version_num = :to"), {"to": revision})
        answer = client.get("/readyz")
        assert (answer.status_code, answer.json()) == said, "one that is upgraded around it serves on"
    with get_engine().begin() as connection:
        connection.execute(text("delete from alembic_version"))
    assert client.get("/readyz").status_code == 503
    monkeypatch.setenv("DATABASE_URL", "postgresql://hone:secret@127.0.0.1:1/hone")
    get_settings.cache_clear()
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json()) == (503, {"status": "not ready"})
    assert client.get("/livez").status_code == 200


def test_sweeps_that_end_are_named_within_half_a_minute(parts):
    def says(since):
        with get_engine().begin() as connection:
            connection.execute(
                text("update scheduler set swept_at = clock_timestamp() - cast(:s as interval)"), {"s": since}
            )
        found = parts()["scheduling"]
        return found.ok, found.says

    assert parts()["scheduling"].says == "nothing automatic has ever happened: no scheduling process runs"
    assert says("6 s") == (True, "at work")
    assert says("25 s") == (
        False,
        "nothing automatic has happened for 25 s: no scheduling process runs, or it hangs",
    )
    assert "for 120 minutes" in says("2 hours")[1]
