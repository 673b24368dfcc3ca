"""Behind a real PgBouncer: by the setting everything works under load, without it the start is refused."""

import re
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from sqlalchemy import create_engine, select, text

from app.db import task_session
from app.models import Assignment, Label, Scheduler, User
from app.settings import get_settings
from app.web.csrf import HEADER, SESSION_COOKIE
from app.web.signing import digest, sign
from tests import factories
from tests.children import ended
from tests.faults.crowd import crowd
from tests.faults.pooler import pooler
from tests.faults.test_scheduling import HONE, scheduling, wait_for
from tests.faults.web import Web

PEOPLE, POSTS = 12, 36
_LEASE = re.compile(r'name="assignment_id" value="(\d+)"')


@pytest.fixture(autouse=True)
def key(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """One key for this process, which signs people in, and the web process."""
    monkeypatch.setenv("HONE_SECRET_KEY", "a key for tests only, of the length that is asked")
    get_settings.cache_clear()


def label(web: Web, project: int, token: str) -> tuple[Counter[int], list[int]]:
    """Somebody in a browser, POSTS answers long: the statuses of the answers, and what was answered."""
    cookie = f"{SESSION_COOKIE}={token}"
    headers = {"Cookie": cookie, HEADER: sign("csrf", cookie), "HX-Request": "true", "Sec-Fetch-Site": "same-origin"}
    statuses, answered = Counter[int](), []
    with httpx.Client(base_url=web.url, headers=headers, timeout=60) as browser:
        page = browser.get(f"/projects/{project}/label")
        for _ in range(POSTS):
            found = _LEASE.search(page.text)
            assert found, page.text
            page = browser.post(
                f"/projects/{project}/label", data={"assignment_id": found[1], "answer": "left", "seconds": "3"}
            )
            statuses[page.status_code] += 1
            answered.append(int(found[1]))
    return statuses, answered


@pytest.mark.parametrize(("pool_mode", "size"), [("transaction", 5), ("session", 60)])
def test_many_people_label_at_once_behind_a_pooler(database: str, tmp_path: Path, pool_mode: str, size: int) -> None:
    with task_session() as session:
        project, _ = crowd(session, people=PEOPLE, questions=())
        number, tokens = project.id, [f"session {n}" for n in range(PEOPLE)]
        people = session.scalars(select(User).order_by(User.id.desc()).limit(PEOPLE)).all()
        for person, token in zip(people, tokens, strict=True):
            factories.web_session(session, person, token_hash=digest(token))
    with (
        pooler(database, tmp_path / "pgbouncer", pool_mode, f"default_pool_size = {size}") as url,
        Web(tmp_path / "web.log", DATABASE_URL=url, HONE_DATABASE_POOLER=pool_mode) as web,
        ThreadPoolExecutor(PEOPLE) as threads,
    ):
        assert web.client().get("/readyz").json() == {"status": "ready"}
        found = list(threads.map(lambda token: label(web, number, token), tokens))
        said = web.log.read_text()
    assert sum((statuses for statuses, _ in found), Counter()) == {200: PEOPLE * POSTS}
    answered = sorted(lease for _, leases in found for lease in leases)
    with task_session() as session:
        assert sorted(session.scalars(select(Label.assignment_id))) == answered
        assert len(answered) == len(set(answered))
        assert session.scalar(select(Assignment.id).where(Assignment.id == answered[-1]))
    assert "Traceback" not in said


def test_migrations_and_sweeps_work_behind_a_pooler(database: str, tmp_path: Path) -> None:
    engine = create_engine(database)
    with engine.begin() as connection:
        connection.execute(text("drop schema public cascade"))
        connection.execute(text("create schema public"))
    engine.dispose()
    with pooler(database, tmp_path / "pgbouncer", "transaction") as url, pytest.MonkeyPatch.context() as patch:
        patch.setenv("DATABASE_URL", url)
        patch.setenv("HONE_DATABASE_POOLER", "transaction")
        code = "from workers.platform.migrate import migrate; print(migrate())"
        command = [sys.executable, "-c", code]
        starts = [ended(subprocess.Popen(command, stdout=subprocess.PIPE, text=True)) for _ in range(3)]
        assert sorted(start.communicate(timeout=120)[0].strip() for start in starts) == ["False", "False", "True"]

        def swept() -> bool:
            with task_session() as session:
                return session.get_one(Scheduler, 1).swept_at is not None

        with scheduling(tmp_path / "log"):
            wait_for(swept)
        assert "Traceback" not in (tmp_path / "log").read_text()
        patch.undo()
        with task_session() as session:  # nothing of a session stayed in the pooler's connections
            assert session.scalar(text("select count(*) from pg_locks where locktype = 'advisory'")) == 0


@pytest.mark.parametrize("more", ["", "ignore_startup_parameters = options"])
@pytest.mark.parametrize("command", [["process", "web"], ["process", "scheduling"], ["users"]])
def test_a_pooler_without_the_setting_is_refused_with_a_sentence(
    database: str, tmp_path: Path, more: str, command: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with pooler(database, tmp_path / "pgbouncer", "transaction", more) as url:
        monkeypatch.setenv("DATABASE_URL", url)
        done = subprocess.run([*HONE, *command], capture_output=True, text=True, timeout=60)
    assert done.returncode == 2, done.stderr
    assert "leads to a pooler, such as PgBouncer. Set HONE_DATABASE_POOLER to its pool_mode" in done.stderr
    assert "Traceback" not in done.stderr
