"""What happens by itself goes on: a killed scheduling process leaves nothing behind and is named, another takes over,
and a database that is away is told in a line."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import psutil
import pytest
import redis
from sqlalchemy import func, make_url

from app.db import task_session
from app.models import Run, RunState, Scheduler
from app.web import health, presence
from tests import factories
from tests.alerts import firing, scrape
from tests.faults.proxy import Proxy
from workers.platform.doctor import examine
from workers.runs.leading import LEASE

HONE = [sys.executable, "-c", "from workers.cli.main import main; main()"]


@contextmanager
def scheduling(log: Path, **environment: str) -> Iterator["subprocess.Popen[bytes]"]:
    """`hone process scheduling`, by itself."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*HONE, "process", "scheduling"], env=os.environ | environment, stdout=output, stderr=subprocess.STDOUT
        )
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            process.send_signal(signal.SIGCONT)
            process.kill()
        process.wait()


def wait_for(condition: Callable[[], Any], seconds: float = 60) -> float:
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < seconds
        time.sleep(0.1)
    return time.monotonic() - began


def row() -> Scheduler:
    with task_session() as session:
        return session.get_one(Scheduler, 1)


def well() -> bool:
    return health.check()["scheduling"].ok


def test_a_killed_scheduling_process_leaves_nothing_and_is_named(database: str, redis_url: str, tmp_path: Path) -> None:
    with redis.Redis.from_url(redis_url) as client:
        about = {"queues": ["sampling", "training"], "device": "CPU"}
        client.set("hone:worker:one", json.dumps(about), ex=presence.KEPT)
    with scheduling(tmp_path / "log") as process:
        wait_for(well)
        assert [finding.well for finding in examine() if finding.subject == "scheduling"] == [True]
        scrapes = [scrape()]
        assert firing(scrapes, tmp_path).isdisjoint({"HoneNoSweep", "HonePartDown"})
        family = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
        process.kill()
        process.wait()
        _, alive = psutil.wait_procs(family, timeout=10)
        assert alive == []
        named = wait_for(lambda: not well(), 30)
        assert named < 30
        assert {"HoneNoSweep", "HonePartDown"} <= firing([*scrapes, scrape()], tmp_path, lasting=65)
        [finding] = [finding for finding in examine() if finding.subject == "scheduling"]
        assert not finding.well
        assert "no scheduling process runs" in finding.says
        assert "hone process scheduling" in finding.says


@pytest.mark.parametrize("blow", [signal.SIGKILL, signal.SIGSTOP, signal.SIGTERM])
def test_of_two_one_leads_and_the_other_takes_over(database: str, tmp_path: Path, blow: signal.Signals) -> None:
    with scheduling(tmp_path / "one") as first:
        wait_for(well)
        leader = row().leader
        assert leader is not None
        assert f":{first.pid}:" in leader
        with scheduling(tmp_path / "two") as second:
            swept = row().swept_at
            wait_for(lambda: (row().swept_at or swept) > swept)
            wait_for(lambda: "another process leads" in (tmp_path / "two").read_text())
            assert row().leader == leader
            first.send_signal(blow)
            took = wait_for(lambda: row().leader != leader, 60)
            assert f":{second.pid}:" in str(row().leader)
            assert took < (6 if blow is signal.SIGTERM else LEASE + 6)
            before = row().swept_at
            wait_for(lambda: row().swept_at != before)
            if blow is signal.SIGSTOP:  # one that wakes up finds that it does not lead any more
                first.send_signal(signal.SIGCONT)
                wait_for(lambda: "another process leads" in (tmp_path / "one").read_text())
                assert f":{second.pid}:" in str(row().leader)


def test_it_works_without_the_queue_and_takes_runs_from_the_dead(database: str, tmp_path: Path) -> None:
    with task_session() as session:
        long_ago = func.clock_timestamp() - timedelta(minutes=1)
        run = factories.run(
            session, factories.project(session), state=RunState.RUNNING, claim="c", heartbeat_at=long_ago
        )
        number = run.id
    assert "HoneRunSilent" in firing([scrape()], tmp_path, lasting=30)

    def state() -> RunState:
        with task_session() as session:
            return session.get_one(Run, number).state

    with scheduling(tmp_path / "log", REDIS_URL="redis://127.0.0.1:1/0"):
        wait_for(lambda: state() is RunState.QUEUED)
        wait_for(lambda: "the queue does not answer" in (tmp_path / "log").read_text())
    assert "HoneRunSilent" not in firing([scrape()], tmp_path, lasting=30)
    said = (tmp_path / "log").read_text()
    assert said.count("the queue does not answer") == 1
    assert "Traceback" not in said


@pytest.mark.parametrize("how", ["refused", "silent"])
def test_a_database_that_is_away_is_told_once_and_so_is_its_return(database: str, tmp_path: Path, how: str) -> None:
    given = make_url(database)
    log = tmp_path / "log"
    with Proxy(os.path.join(str(given.query["host"]), ".s.PGSQL.5432")) as proxy:
        url = f"postgresql://postgres@127.0.0.1:{proxy.port}/{given.database}"
        with scheduling(log, DATABASE_URL=url):
            wait_for(well)
            if how == "refused":
                proxy.refuse()
                proxy.cut()
            else:
                proxy.freeze()
            wait_for(lambda: "the database is away" in log.read_text())
            time.sleep(16)  # three sweeps
            proxy.thaw()
            proxy.accept()
            assert wait_for(lambda: "the database is back" in log.read_text()) < 20
            wait_for(well)
    said = log.read_text()
    assert said.count("the database is away") == 1
    assert "Traceback" not in said
    lines = [line for line in said.splitlines() if "WARNING" in line or "ERROR" in line]
    assert len(lines) <= 4, said  # away and back; where it is silent, the connections say that too
