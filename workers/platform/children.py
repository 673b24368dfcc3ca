"""The processes that `hone up` supervises, and how it keeps them running. Knows no database."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from app.settings import Settings, get_settings
from rlhf.runtime import WAITING
from workers.platform.output import Console, pump
from workers.platform.processes import Ledger, signal_group, spawn
from workers.runs.presence import gpus
from workers.runs.threads import threads_for

_HEALTHY_SECONDS = 60.0
_LONGEST_PAUSE = 30.0
_WEB_LOGS = Path(__file__).with_name("web_logs.json")


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
        process = spawn(self.command, env=self.env, output=subprocess.PIPE, at_parents_death=signal.SIGTERM)
        self.process, self.started = process, time.monotonic()
        ledger.add(process.pid)
        if process.stdout:
            pump(self.name, process.stdout, console, logs)

    def tend(self, console: Console, ledger: Ledger, logs: Path) -> None:
        """Start it again when it has died and its pause is over."""
        if self.process is not None and self.process.poll() is not None:
            self._ended(self.process, console, ledger)
        if self.process is None and time.monotonic() >= self.due:
            self.start(console, ledger, logs)

    def _ended(self, process: subprocess.Popen[bytes], console: Console, ledger: Ledger) -> None:
        signal_group(process.pid, signal.SIGKILL)  # what it left of its own children
        ledger.remove(process.pid)
        if time.monotonic() - self.started > _HEALTHY_SECONDS:
            self.failures = 0
        pause = min(2.0**self.failures, _LONGEST_PAUSE)
        self.failures += 1
        self.due = time.monotonic() + pause
        console.line(self.name, f"ended with status {process.returncode}; starts again in {pause:.0f} s")
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
        """Start again what died."""
        for child in self.children:
            child.tend(self.console, self.ledger, self.logs)

    def stop(self, grace: float) -> None:
        """End all: SIGTERM together, then SIGKILL to what is left of their groups. Called again, it kills at once."""
        alive = {child.name: child.process for child in self.children if child.process is not None}
        if not self._stopping:
            self._stopping = True
            for process in alive.values():
                signal_group(process.pid, signal.SIGTERM)
            deadline = time.monotonic() + grace
            while late := [name for name, process in alive.items() if process.poll() is None]:
                if time.monotonic() > deadline:
                    if grace:
                        self.console.say(f"killed, since still busy: {', '.join(late)}")
                    break
                time.sleep(0.05)
        for process in alive.values():
            signal_group(process.pid, signal.SIGKILL)
            process.wait()
            self.ledger.remove(process.pid)


def commands(settings: Settings) -> dict[str, list[str]]:
    """The command of each process, by name; containers run one of them each (`hone process`)."""
    python, level = sys.executable, settings.log_level
    logging = ["--log-config", str(_WEB_LOGS)] if settings.log_format == "json" else []  # uvicorn's own lines too

    def celery(*command: str) -> list[str]:
        return [python, "-m", "celery", "--quiet", "-A", "workers.runs.celery_app", *command, "--loglevel", level]

    def worker(queue: str, at_once: int = 1) -> list[str]:
        return celery(
            "worker", "--queues", queue, "--hostname", f"{queue}@%h", "--concurrency", str(at_once),
            "--without-gossip", "--without-mingle", "--without-heartbeat",
        )  # fmt: skip

    return {
        "web": [
            python, "-m", "uvicorn", "app.main:app", "--host", settings.host,
            "--port", str(settings.port), "--log-level", level, "--no-access-log", "--no-proxy-headers",
            "--workers", str(settings.web_processes), "--loop", "workers.platform.web_loop:SharingLoop",
            "--http", "workers.platform.web_protocol:Patient",
            "--timeout-graceful-shutdown", "5",
            *logging,
        ],
        "scheduling": celery("beat"),
        "sampling": worker("sampling"),
        "training": worker("training"),
        "files": worker("files", at_once=2),  # a small file does not wait behind a large one
        "gpu": worker("gpu"),
        "inference": [python, "-m", "workers.inference.server"],
    }  # fmt: skip


def environment(name: str) -> dict[str, str]:
    """Ours, with the threads that this process may compute with; a worker's trainers get their own number. Several web
    processes count requests in files that all of them read, anew at each start."""
    threads = threads_for("serving") if name == "inference" else 1
    given = dict(os.environ) | WAITING | {"OMP_NUM_THREADS": str(threads), "PYTHONUNBUFFERED": "1"}
    if name == "web" and get_settings().web_processes > 1:
        given["PROMETHEUS_MULTIPROC_DIR"] = tempfile.mkdtemp(prefix="hone-metrics-")
    return given


def wanted(settings: Settings) -> list[Child]:
    """The processes that this machine needs."""
    left_out = {"gpu"} if not gpus() else set()
    if settings.inference_url is not None:
        left_out.add("inference")
    return [
        Child(name, command, environment(name)) for name, command in commands(settings).items() if name not in left_out
    ]
