"""How work that a worker does itself tells its run's row how far it is, and stays alive there meanwhile."""

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Event, Thread

from workers.runs.attempt import AWAY, Attempt, ClaimLost, Progress
from workers.runs.deadlines import BEAT_SECONDS


class Telling:
    """Tells the run's row once a second how far the work is and how fast it goes; raises where it is to stop."""

    def __init__(self, attempt: Attempt) -> None:
        self._attempt = attempt
        self._since = self._told = time.monotonic()
        self._first, self._unit = 0, ""

    def __call__(self, done: int, total: int | None, unit: str) -> None:
        now = time.monotonic()
        if unit != self._unit:
            self._since, self._first, self._unit = now, done, unit
        if now - self._told < BEAT_SECONDS and done != total:
            return
        self._told = now
        rate = (done - self._first) / (now - self._since) if done > self._first else None
        self._attempt.beat(Progress(done, total, unit, rate))

    def quietly(self, done: int, total: int | None, unit: str) -> None:
        """Goes on whatever was asked: what was begun to be taken out is taken out."""


@contextmanager
def beating(attempt: Attempt) -> Iterator[None]:
    """Beats meanwhile: to find the place where an earlier attempt ended may take longer than a claim holds without a
    word."""
    ended = Event()

    def beat() -> None:
        while not ended.wait(BEAT_SECONDS):
            with suppress(*AWAY):
                try:
                    attempt.keep_alive()
                except ClaimLost:
                    return  # what is written next finds out

    thread = Thread(target=beat, name=f"beat-{attempt.run_id}", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
