"""Celery's beat, doing what is due itself: one process, no child, and nothing that waits for the broker."""

import atexit
from typing import Any

from celery import signals
from celery.beat import Scheduler


class Clock(Scheduler):
    """The sweep is for when messages get lost, so that it must not itself be one; nor should a `kill -9` leave a beat
    behind, as it does of a worker with `--beat`."""

    producer = None  # type: ignore[assignment]  # nothing is sent

    def apply_async(self, entry: Any, producer: Any = None, advance: bool = True, **_: Any) -> None:
        """Carry out a due task, here and now."""
        entry = self.reserve(entry) if advance else entry
        self.app.tasks[entry.task].run(*entry.args or (), **entry.kwargs or {})


@signals.beat_init.connect
def _see_to_the_end(**_: Any) -> None:
    from workers.runs.scheduling import give_back

    atexit.register(give_back)
