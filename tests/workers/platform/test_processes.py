"""Children end with their parent, and groups end whole."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from tests.children import ended
from workers.platform.processes import Ledger, born, find, spawn, stop

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
    code = (
        "import time; from workers.platform.processes import spawn; "
        f"print(spawn({SLEEP!r}).pid, flush=True); time.sleep(60)"
    )
    parent = ended(subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True))
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
    child = ended(spawn([sys.executable, "-c", code], output=subprocess.PIPE))
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
        known = json.loads(ledger.path.read_text())
        ledger.path.write_text(json.dumps(known | {"alive": known["alive"] | {str(foreign.pid): 1.0}}))
        assert Ledger(ledger.path).end_leftovers() == 1
        assert _gone(left.pid)
        assert foreign.poll() is None
        assert not ledger.path.exists()
    finally:
        for process in (left, foreign):
            process.kill()
            process.wait()


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere there are no such spaces of numbers")
def test_a_ledger_of_another_machine_or_container_or_of_a_time_before_the_last_start_ends_nothing(
    tmp_path: Path,
) -> None:
    """A store that is shared: there the number, and the moment since the start, may be those of one of ours."""
    child = ended(subprocess.Popen(SLEEP, start_new_session=True))
    try:
        ledger = Ledger(tmp_path / "processes.json")
        ledger.add(child.pid)
        known = json.loads(ledger.path.read_text())
        boot, space = known["machine"].split()
        for machine in (f"another-boot {space}", f"{boot} pid:[1]", ""):
            ledger.path.write_text(json.dumps(known | {"machine": machine}))
            assert Ledger(ledger.path).end_leftovers() == 0
            assert child.poll() is None
        ledger.path.write_text(json.dumps(known))
        assert Ledger(ledger.path).end_leftovers(grace=0) == 1
    finally:
        child.kill()
        child.wait()


def test_a_child_that_is_stopped_is_ended_as_well(tmp_path: Path) -> None:
    child = ended(subprocess.Popen(SLEEP, start_new_session=True))
    ledger = Ledger(tmp_path / "processes.json")
    ledger.add(child.pid)
    child.send_signal(signal.SIGSTOP)
    assert Ledger(ledger.path).end_leftovers(grace=0) == 1
    assert child.wait(10) == -signal.SIGKILL


def test_a_folder_that_is_gone_stays_gone(tmp_path: Path) -> None:
    """That of an attempt which has lost its claim: its successor has deleted it."""
    child = ended(subprocess.Popen(SLEEP))
    ledger = Ledger(tmp_path / "attempt" / "child.json")
    ledger.add(child.pid)
    shutil.rmtree(tmp_path / "attempt")
    child.kill()
    child.wait()
    ledger.remove(child.pid)
    assert not (tmp_path / "attempt").exists()


def test_a_broken_ledger_is_no_reason_to_stop(tmp_path: Path) -> None:
    path = tmp_path / "processes.json"
    for text in ('{"12', "[]", '{"alive": [1]}', '{"machine": 1, "alive": {"1": "x"}}', '{"1": 2.0}'):
        path.write_text(text)
        assert Ledger(path).end_leftovers() == 0


def test_find_wants_number_and_birth() -> None:
    assert find(os.getpid(), born(os.getpid())) is not None
    assert find(os.getpid(), born(os.getpid()) - 1) is None
