"""/metrics as a parser reads it: who may, what it says of a real database and queue, and what it costs."""

import json
import re
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import redis
from prometheus_client.parser import text_string_to_metric_families
from starlette.testclient import TestClient

from app.db import task_session
from app.main import app
from app.models import AssignmentState, Quota, RunKind, RunState, Scheduler
from app.monitoring import figures, installation, routes
from app.settings import get_settings
from app.web import health, presence
from tests import factories
from tests.alerts import RULES, firing, scrape

OPERATIONS = Path(__file__).parents[3] / "docs" / "operations.md"


@pytest.fixture(autouse=True)
def _forget(monkeypatch):
    monkeypatch.setattr(health, "_checked", (0.0, {}))
    monkeypatch.setattr(installation, "_found", (0.0, []))
    monkeypatch.setattr(routes, "_written", (0.0, b""))


@pytest.fixture
def here(database):
    """A client on this machine, at the application with a database of its own."""
    return TestClient(app, base_url="http://localhost", client=("127.0.0.1", 1))


def parsed(text: str) -> dict[str, dict[tuple[str, ...], float]]:
    """metric -> the values of its labels, in their names' order -> value."""
    found: dict[str, dict[tuple[str, ...], float]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found.setdefault(sample.name, {})[tuple(value for _, value in sorted(sample.labels.items()))] = sample.value
    return found


def test_it_is_read_on_this_machine_or_by_the_token(database, monkeypatch):
    def status(client: str, host: str = "localhost", **headers: str) -> int:
        browser = TestClient(app, base_url=f"http://{host}", client=(client, 1))
        return browser.get("/metrics", headers=headers).status_code

    assert status("127.0.0.1") == 200
    assert status("127.0.0.1", **{"X-Forwarded-For": "203.0.113.5"}) == 404  # a proxy here, for somebody elsewhere
    assert status("127.0.0.1", host="rebound.example") == 404
    assert status("203.0.113.5") == 404
    monkeypatch.setenv("HONE_METRICS_TOKEN", "a token of sixteen or more")
    get_settings.cache_clear()
    assert status("127.0.0.1") == 404
    assert status("203.0.113.5", Authorization="Bearer a token of sixteen or mor") == 404
    assert status("203.0.113.5", host="10.0.0.4", Authorization="Bearer a token of sixteen or more") == 200
    answer = TestClient(app, base_url="http://localhost", client=("203.0.113.5", 1)).get("/metrics")
    assert "HONE_METRICS_TOKEN" in answer.text


def test_it_tells_what_there_is(here, redis_url):
    now = datetime.now(UTC)
    with task_session() as session:
        project = factories.project(session)
        model, person = factories.model(session, project), factories.user(session)
        for minutes in (5, 60):
            made = now - timedelta(minutes=minutes)
            factories.item(session, factories.prompt(session, project), model, created_at=made)
        leased = factories.item(session, factories.prompt(session, project), model, slots_left=0)
        factories.assignment(
            session, leased, person, state=AssignmentState.OPEN, leased_at=now - timedelta(minutes=10),
            expires_at=now + timedelta(minutes=20),
        )  # fmt: skip
        half_an_hour = now - timedelta(minutes=30)
        queued = factories.training(session, project, state=RunState.QUEUED, created_at=half_an_hour)
        at_work = factories.run(
            session, project, state=RunState.RUNNING, claim="c", heartbeat_at=now,
            steps_per_second=2.0,
        )  # fmt: skip
        for prompt in (factories.prompt(session, project), factories.prompt(session, project)):
            factories.response(session, prompt, model, run_id=at_work.id, token_count=30)
        factories.run(session, project, state=RunState.FAILED)
        session.get_one(Scheduler, 1).swept_at = now - timedelta(seconds=3)
        number, run, waits = str(project.id), str(at_work.id), queued.kind.value
    with redis.Redis.from_url(redis_url) as client:
        about = {"queues": ["sampling"], "device": "CPU", "memory": {"used": 3, "total": 4}}
        client.set("hone:worker:sampling@one", json.dumps(about), ex=presence.KEPT)
        client.set("hone:worker:training@two", json.dumps({"queues": ["training"], "device": "CPU"}), ex=100)
    answer = here.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=")
    found = parsed(answer.text)
    at = now.timestamp()
    assert found["hone_queue_items"] == {(number,): 2}
    assert found["hone_queue_oldest_timestamp_seconds"][(number,)] == pytest.approx(at - 3600, abs=1)
    assert found["hone_leases_open"] == {(number,): 1}
    assert found["hone_lease_oldest_timestamp_seconds"][(number,)] == pytest.approx(at - 600, abs=1)
    assert found["hone_lease_next_expiry_timestamp_seconds"][(number,)] == pytest.approx(at + 1200, abs=1)
    assert found["hone_runs"][(waits, "queued")] == 1
    assert found["hone_runs"][("sampling", "running")] == 1
    assert sum(found["hone_runs"].values()) == 3
    assert len(found["hone_runs"]) == len(RunKind) * len(RunState)  # none is missing until its first run
    assert found["hone_run_waiting_timestamp_seconds"][(waits,)] == pytest.approx(at - 1800, abs=1)
    assert found["hone_run_heartbeat_timestamp_seconds"][("sampling", run)] == pytest.approx(at, abs=1)
    assert found["hone_run_steps_per_second"][("sampling", run)] == 2.0
    assert found["hone_run_tokens_per_second"][("sampling", run)] == 60.0
    assert found["hone_sweep_timestamp_seconds"][()] == pytest.approx(at - 3, abs=1)
    assert found["hone_workers"] == {("sampling",): 1, ("training",): 0, ("files",): 0}
    assert found["hone_workers_silent"][()] == 1
    assert found["hone_device_memory_used_bytes"] == {("sampling@one",): 3}
    assert found["hone_device_memory_bytes"] == {("sampling@one",): 4}
    assert found["hone_part_up"][("database",)] == 1
    assert found["hone_part_up"][("workers",)] == 0
    assert found["hone_store_free_bytes"][()] > 0


def test_deletions_that_go_on_say_since_when(here):
    now = datetime.now(UTC)
    with task_session() as session:
        gone = factories.project(session, archived_at=now, goes_since=now - timedelta(minutes=5))
        labels = factories.user(session, labels_go_since=now - timedelta(minutes=7))
        chats = factories.user(session, chats_go_since=now - timedelta(minutes=9))
        factories.user(session)
        minutes = {("project", str(gone.id)): 5, ("person", str(labels.id)): 7, ("person", str(chats.id)): 9}
    found = parsed(here.get("/metrics").text)["hone_deletion_begun_timestamp_seconds"]
    assert found == {
        (str(number), of): pytest.approx(now.timestamp() - 60 * ago, abs=1) for (of, number), ago in minutes.items()
    }


def test_tokens_of_a_training_are_those_that_it_says(here):
    with task_session() as session:
        project = factories.project(session)
        run = factories.training(
            session, project, state=RunState.RUNNING, claim="c", heartbeat_at=datetime.now(UTC), steps_per_second=0.5
        )
        for step, tokens in ((1, 10.0), (2, 400.0)):
            factories.run_metric(session, run, name="tokens", step=step, value=tokens)
    [value] = parsed(here.get("/metrics").text)["hone_run_tokens_per_second"].values()
    assert value == 200.0


def test_requests_are_counted_by_route_and_labels_by_project(client, cast, session, monkeypatch):
    def seen() -> dict[str, Any]:
        monkeypatch.setattr(routes, "_written", (0.0, b""))
        here = TestClient(app, base_url="http://localhost", client=("127.0.0.1", 1))
        return parsed(here.get("/metrics").text)

    prompt = factories.prompt(session, cast.project)
    item = factories.item(session, prompt, factories.model(session, cast.project))
    lease = factories.assignment(session, item, cast.annotator)
    before, page = seen(), ("POST", "/projects/{project_id}/label")
    client.sign_in(cast.annotator)
    answer = client.submit(f"/projects/{cast.project.id}/label", assignment_id=lease.id, answer="left")
    assert answer.status_code == 303, answer.text
    client.get("/api/v1/me")
    client.get("/no/such/page")
    client.request("BREW", "/")
    after = seen()

    def more(name: str, *labels: str) -> float:
        return after[name][labels] - before[name].get(labels, 0)

    assert more("hone_http_requests_total", *page, "303") == 1
    assert more("hone_http_request_seconds_count", *page) == 1
    assert more("hone_http_requests_total", "GET", "/api/v1/me", "200") == 1
    assert more("hone_http_requests_total", "GET", "none", "404") >= 1
    assert not any("no/such" in str(labels) for labels in after["hone_http_requests_total"])
    assert any(labels[0] == "other" for labels in after["hone_http_requests_total"])
    assert after["hone_labels_total"][(str(cast.project.id),)] == 1


def test_without_a_database_it_says_so_and_answers(here, monkeypatch):
    monkeypatch.setenv("DATABASE_URL", "postgresql://hone:secret@127.0.0.1:1/hone")
    get_settings.cache_clear()
    answer = here.get("/metrics")
    assert answer.status_code == 200
    found = parsed(answer.text)
    assert found["hone_part_up"][("database",)] == 0
    assert "hone_queue_items" not in found
    assert "secret" not in answer.text


def test_a_scrape_every_second_by_five_looks_once_in_five_seconds(here, monkeypatch):
    looks = []
    real = figures.read
    monkeypatch.setattr(figures, "read", lambda connection: looks.append(1) or real(connection))
    began = time.monotonic()
    with ThreadPoolExecutor(5) as scrapers:
        for _ in range(4):
            answers = list(scrapers.map(lambda _: here.get("/metrics").status_code, range(5)))
            assert answers == [200] * 5
    assert len(looks) <= 1 + (time.monotonic() - began) / installation.FRESH


def test_the_queue_is_counted_to_a_bound(here, monkeypatch):
    monkeypatch.setitem(figures._VALUES, "most", 3)
    with task_session() as session:
        project = factories.project(session)
        model = factories.model(session, project)
        for _ in range(5):
            factories.item(session, factories.prompt(session, project), model)
    assert list(parsed(here.get("/metrics").text)["hone_queue_items"].values()) == [3]


def test_several_web_processes_are_counted_together(tmp_path):
    """As with HONE_WEB_PROCESSES=2: each process writes files, and whichever is asked adds them up."""
    code = "from app.web import metering; metering.note_label(7)"
    for _ in range(3):
        subprocess.run(
            [sys.executable, "-c", code], check=True, env={"PROMETHEUS_MULTIPROC_DIR": str(tmp_path), "PATH": ""}
        )
    say = (
        "from app.web import metering; from prometheus_client import generate_latest;"
        f"print(generate_latest(metering.counts({str(tmp_path)!r})).decode())"
    )
    done = subprocess.run(
        [sys.executable, "-c", say], check=True, capture_output=True, text=True,
        env={"PROMETHEUS_MULTIPROC_DIR": str(tmp_path), "PATH": ""},
    )  # fmt: skip
    assert parsed(done.stdout)["hone_labels_total"] == {("7",): 3.0}


def test_names_types_and_labels_are_documented(here, redis_url):
    with redis.Redis.from_url(redis_url) as client:
        about = {"queues": ["sampling"], "device": "CPU", "memory": {"used": 3, "total": 4}}
        client.set("hone:worker:sampling@one", json.dumps(about), ex=presence.KEPT)
    families = list(text_string_to_metric_families(here.get("/metrics").text))
    told = {(f"{family.name}_total" if family.type == "counter" else family.name, family.type) for family in families}
    text = OPERATIONS.read_text()
    documented = set(re.findall(r"^\| `(hone_\w+)` \| (\w+) \|", text, re.MULTILINE))
    assert told == documented
    assert all(family.documentation for family in families)
    rows = re.findall(r"^\| `(hone_\w+)` \| \w+ \|([^|]*)\| \S", text, re.MULTILINE)
    labels = {name: set(re.findall(r"\w+", names)) for name, names in rows}
    assert labels.keys() == {name for name, _ in documented}
    for family in families:
        name = f"{family.name}_total" if family.type == "counter" else family.name
        for sample in family.samples:
            assert set(sample.labels) - {"le"} == labels[name], name
    used = set(re.findall(r"\bhone_\w+", RULES.read_text()))
    assert {re.sub(r"_(bucket|count|sum)$", "", name) for name in used} <= {name for name, _ in documented}
    alerts = set(re.findall(r"alert: (\w+)", RULES.read_text()))
    assert alerts == set(re.findall(r"^\| `(Hone\w+)` \|", text, re.MULTILINE))


def test_each_alert_fires_in_a_test():
    tests = Path(__file__).parents[2].rglob("test_*.py")
    named = {name for path in tests for name in re.findall(r'"(Hone\w+)"', path.read_text("utf-8"))}
    assert set(re.findall(r"alert: (\w+)", RULES.read_text())) <= named


def test_alerts_are_rules_that_prometheus_takes(here, tmp_path):
    done = subprocess.run(["promtool", "check", "rules", str(RULES)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


def test_an_installation_without_workers_and_scheduling_raises_the_alarm(here, tmp_path):
    with task_session() as session:
        session.get_one(Scheduler, 1).swept_at = datetime.now(UTC) - timedelta(seconds=5)
    scraped = (time.time(), here.get("/metrics").text)
    assert firing([scraped], tmp_path) == set()  # each waits: a restart is no alarm
    assert firing([scraped], tmp_path, lasting=180) == {"HoneNoSweep", "HoneNoWorker", "HonePartDown"}


def test_a_project_that_has_used_most_of_a_quota_raises_the_alarm(here, tmp_path):
    with task_session() as session:
        project = factories.project(session)
        session.add(Quota(project_id=project.id, tokens=100, tokens_used=79, runs_at_once=1, storage_bytes=10))
        factories.run(session, project, RunKind.SCORING)
        number = project.id
    before = scrape()
    assert f'hone_quota_used{{of="tokens",project="{number}"}} 79.0' in before[1]
    assert f'hone_quota_limit{{of="storage_bytes",project="{number}"}} 10.0' in before[1]
    assert f'hone_quota_used{{of="storage_bytes",project="{number}"}}' not in before[1], "not measured yet"
    assert "HoneQuotaNear" not in firing([before], tmp_path), "as many runs at once as may be are no alarm"
    with task_session() as session:
        session.get_one(Quota, number).tokens_used = 80
    assert "HoneQuotaNear" in firing([scrape()], tmp_path)


def test_a_server_that_fails_and_is_slow_raises_the_alarm(tmp_path):
    route = 'method="POST",route="/projects/{project_id}/label"'

    def scrape(seconds: int, failed: int, slow: int) -> tuple[float, str]:
        buckets = "".join(
            f'hone_http_request_seconds_bucket{{{route},le="{le}"}} {n}\n'
            for le, n in (("1.0", 10 * seconds), ("5.0", 10 * seconds + slow), ("+Inf", 10 * seconds + slow))
        )
        counts = f'hone_http_requests_total{{{route},status="200"}} {10 * seconds}\n'
        counts += f'hone_http_requests_total{{{route},status="500"}} {failed}\n'
        return 1e9 + seconds, buckets + counts

    well = [scrape(seconds, 0, 0) for seconds in range(0, 900, 5)]
    assert firing(well, tmp_path) == set()
    ill = [scrape(seconds, seconds, seconds) for seconds in range(0, 900, 5)]
    assert firing(ill, tmp_path) == {"HoneErrors", "HoneLabellingSlow"}


@pytest.mark.parametrize(
    ("alert", "well", "ill", "lasting"),
    [
        ("HoneDown", "hone_runs 0", "", 70),
        ("HoneRunWaits", 'hone_run_waiting_timestamp_seconds{kind="sampling"} 1e9', None, 3700),
        ("HoneLeasesOverdue", 'hone_lease_next_expiry_timestamp_seconds{project="1"} 1e9', None, 180),
        ("HoneDeletionLong", 'hone_deletion_begun_timestamp_seconds{of="project",number="7"} 1e9', None, 3700),
        ("HoneStoreFull", "hone_store_free_bytes 6e9", "hone_store_free_bytes 4e9", 400),
        (
            "HoneDeviceMemory",
            'hone_device_memory_used_bytes{worker="a"} 90\nhone_device_memory_bytes{worker="a"} 100',
            'hone_device_memory_used_bytes{worker="a"} 98\nhone_device_memory_bytes{worker="a"} 100',
            700,
        ),
        (
            "HoneQueueEmpty",
            'hone_queue_items{project="1"} 5\nhone_labels_total{project="1"} 1',
            'hone_queue_items{project="1"} 0\nhone_labels_total{project="1"} 9',
            700,
        ),
    ],
)
def test_each_other_alert_fires_for_what_it_is_for(tmp_path, alert, well, ill, lasting):
    before = [(1e9 + seconds, well + "\n") for seconds in range(0, 60, 5)]
    assert firing(before, tmp_path) == set()
    after = (1e9 + 60, well + "\n" if ill is None else ill and ill + "\n")
    assert firing([*before, after], tmp_path) == set()  # not at once
    assert firing([*before, after], tmp_path, lasting=lasting) == {alert}


def test_it_is_served_beside_the_pages(database):
    from tests.web_server import web_server

    with web_server() as server:
        answer = httpx.get(f"http://localhost:{server.port}/metrics")
        assert answer.status_code == 200
        assert "hone_part_up" in parsed(answer.text)
