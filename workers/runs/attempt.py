"""One attempt at a run: its claim, its folder, its child processes, and the beat on its row while they work.

What a kind of run does is in sampling.py and training.py; the rules of runs are in app.runs.service, and how long a
claim holds without a word in deadlines.py.
"""

import json
import logging
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import Any, TypeVar

import yaml
from sqlalchemy import text
from sqlalchemy.exc import InterfaceError, InternalError, OperationalError
from sqlalchemy.orm import Session

from app import logs
from app.db import task_session
from app.models import Run, RunState
from app.runs import folders, work
from app.settings import get_settings
from rlhf import log_lines
from rlhf.config import EXIT_BUSY, EXIT_INTERRUPTED
from rlhf.lease import EXIT_NOT_HELD, clock
from rlhf.runtime import WAITING
from workers.platform.processes import Ledger, spawn, stop
from workers.runs import workspace
from workers.runs.deadlines import BEAT_SECONDS, LEASE_SECONDS
from workers.runs.follow import last_error
from workers.runs.lease import ENVIRONMENT, Lease

log = logging.getLogger(__name__)
T = TypeVar("T")

SAVE_SECONDS = 25.0  # what a child may take to reach a step boundary and save, before it is killed
AWAY = (OperationalError, InterfaceError, InternalError)  # by which we learn that the database is away, or was
AGAIN_SECONDS = 5.0
BUSY = "another process is still at work in its folder"


class Cancelled(Exception):
    """A person asked for it; the child has saved and ended."""


class Released(Exception):
    """The run goes back to the queue, and the message says why; the child is gone. `later`: nobody can go on now."""

    def __init__(self, why: str, later: bool = False) -> None:
        super().__init__(why)
        self.later = later


class ClaimLost(Exception):
    """The run was given to another worker; ours has ended its child and must write nothing more."""


class Failed(Exception):
    """The run failed; the message is a sentence for people."""


@dataclass(frozen=True)
class Progress:
    """News of a child since the last beat, as `app.runs.work.beat` takes it."""

    step: int | None = None
    total_steps: int | None = None
    unit: str | None = None
    steps_per_second: float | None = None
    metrics: tuple[tuple[str, int, float], ...] = ()
    samples: tuple[dict[str, Any], ...] = ()


@contextmanager
def brief_session() -> Iterator[Session]:
    """A transaction on a run's row. Should we be cut off or stopped in the midst of it, the database ends it once our
    claim is worth nothing: the locks it holds would keep everybody else from the run."""
    with task_session() as session:
        session.execute(text(f"set local idle_in_transaction_session_timeout = '{LEASE_SECONDS:.0f}s'"))
        yield session


class Attempt:
    """Holds the claim on one run, which was got at the time `since` of `rlhf.lease.clock` or later."""

    def __init__(self, run: Run, stopping: Event, since: float) -> None:
        if run.claim is None:
            raise ValueError("nobody holds this run")
        self.run_id, self.claim, self.stopping = run.id, run.claim, stopping
        self.name = f"{workspace.PREFIX}{run.attempt}-{self.claim[:8]}"
        self.folder = folders.folder(run.id) / self.name
        self.log = self.folder / "log.txt"
        self._left = folders.workspace(run)
        self._until = since + LEASE_SECONDS  # our child may work, by the last beat that was acknowledged
        self._lease: Lease | None = None
        self._untold: Progress | None = None

    def begin(self) -> None:
        """Make this attempt's folder from what the last one left, and have the run's row name it.

        Raises Released, ClaimLost, Cancelled, and OSError where the store cannot be written; then there is no folder.
        """
        if Ledger(self._left / "child.json").end_leftovers(grace=0):  # its worker is stopped, or was killed
            log.warning("run %d: ended a child that an earlier attempt left behind", self.run_id)
        # An attempt of an earlier version works in the run's folder itself, and its child ends by no deadline.
        if self._left == folders.folder(self.run_id) and workspace.locked(self._left):
            raise Released(BUSY, later=True)
        try:
            workspace.make(self._left, self.folder, self.keep_alive)
        except workspace.Changing:
            raise Released(BUSY, later=True) from None
        try:
            with brief_session() as session:
                moved = work.move(session, self.run_id, self.claim, self.name)
            if moved is None:
                raise ClaimLost
        except ClaimLost:
            shutil.rmtree(self.folder, ignore_errors=True)
            raise
        if self._left != folders.folder(self.run_id):
            shutil.rmtree(self._left, ignore_errors=True)  # all of it is in our folder; nobody will look there again

    @contextmanager
    def writing(self) -> Iterator[tuple[Session, Run]]:
        """A transaction that is committed only if the claim holds then: for what is kept beside the run's row."""
        with brief_session() as session:
            yield session, session.get_one(Run, self.run_id)
            session.flush()
            if work.hold(session, self.run_id, self.claim) is None:
                raise ClaimLost

    def call(
        self, command: Sequence[str], settings: dict[str, Any], news: Callable[[], Progress], threads: int
    ) -> None:
        """Run `python -m <command>` with these settings to its end, beating every second.

        Returns when the child succeeded; raises Cancelled, Released, ClaimLost or Failed, and then the child is gone.
        """
        config = self.folder / "config.yaml"
        config.write_text(yaml.safe_dump(settings, allow_unicode=True, sort_keys=False), encoding="utf-8")
        arguments = [sys.executable, "-m", *command, "--config", str(config)]
        ledger = Ledger(self.folder / "child.json")
        self.beat()  # what came before may have taken its time
        with self.log.open("ab") as output:
            began = output.tell()
            environment = child_environment(threads) | ENVIRONMENT
            child = spawn(arguments, env=environment, output=output, input=subprocess.PIPE)
        ledger.add(child.pid)
        with Lease(child, self._until) as lease:
            self._lease = lease
            try:
                self._watch(child, news)
            finally:
                self._lease = None
                stop(child, 0)
                ledger.remove(child.pid)
        if lease.expired or child.returncode == EXIT_NOT_HELD:
            raise Released(f"the database did not answer for {LEASE_SECONDS:.0f} s, or this worker was stopped")
        if child.returncode == EXIT_BUSY:
            raise Released(BUSY, later=True)
        self.insist(lambda: self._tell(news))  # what it wrote after the last look
        self._judge(child.returncode, began)

    def _watch(self, child: "subprocess.Popen[bytes]", news: Callable[[], Progress]) -> None:
        while True:
            try:
                child.wait(BEAT_SECONDS)
                return
            except subprocess.TimeoutExpired:
                pass
            try:
                state = self._tell(news)
            except AWAY as error:
                log.warning("run %d: the database is away, the child goes on for now: %s", self.run_id, error.orig)
                continue
            if state is RunState.CANCELLING:
                self._save(child)
                raise Cancelled
            if self.stopping.is_set():
                self._save(child)
                raise Released("this worker stops")

    def _save(self, child: "subprocess.Popen[bytes]") -> None:
        """Ask the child to save and end, and go on beating meanwhile: a save may take longer than a heartbeat."""
        child.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + SAVE_SECONDS
        while child.poll() is None and time.monotonic() < deadline:
            try:
                child.wait(BEAT_SECONDS)
            except subprocess.TimeoutExpired:
                with suppress(*AWAY):
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

    def insist(self, write: Callable[[], T]) -> T:
        """Write, and try again while the database is away: without it this worker could do nothing else."""
        while True:
            try:
                return write()
            except AWAY as error:
                if self.stopping.is_set():  # its silence gives the run to another worker
                    raise
                log.warning("run %d: the database is away, what is to be written is kept: %s", self.run_id, error.orig)
                self.stopping.wait(AGAIN_SECONDS)

    def _beat(self, progress: Progress) -> RunState:
        sent = clock()
        with brief_session() as session:
            state = work.beat(session, self.run_id, self.claim, **vars(progress))
        if state is None:
            raise ClaimLost
        self._until = sent + LEASE_SECONDS
        if self._lease is not None:
            self._lease.renew(self._until)
        return state

    def keep_alive(self) -> None:
        """Call this now and then during work that may take long; it beats when that is due. Raises ClaimLost."""
        if clock() >= self._until - LEASE_SECONDS + BEAT_SECONDS:
            self._beat(Progress())

    @property
    def holds(self) -> bool:
        """Whether the claim is ours still, by the last beat that was acknowledged."""
        return clock() < self._until

    def beat(self, progress: Progress | None = None) -> None:
        """Beat outside of a child's life. Raises as `call` does."""
        if self._beat(progress or Progress()) is RunState.CANCELLING:
            raise Cancelled
        if self.stopping.is_set():
            raise Released("this worker stops")

    def publish(self, made: Path, final: Path) -> None:
        """Put a model that the child has made to where the registry and the inference server look."""
        workspace.copy_model(made, final, self.keep_alive)

    def _judge(self, status: int, began: int) -> None:
        """Raise Failed unless the status is good. `began`: where in the log this child's part begins."""
        if status == 0:
            return
        if status == EXIT_INTERRUPTED:  # somebody sent the child a signal by hand
            raise Failed("The trainer was interrupted from outside; it saved its state. Resume goes on from there.")
        if status < 0:
            raise Failed(_killed(-status))
        said = last_error(self.log, began)
        raise Failed(said or f"The trainer ended with status {status}; the log has its last words.")


def _killed(number: int) -> str:
    if number == signal.SIGKILL:
        return (
            "The trainer ran out of memory or was killed (signal 9). "
            "Lower the batch size or the length, or use a smaller model; then resume."
        )
    return f"The trainer was ended by signal {number} ({signal.Signals(number).name}); the log has its last words."


def child_environment(threads: int) -> dict[str, str]:
    """The environment of a learning process: no address or secret of the platform, as many threads as it may use, the
    extensions as this process knows them. Settings may be spelt in small letters too."""
    secret = ("DATABASE_URL", "REDIS_URL", "HONE_SECRET_KEY", "HONE_INFERENCE_SECRET", "HONE_ENDPOINT_KEYS")
    kept = {name: value for name, value in os.environ.items() if name.upper() not in secret}
    if get_settings().log_format == "json":
        kept[log_lines.VARIABLE] = json.dumps({"logger": "trainer", **logs.ids()})
    ours = {"OMP_NUM_THREADS": str(threads), "PYTHONUNBUFFERED": "1", "HONE_EXTENSIONS": get_settings().extensions}
    return kept | WAITING | ours
