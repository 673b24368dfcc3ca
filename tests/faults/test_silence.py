"""The database, or the queue, goes silent: packets vanish. Everybody is told within ten seconds, nobody loses an
answer, and when packets flow again everything goes on at once."""

import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from sqlalchemy import make_url, select

from app.accounts import service as accounts
from app.accounts.scopes import Scope
from app.db import PATIENCE, get_engine, task_session
from app.models import Label, Project, Role, Run, RunState
from app.silence import PROBE_SECONDS, QUIET
from tests import factories
from tests.alerts import firing, scrape
from tests.faults.annotators import Patient
from tests.faults.crowd import QUESTION, crowd
from tests.faults.proxy import Proxy
from tests.faults.web import Web

SECONDS = 10.0  # within which everybody is answered


@dataclass
class Place:
    """A web process behind its two proxies, a project, and the people of it."""

    web: Web
    database: Proxy
    redis: Proxy
    project: int
    tokens: list[str]


@pytest.fixture
def place(database: str, redis_url: str, tmp_path: Path) -> Iterator[Place]:
    given = make_url(database)
    sockets = str(given.query["host"])
    redis_at = urlsplit(redis_url)
    with task_session() as session:
        project, tokens = crowd(session, people=4)
        number = project.id
    with (
        Proxy(os.path.join(sockets, ".s.PGSQL.5432")) as db,
        Proxy((redis_at.hostname or "", redis_at.port or 0)) as redis,
        Web(
            tmp_path / "web.log",
            DATABASE_URL=f"postgresql://postgres@127.0.0.1:{db.port}/{given.database}",
            REDIS_URL=f"redis://127.0.0.1:{redis.port}/0",
            HONE_INFERENCE_URL="http://127.0.0.1:9/v1",
        ) as web,
    ):
        yield Place(web, db, redis, number, tokens)


def requests_of_all_kinds(place: Place, round_: int) -> list[tuple[str, int, float]]:
    """What each answers, and in how many seconds; sent at once."""
    kinds = [
        ("GET", f"/projects/{place.project}/label"),
        ("POST", f"/api/v1/projects/{place.project}/label/next"),
        ("GET", "/api/v1/projects"),
        ("GET", "/"),
        ("GET", f"/projects/{place.project}/label"),
    ]

    def ask(number: int) -> tuple[str, int, float]:
        method, path = kinds[number % len(kinds)]
        began = time.monotonic()
        with place.web.client(place.tokens[number % len(place.tokens)]) as client:
            answer = client.request(method, path, json={} if method == "POST" else None)
        if answer.status_code == 503:
            assert "The database does not answer right now" in answer.text
            assert "Retry-After" in answer.headers
        return path, answer.status_code, time.monotonic() - began

    with ThreadPoolExecutor(30) as threads:  # more than have a turn at the database at once
        return list(threads.map(ask, range(round_, round_ + 30)))


def test_a_silent_database_is_told_to_everybody_in_time_and_comes_back(place: Place, tmp_path: Path) -> None:
    api = f"{place.web.url}/api/v1/projects/{place.project}/label"
    people = [Patient(api, token, QUESTION) for token in place.tokens]

    def taken() -> int:
        assert [each.fault for each in people if each.fault] == []
        return sum(len(each.labels) for each in people)

    for each in people:
        each.thread.start()
    place.web.wait_for(lambda: taken() >= 40)
    scrapes = [scrape(place.web.url)]
    place.database.freeze()
    first = requests_of_all_kinds(place, 0)
    assert {status for _, status, _ in first} == {503}
    assert max(seconds for *_, seconds in first) < SECONDS
    scrapes.append(scrape(place.web.url))
    again = requests_of_all_kinds(place, 3)
    assert {status for _, status, _ in again} == {503}
    assert max(seconds for *_, seconds in again) < QUIET + PROBE_SECONDS, (
        "once it is known, nobody waits for it to be found"
    )
    at_the_fault = taken()
    assert {"HonePartDown", "HoneErrors"} <= firing([*scrapes, scrape(place.web.url)], tmp_path, lasting=150)
    place.database.thaw()
    assert place.web.wait_for(lambda: place.web.client(place.tokens[0]).get("/api/v1/projects").is_success) < 5
    place.web.wait_for(lambda: taken() >= at_the_fault + 40)
    place.database.cut()  # the connections that the proxy had forgotten meanwhile
    cut_at = taken()
    place.web.wait_for(lambda: taken() >= cut_at + 40)
    for each in people:
        each.enough.set()
    for each in people:
        each.thread.join(30)
    kept = {lease: label for each in people for lease, label in each.labels.items()}
    assert taken() == len(kept)
    with task_session() as session:
        stored = {label.assignment_id: label.id for label in session.scalars(select(Label))}
    assert stored == kept
    assert "Traceback" not in place.web.log.read_text()


def test_a_web_process_that_never_reached_the_database_says_so(place: Place) -> None:
    place.database.freeze()
    found = requests_of_all_kinds(place, 0)
    assert {status for _, status, _ in found} == {503}
    assert max(seconds for *_, seconds in found) < SECONDS
    place.database.thaw()
    assert place.web.wait_for(lambda: place.web.client(place.tokens[0]).get("/api/v1/projects").is_success) < 5


def test_a_slow_statement_is_not_a_silent_database(database: str) -> None:
    with get_engine().connect() as connection:
        assert connection.exec_driver_sql("select 7 from pg_sleep(5)").scalar() == 7


def test_a_silent_queue_holds_up_nobody_and_loses_no_run(place: Place) -> None:
    with task_session() as session:
        project = session.get_one(Project, place.project)
        manager = factories.user(session)
        factories.member(session, project, manager, Role.MANAGER)
        token = accounts.create_token(session, manager, "test", [Scope.READ, Scope.MANAGE])[1]
        runs = [factories.run(session, project, state=RunState.CANCELLED).id for _ in range(6)]

    def resume(run: int) -> float:
        began = time.monotonic()
        with place.web.client(token) as client:
            answer = client.post(f"/api/v1/projects/{place.project}/runs/{run}/resume")
        assert answer.json()["state"] == "queued", answer.text
        return time.monotonic() - began

    place.redis.freeze()
    found = [resume(run) for run in runs[:3]]
    assert max(found) < SECONDS
    assert sum(found[1:]) < 4, "once it is known, nobody waits"  # two seconds each would be more
    with ThreadPoolExecutor(2) as threads:
        assert max(threads.map(resume, runs[3:5])) < SECONDS
    with place.web.client(place.tokens[0]) as person:
        began = time.monotonic()
        assert person.post(f"/api/v1/projects/{place.project}/label/next", json={}).status_code == 200
        assert time.monotonic() - began < SECONDS
    with task_session() as session:
        states = session.execute(select(Run.id, Run.state).order_by(Run.id)).all()
    assert states == [(run, RunState.QUEUED) for run in runs[:5]] + [(runs[5], RunState.CANCELLED)]
    place.redis.thaw()
    assert resume(runs[5]) < SECONDS
    assert "Traceback" not in place.web.log.read_text()


def test_a_statement_that_never_ends_is_given_up_and_told_as_such(place: Place) -> None:
    with get_engine().connect() as other:
        other.exec_driver_sql("lock table label in access exclusive mode")
        with place.web.client(place.tokens[0]) as person:
            began = time.monotonic()
            answer = person.get(f"/api/v1/projects/{place.project}/labels/mine", timeout=120)
            took = time.monotonic() - began
        other.rollback()
    assert answer.status_code == 503
    assert "took longer than a minute" in answer.json()["detail"]
    assert PATIENCE <= took < PATIENCE + 20
