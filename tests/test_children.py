"""No process outlives the test that started it."""

import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests import children
from tests.faults.web import Web


def test_what_a_test_started_is_ended_and_waited_for() -> None:
    process = children.ended(subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE))
    children.end_all()
    assert process.returncode is not None
    assert not psutil.pid_exists(process.pid), "nor is it in the system's list"


def test_a_web_process_that_does_not_come_up_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    web = Web(tmp_path / "log")

    def never(*_: object) -> float:
        raise AssertionError("not within 60 s")

    monkeypatch.setattr(web, "wait_for", never)
    with pytest.raises(AssertionError, match="not within"), web:
        pass
    assert not psutil.pid_exists(web.process.pid)
