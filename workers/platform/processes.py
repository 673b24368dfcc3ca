"""Child processes that end with their parent. Knows nothing of what they do."""

import ctypes
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO

import psutil

_LIBC = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None
_PR_SET_PDEATHSIG = 1


def spawn(
    command: Sequence[str],
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    output: int | IO[bytes] | None = None,
    input: int = subprocess.DEVNULL,
    at_parents_death: signal.Signals = signal.SIGKILL,
) -> subprocess.Popen[bytes]:
    """Start `command` in a process group of its own, so that a Ctrl-C at the terminal reaches only the parent.

    On Linux the child gets `at_parents_death` when the *thread* that called this ends, so call it from a thread that
    lives as long as the child should. Elsewhere `Ledger.end_leftovers` does that at the next start.
    """
    return subprocess.Popen(
        list(command),
        env=None if env is None else dict(env),
        cwd=cwd,
        stdin=input,
        stdout=output,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        preexec_fn=_tie_to_parent(at_parents_death),
    )


def _tie_to_parent(death_signal: signal.Signals) -> Callable[[], None] | None:
    if _LIBC is None:
        return None
    parent, prctl, number = os.getpid(), _LIBC.prctl, int(death_signal)

    def tie() -> None:  # between fork and exec: one system call, nothing that could need a lock
        prctl(_PR_SET_PDEATHSIG, number)
        if os.getppid() != parent:  # the parent died before the call
            os._exit(1)

    return tie


def stop(process: subprocess.Popen[bytes], grace: float, *, first: signal.Signals = signal.SIGTERM) -> int:
    """Ask the child's group to end, wait `grace` seconds, kill what is left of it; the child's exit status."""
    if process.poll() is None:
        signal_group(process.pid, first)
        with suppress(subprocess.TimeoutExpired):
            process.wait(grace)
    signal_group(process.pid, signal.SIGKILL)
    return process.wait()


def signal_group(pid: int, number: signal.Signals) -> None:
    """Send a signal to every process of the group; a group that is gone is fine."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)


class Ledger:
    """The children that were started, on disk, so that a later start can end those that outlived a `kill -9`.

    The folder may be shared: a child of another machine, or of another container, has a number that means nothing here.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._alive: dict[int, float] = {}

    def add(self, pid: int) -> None:
        """Remember a child by its number and the time it began: numbers are used again."""
        with suppress(psutil.NoSuchProcess):
            self._alive[pid] = born(pid)
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._write()

    def remove(self, pid: int) -> None:
        """Forget a child that has ended. A folder that is gone stays gone."""
        if self._alive.pop(pid, None) is not None:
            with suppress(FileNotFoundError):
                self._write()

    def end_leftovers(self, grace: float = 5.0) -> int:
        """End the recorded children that still live, with their groups; how many there were."""
        try:
            known = json.loads(self.path.read_text())
            recorded = {int(pid): float(began) for pid, began in known["alive"].items()}
            if known["machine"] != machine():
                return 0
        except (FileNotFoundError, ValueError, TypeError, KeyError, AttributeError):
            return 0
        left = [process for pid, began in recorded.items() if (process := find(pid, began))]
        for process in left:
            signal_group(process.pid, signal.SIGTERM)
        _, stubborn = psutil.wait_procs(left, timeout=grace)
        for process in stubborn:
            signal_group(process.pid, signal.SIGKILL)
        psutil.wait_procs(stubborn, timeout=grace)
        self.path.unlink(missing_ok=True)
        return len(left)

    def _write(self) -> None:
        beside = self.path.with_suffix(".new")
        beside.write_text(json.dumps({"machine": machine(), "alive": self._alive}))
        beside.replace(self.path)


def machine() -> str:
    """This machine from its start to its end, and the space in which its processes have our numbers."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return os.uname().nodename


def born(pid: int) -> float:
    """When a process began. On Linux in ticks since the machine was started, which no change of its clock moves."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except FileNotFoundError:
        return psutil.Process(pid).create_time()
    return float(stat.rpartition(b")")[2].split()[19])


def find(pid: int, began: float) -> psutil.Process | None:
    """The living process with this number that was `born` at this time."""
    try:
        process = psutil.Process(pid)
        return process if born(pid) == began and process.status() != psutil.STATUS_ZOMBIE else None
    except (psutil.NoSuchProcess, ProcessLookupError):
        return None
