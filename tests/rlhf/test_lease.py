"""Lent work ends by itself: when its time is over, when nobody is left who could prolong it, and after a pause."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from rlhf.lease import EXIT_NOT_HELD, clock
from tests.children import ended

# As a trainer: it computes, looks, and writes, fifty times a second.
WRITER = """
import sys, time
from rlhf import lease
lease.hold()
print("begun", flush=True)
while True:
    time.sleep(0.02)
    lease.check()
    with open(sys.argv[1], "a") as file:
        file.write("line\\n")
"""
# As one that is stuck in a long computation: only the thread is left to end it.
SLEEPER = 'from rlhf import lease; import time; lease.hold(); print("begun", flush=True); time.sleep(600)'


class Lent:
    """A process on lease, and the lines it has written."""

    def __init__(self, path: Path, code: str) -> None:
        self.path = path
        self.process = subprocess.Popen(
            [sys.executable, "-c", code, str(path)],
            env=os.environ | {"RLHF_LEASE": "stdin"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        ended(self.process)
        self.prolong(600)
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == b"begun\n"

    def prolong(self, seconds: float) -> None:
        """Vouch for it for so long from now on."""
        assert self.process.stdin is not None
        self.process.stdin.write(b"%f\n" % (clock() + seconds))
        self.process.stdin.flush()

    def lines(self) -> int:
        return self.path.stat().st_size // len("line\n") if self.path.exists() else 0

    def goes_on(self) -> bool:
        """Whether it writes more, within ten seconds."""
        before, deadline = self.lines(), time.monotonic() + 10
        while self.process.poll() is None and time.monotonic() < deadline:
            if self.lines() > before:
                return True
            time.sleep(0.02)
        return False


@pytest.fixture
def lent(tmp_path: Path) -> Iterator[Lent]:
    lent = Lent(tmp_path / "lines", WRITER)
    yield lent
    lent.process.kill()
    lent.process.wait()


def test_it_works_while_somebody_vouches_for_it_and_no_longer(lent: Lent) -> None:
    assert lent.goes_on()
    lent.prolong(0.5)
    lent.prolong(300)
    time.sleep(1)
    assert lent.goes_on()  # the newest word counts
    lent.prolong(0.2)
    assert lent.process.wait(10) == EXIT_NOT_HELD
    assert lent.process.stderr is not None
    assert lent.process.stderr.read().startswith(b"\nerror: nobody vouches")


def test_it_ends_with_whoever_lent_the_work(lent: Lent) -> None:
    assert lent.process.stdin is not None
    lent.process.stdin.close()
    assert lent.process.wait(10) == EXIT_NOT_HELD


def test_one_that_was_stopped_past_its_time_writes_nothing_when_it_wakes(lent: Lent) -> None:
    assert lent.goes_on()
    lent.process.send_signal(signal.SIGSTOP)
    os.waitpid(lent.process.pid, os.WUNTRACED)
    before = lent.lines()
    lent.prolong(0.5)
    time.sleep(1)
    lent.process.send_signal(signal.SIGCONT)
    assert lent.process.wait(10) == EXIT_NOT_HELD
    assert lent.lines() <= before + 1  # it may have looked before it was stopped


def test_one_that_was_stopped_while_others_vouched_for_it_goes_on(lent: Lent) -> None:
    lent.prolong(0.5)
    lent.process.send_signal(signal.SIGSTOP)
    for _ in range(10):
        lent.prolong(60)
        time.sleep(0.1)
    lent.process.send_signal(signal.SIGCONT)
    assert lent.goes_on()


def test_one_that_computes_for_long_ends_in_the_midst_of_it(tmp_path: Path) -> None:
    lent = Lent(tmp_path / "lines", SLEEPER)
    lent.prolong(0.2)
    assert lent.process.wait(10) == EXIT_NOT_HELD


def test_a_command_that_nobody_has_lent_reads_nothing() -> None:
    code = "from rlhf import lease; lease.hold(); lease.check(); print('done')"
    done = subprocess.run([sys.executable, "-c", code], stdin=subprocess.DEVNULL, capture_output=True, text=True)
    assert done.stdout == "done\n", done.stderr
