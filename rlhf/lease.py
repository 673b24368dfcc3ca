"""Work that is lent: a process that ends by itself once nobody vouches for it any more.

Whoever starts a command with RLHF_LEASE=stdin writes lines to its standard input, each one number: the time on
`clock()`, in seconds, until which the command may work. The process ends at once, with status 76, when that time is
over or the input ends. It looks again before each write that others read (`check`), so that one that was stopped for a
while writes nothing when it wakes. Without the variable nothing here does anything.
"""

import os
import select
import sys
import threading
import time
from typing import NoReturn

EXIT_NOT_HELD = 76
VARIABLE = "RLHF_LEASE"
_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def clock() -> float:
    """Seconds since the machine was started, the same in all its processes: goes on while a process or the machine
    sleeps, and nobody sets it."""
    return time.clock_gettime(_CLOCK)


class _Lease:
    """Reads the newest word from a file descriptor, whoever asks first: the thread that watches, or a write."""

    def __init__(self, source: int) -> None:
        self._source, self._rest, self._until = source, b"", 0.0
        self._lock = threading.Lock()
        self._read()  # the first word, for which it waits

    def watch(self) -> None:
        """End the process when the time is over."""
        while not self.over():
            select.select([self._source], [], [], max(0.0, self._until - clock()))
        _end()

    def over(self) -> bool:
        """Whether the time is over, or nobody is left who could prolong it."""
        with self._lock:
            while select.select([self._source], [], [], 0)[0]:
                if not self._read():
                    return True
            return clock() >= self._until

    def _read(self) -> bool:
        data = os.read(self._source, 65_536)
        *lines, self._rest = (self._rest + data).split(b"\n")
        if lines:
            self._until = float(lines[-1])
        return bool(data)


_lease: _Lease | None = None


def hold() -> None:
    """Begin to watch, where the environment says that the work is lent."""
    global _lease
    if os.environ.get(VARIABLE) == "stdin":
        _lease = _Lease(sys.stdin.fileno())
        threading.Thread(target=_lease.watch, name="lease", daemon=True).start()


def check() -> None:
    """Return where the work may go on; end the process where it may not, with nothing more written."""
    if _lease is not None and _lease.over():
        _end()


def _end() -> NoReturn:
    os.write(2, b"\nerror: nobody vouches for this process any more, so it ends without another write\n")
    os._exit(EXIT_NOT_HELD)  # no buffer is flushed, no handler runs
