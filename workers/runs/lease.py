"""What a worker tells its child of the claim, and how it ends the child when there is nothing good left to tell.

The child's own side of it is `rlhf.lease`.
"""

import os
import subprocess
from contextlib import suppress
from threading import Event, Thread
from types import TracebackType
from typing import Self

from rlhf.lease import VARIABLE, clock

ENVIRONMENT = {VARIABLE: "stdin"}


class Lease:
    """As a context manager around a child's life. The child has been started with its standard input as a pipe."""

    def __init__(self, child: "subprocess.Popen[bytes]", until: float) -> None:
        if child.stdin is None:
            raise ValueError("the child hears nothing")
        self._child, self._word = child, child.stdin.fileno()
        self._over = Event()
        self.expired = False  # the child was ended because the time was over
        os.set_blocking(self._word, False)
        self.renew(until)
        # A thread of its own: the one that beats may hang in a database that has gone silent.
        self._thread = Thread(target=self._watch, name="lease", daemon=True)

    def renew(self, until: float) -> None:
        """Let the child work until then, on `rlhf.lease.clock`."""
        self._until = until
        # A child that is stopped does not read, and the pipe fills up after an hour; one that has ended, never again.
        with suppress(BlockingIOError, BrokenPipeError):
            os.write(self._word, b"%f\n" % until)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()
        if self._child.stdin is not None:
            self._child.stdin.close()

    def _watch(self) -> None:
        while not self._over.wait(max(0.0, self._until - clock())):
            if clock() >= self._until:
                self.expired = True
                self._child.kill()
                return
