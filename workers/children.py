"""The processes that `hone up` supervises, and how it keeps them running. Knows no database."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from app.settings import Settings
from workers.output import Console, pump
from workers.presence import gpus
from workers.processes import Ledger, signal_group, spawn
from workers.threads import threads_for

_HEALTHY_SECONDS = 60.0
_LONGEST_PAUSE = 30.0


@dataclass
class Child:
    """One supervised process: restarted when it dies, after 1, 2, 4 … 30 seconds; a minute of health resets that."""

    name: str
    command: Sequence[str]
    env: Mapping[str, str]
    process: subprocess.Popen[bytes] | None = None
    failures: int = 0
    started: float = 0.0
    due: float = 0.0

    def start(self, console: Console, ledger: Ledger, logs: Path) -> None:
        """Start it now."""
        # SIGTERM at our death: each of them ends its own children and gives its work back.
        self.process = spawn(
            self.command, env=self.env, output=subprocess.PIPE, at_parents_death=signal.SIGTERM
        )
        self.started = time.monotonic()
        ledger.add(self.process.pid)
        assert self.process.stdout is not None
        pump(self.name, self.process.stdout, console, logs)

    def ended(self, console: Console, ledger: Ledger) -> None:
        """It died: clear up its group and say when it starts again."""
        assert self.process is not None
        signal_group(self.process.pid, signal.SIGKILL)
        ledger.remove(self.process.pid)
        if time.monotonic() - self.started > _HEALTHY_SECONDS:
            self.failures = 0
        pause = min(2.0**self.failures, _LONGEST_PAUSE)
        self.failures += 1
        self.due = time.monotonic() + pause
        console.line(self.name, f"ended with status {self.process.returncode}; starts again in {pause:.0f} s")
        self.process = None


@dataclass
class Children:
    """All of them together."""

    children: list[Child]
    console: Console
    ledger: Ledger
    logs: Path
    _stopping: bool = field(default=False, init=False)

    def start(self) -> None:
        """Start all."""
        for child in self.children:
            child.start(self.console, self.ledger, self.logs)

    def tend(self) -> None:
        """Start again what died, when its pause is over."""
        for child in self.children:
            if child.process is not None and child.process.poll() is not None:
                child.ended(self.console, self.ledger)
            if child.process is None and time.monotonic() >= child.due:
                child.start(self.console, self.ledger, self.logs)

    def stop(self, grace: float) -> None:
        """End all: SIGTERM together, then SIGKILL to what is left of their groups. Called again, it kills at once."""
        alive = [child for child in self.children if child.process is not None]
        if not self._stopping:
            self._stopping = True
            for child in alive:
                assert child.process is not None
                signal_group(child.process.pid, signal.SIGTERM)
            deadline = time.monotonic() + grace
            while any(child.process and child.process.poll() is None for child in alive):
                if time.monotonic() > deadline:
                    late = ", ".join(c.name for c in alive if c.process and c.process.poll() is None)
                    self.console.say(f"still busy after {grace:.0f} s, killed: {late}")
                    break
                time.sleep(0.05)
        for child in alive:
            if child.process is not None:
                signal_group(child.process.pid, signal.SIGKILL)
                child.process.wait()
                self.ledger.remove(child.process.pid)


def wanted(settings: Settings) -> list[Child]:
    """The processes that this machine needs, with the environment of this process."""
    python = sys.executable
    celery = [python, "-m", "celery", "-A", "workers.celery_app", "worker", "--loglevel", settings.log_level,
              "--without-gossip", "--without-mingle", "--without-heartbeat"]  # fmt: skip
    env = dict(os.environ) | {"PYTHONUNBUFFERED": "1", "OMP_NUM_THREADS": "1"}

    def worker(queue: str, *more: str) -> Child:
        return Child(queue, [*celery, "--queues", queue, "--hostname", f"{queue}@%h", *more], env)

    web = [python, "-m", "uvicorn", "app.main:create_app", "--factory", "--host", settings.host,
           "--port", str(settings.port), "--log-level", settings.log_level, "--no-access-log",
           "--workers", str(settings.web_processes), "--timeout-graceful-shutdown", "5"]  # fmt: skip
    children = [
        Child("web", web, env),
        worker("scheduling", "--beat"),
        worker("sampling"),
        worker("training"),
    ]
    if gpus():
        children.append(worker("gpu"))
    if settings.inference_url is None:
        threads = {"OMP_NUM_THREADS": str(threads_for("serving")), "OMP_WAIT_POLICY": "PASSIVE"}
        children.append(Child("inference", [python, "-m", "workers.serving"], env | threads))
    return children
