"""Nobody's silence counts right after the database was away or its clock was set."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.engine import make_url

from app import db, settings
from app.db import task_session
from app.models import Run, RunState
from tests import factories
from tests.faults.proxy import Proxy
from workers.runs import patience, scheduling
from workers.runs.leading import Lease
from workers.runs.patience import Patience


@pytest.fixture
def way(database: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    """The way of this process to its database."""
    given = make_url(database)
    with Proxy(f"{given.query['host']}/.s.PGSQL.{given.port or 5432}") as proxy:
        url = given.set(host="127.0.0.1", port=proxy.port, query={})
        monkeypatch.setenv("DATABASE_URL", url.render_as_string(hide_password=False))
        for cache in (settings.get_settings, db.get_engine):
            cache.cache_clear()
        monkeypatch.setattr(scheduling, "_lease", Lease())
        monkeypatch.setattr(scheduling, "_patience", Patience())
        monkeypatch.setattr(scheduling, "_away", False)
        yield proxy
        db.get_engine().dispose()


def silent_run() -> int:
    """A run whose worker has said nothing for a minute."""
    with task_session() as session:
        run = factories.run(session, factories.project(session), state=RunState.RUNNING, claim="c", attempt=1)
        session.execute(text("update run set heartbeat_at = now() - interval '1 minute'"))
        return int(run.id)


def state(run_id: int) -> RunState:
    with task_session() as session:
        return session.get_one(Run, run_id).state


def test_a_database_that_comes_back_is_no_reason_to_take_everybodys_run(
    way: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = silent_run()
    scheduling.sweep()
    assert state(run_id) is RunState.QUEUED  # usually at once

    run_id = silent_run()
    way.refuse()
    way.cut()
    scheduling.sweep()
    way.accept()
    for _ in range(2):
        scheduling.sweep()
        assert state(run_id) is RunState.RUNNING  # its worker was as cut off as we were
    later = patience.clock() + 15.1
    monkeypatch.setattr(patience, "clock", lambda: later)
    monkeypatch.setattr(scheduling._patience, "_last", None)
    scheduling.sweep()
    assert state(run_id) is RunState.QUEUED


@pytest.mark.parametrize("jump", [timedelta(hours=1), timedelta(seconds=-20)])
def test_a_clock_that_is_set_makes_nobody_silent(database: str, jump: timedelta) -> None:
    judge = Patience()
    with task_session() as session:
        assert judge.over(session)
        assert judge.over(session)
        assert judge._last is not None
        ours, theirs = judge._last
        judge._last = (ours, theirs - jump.total_seconds())
        assert not judge.over(session)
        assert not judge.over(session)
