"""Hone from Python: every call of the JSON API by its name, and what takes several calls."""

import time
from collections.abc import Callable, Iterator
from typing import Self

from hone_client.errors import RunEnded, StillRunning
from hone_client.models import RunView
from hone_client.operations import Operations

ENDED = frozenset({"succeeded", "failed", "cancelled"})


class Client(Operations):
    """A client of one installation, as the person of a token:

        with Client("http://127.0.0.1:8000", token) as hone:
            for run in hone.list_runs(1, state="running"):
                print(run.id, run.step)

    Lists are read page by page as they are iterated over. What is refused raises `hone_client.Refused`.
    """

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def follow(self, run: RunView, *, every: float = 1.0, timeout: float | None = None) -> Iterator[RunView]:
        """The run as it is now, and again each time that something about it has changed, until it has ended. Asks
        `every` so many seconds; raises StillRunning after `timeout` seconds."""
        until = None if timeout is None else time.monotonic() + timeout
        seen: RunView | None = None
        while True:
            now = self.find_run(run.id)
            if now != seen:
                yield now
                seen = now
            if now.state in ENDED:
                return
            if until is not None and time.monotonic() > until:
                raise StillRunning(f"Run {run.id} is still {now.state} after {timeout:g} seconds.", now)
            time.sleep(every)

    def wait(
        self,
        run: RunView,
        *,
        progress: Callable[[RunView], None] | None = None,
        every: float = 1.0,
        timeout: float | None = None,
    ) -> RunView:
        """The run once it has succeeded; `progress` is called with each change. Raises RunEnded where it failed or was
        cancelled, StillRunning after `timeout` seconds."""
        for now in self.follow(run, every=every, timeout=timeout):
            run = now
            if progress is not None:
                progress(now)
        if run.state != "succeeded":
            raise RunEnded(f"Run {run.id} {_ended(run)}", run)
        return run


def _ended(run: RunView) -> str:
    return f"failed: {run.error}" if run.error else "was cancelled." if run.state == "cancelled" else "failed."
