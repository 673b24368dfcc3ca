"""Children end with their parent, and groups end whole."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from workers.processes import Ledger, find, spawn, stop

SLEEP = [sys.executable, "-c", "import time; time.sleep(60)"]


def _gone(pid: int, seconds: float = 5.0) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
                return True
        except psutil.NoSuchProcess:
            return True
        time.sleep(0.02)
    return False


@pytest.mark.skipif(sys.platform != "linux", reason="the system ends the children of the dead on Linux only")
def test_a_child_dies_with_a_parent_that_is_killed() -> None:
    code = f"from workers.processes import spawn; import time; print(spawn({SLEEP!r}).pid, flush=True); time.sleep(60)"
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    assert psutil.pid_exists(child)
    parent.kill()
    parent.wait()
    assert _gone(child)


def test_stop_kills_a_child_that_ignores_the_signal_and_its_own_children() -> None:
    code = (
        "import signal, subprocess, sys, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
        f"print(subprocess.Popen({SLEEP!r}).pid, flush=True); time.sleep(60)"
    )
    child = spawn([sys.executable, "-c", code], output=subprocess.PIPE)
    assert child.stdout is not None
    grandchild = int(child.stdout.readline())
    began = time.monotonic()
    assert stop(child, 0.3) == -signal.SIGKILL
    assert time.monotonic() - began < 3
    assert _gone(grandchild)


def test_the_ledger_ends_what_an_earlier_start_left_and_nothing_else(tmp_path: Path) -> None:
    left, foreign = (subprocess.Popen(SLEEP, start_new_session=True) for _ in range(2))
    try:
        ledger = Ledger(tmp_path / "processes.json")
        ledger.add(left.pid)
        # the number of a process that ended long ago, now somebody else's
        ledger.path.write_text(ledger.path.read_text().replace("}", f', "{foreign.pid}": 1.0}}'))
        assert Ledger(ledger.path).end_leftovers() == 1
        assert _gone(left.pid)
        assert foreign.poll() is None
        assert not ledger.path.exists()
    finally:
        for process in (left, foreign):
            process.kill()
            process.wait()


def test_a_broken_ledger_is_no_reason_to_stop(tmp_path: Path) -> None:
    path = tmp_path / "processes.json"
    path.write_text('{"12')
    assert Ledger(path).end_leftovers() == 0


def test_find_wants_number_and_birth() -> None:
    born = psutil.Process().create_time()
    assert find(os.getpid(), born) is not None
    assert find(os.getpid(), born - 10) is None
