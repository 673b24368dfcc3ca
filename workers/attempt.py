"""One attempt at a run: its claim, its folder, its child processes, and the beat on its row while they work.

What a kind of run does is in sampling.py and training.py; the rules of runs are in app.runs.service.
"""

import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import Any

import yaml
from sqlalchemy.exc import OperationalError

from app.db import task_session
from app.models import RunState
from app.runs import service
from rlhf.runtime import WAITING
from workers.follow import last_error
from workers.processes import Ledger, spawn, stop

log = logging.getLogger(__name__)

BEAT_SECONDS = 1.0
SAVE_SECONDS = 25.0  # what a child may take to reach a step boundary and save, before it is killed
INTERRUPTED = 75


class Cancelled(Exception):
    """A person asked for it; the child has saved and ended."""


class Released(Exception):
    """The worker stops; the child has saved and ended, the run goes back to the queue."""


class ClaimLost(Exception):
    """The run was given to another worker; ours has ended its child and must write nothing more."""


class Failed(Exception):
    """The run failed; the message is a sentence for people."""


@dataclass(frozen=True)
class Progress:
    """News of a child since the last beat, as `app.runs.service.beat` takes it."""

    step: int | None = None
    total_steps: int | None = None
    unit: str | None = None
    steps_per_second: float | None = None
    metrics: tuple[tuple[str, int, float], ...] = ()
    samples: tuple[dict[str, Any], ...] = ()


class Attempt:
    """Holds the claim on one run."""

    def __init__(self, run_id: int, claim: str, stopping: Event) -> None:
        self.run_id, self.claim, self.stopping = run_id, claim, stopping
        self.folder = service.folder(run_id)
        self.log = self.folder / "log.txt"
        self._untold: Progress | None = None

    def call(self, command: list[str], settings: dict[str, Any], news: Callable[[], Progress], threads: int) -> None:
        """Run `python -m rlhf.<command>` with these settings to its end, beating every second.

        Returns when the child succeeded; raises Cancelled, Released, ClaimLost or Failed, and then the child is gone.
        """
        config = self.folder / "config.yaml"
        config.write_text(yaml.safe_dump(settings, allow_unicode=True, sort_keys=False), encoding="utf-8")
        module, *task = command
        arguments = [sys.executable, "-m", f"rlhf.{module}", *task, "--config", str(config)]
        ledger = Ledger(self.folder / "child.json")
        if ledger.end_leftovers():  # of an attempt whose worker was killed where the system does not end its children
            log.warning("run %d: ended a child that an earlier attempt left behind", self.run_id)
        with self.log.open("ab") as output:
            child = spawn(arguments, env=child_environment(threads), output=output)
        ledger.add(child.pid)
        try:
            self._watch(child, news)
        finally:
            stop(child, 0)
            ledger.remove(child.pid)
        self._tell_the_rest(news)
        self._judge(child.returncode)

    def _watch(self, child: "subprocess.Popen[bytes]", news: Callable[[], Progress]) -> None:
        while True:
            try:
                child.wait(BEAT_SECONDS)
                return
            except subprocess.TimeoutExpired:
                pass
            try:
                state = self._tell(news)
            except OperationalError as error:
                log.warning("run %d: the database is away, the child goes on: %s", self.run_id, error.orig)
                continue
            if state is RunState.CANCELLING:
                self._save(child)
                raise Cancelled
            if self.stopping.is_set():
                self._save(child)
                raise Released

    def _save(self, child: "subprocess.Popen[bytes]") -> None:
        """Ask the child to save and end, and go on beating meanwhile: a save may take longer than a heartbeat."""
        child.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + SAVE_SECONDS
        while child.poll() is None and time.monotonic() < deadline:
            try:
                child.wait(BEAT_SECONDS)
            except subprocess.TimeoutExpired:
                with suppress(OperationalError):
                    self._beat(Progress())
        if stop(child, 0) == 0:
            log.info("run %d: the child had finished before it could stop", self.run_id)

    def _tell(self, news: Callable[[], Progress]) -> RunState:
        """Beat with the news; what could not be told while the database was away is told first."""
        if self._untold is not None:
            self._beat(self._untold)
        self._untold = news()
        state = self._beat(self._untold)
        self._untold = None
        return state

    def _tell_the_rest(self, news: Callable[[], Progress]) -> None:
        """What the child wrote after the last look, trying for a minute while the database is away."""
        for remaining in range(12, -1, -1):
            try:
                self._tell(news)
                return
            except OperationalError:
                if not remaining:
                    raise
                time.sleep(5)

    def _beat(self, progress: Progress) -> RunState:
        with task_session() as session:
            state = service.beat(session, self.run_id, self.claim, **vars(progress))
        if state is None:
            raise ClaimLost
        return state

    def beat(self, progress: Progress | None = None) -> None:
        """Beat outside of a child's life. Raises as `call` does."""
        if self._beat(progress or Progress()) is RunState.CANCELLING:
            raise Cancelled
        if self.stopping.is_set():
            raise Released

    def _judge(self, status: int) -> None:
        if status == 0:
            return
        if status == INTERRUPTED:  # somebody sent the child a signal by hand
            raise Failed("The trainer was interrupted from outside; it saved its state. Resume goes on from there.")
        if status < 0:
            raise Failed(_killed(-status))
        raise Failed(last_error(self.log) or f"The trainer ended with status {status}; the log has its last words.")


def _killed(number: int) -> str:
    if number == signal.SIGKILL:
        return (
            "The trainer ran out of memory or was killed (signal 9). "
            "Lower the batch size or the length, or use a smaller model; then resume."
        )
    return f"The trainer was ended by signal {number} ({signal.Signals(number).name}); the log has its last words."


def child_environment(threads: int) -> dict[str, str]:
    """The environment of a learning process: no address or secret of the platform, as many threads as it may use."""
    secret = ("DATABASE_URL", "REDIS_URL", "HONE_SECRET_KEY", "HONE_INFERENCE_SECRET")
    kept = {name: value for name, value in os.environ.items() if name not in secret}
    return kept | WAITING | {"OMP_NUM_THREADS": str(threads), "PYTHONUNBUFFERED": "1"}


def prepare_folder(folder: Path) -> None:
    """Make a run's folder. Failed with a sentence where the store cannot be written."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Failed(
            f"The run's folder {folder} cannot be made: {error.strerror}. Free some space in the store."
        ) from None
