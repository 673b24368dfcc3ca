"""Celery's beat, doing what is due itself: one process, no child, and nothing that waits for the broker."""

import atexit
import threading
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
def _begin(**_: Any) -> None:
    from rlhf.runtime import keep_no_memory
    from workers.heads.keeper import keep
    from workers.runs.celery_app import set_modules_aside
    from workers.runs.scheduling import give_back, leads

    atexit.register(give_back)
    set_modules_aside()
    keep_no_memory()  # heads that begin anew left some MB in holes
    # Beside the sweeps, which may take their time; numpy alone, and it stops with the process.
    threading.Thread(target=keep, args=(leads, threading.Event()), name="heads", daemon=True).start()
