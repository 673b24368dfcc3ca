"""A real `hone up` for tests: all its processes, its folder, and a way into its database from the test."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Thread
from typing import TypeVar

import psutil
import redis
from sqlalchemy.orm import Session

from app import db, jobs, settings
from tests.ports import free_port
from workers.platform.postgres import EmbeddedPostgres
from workers.platform.valkey import EmbeddedValkey

T = TypeVar("T")
SERVICE_VARIABLES = ("DATABASE_URL", "REDIS_URL", "HONE_DATA_DIR")


class Platform:
    """One data folder and, while it runs, its processes."""

    def __init__(self, folder: Path, base_model: str = "tiny:1") -> None:
        self.folder = folder
        self.command = [sys.executable, "-c", "from workers.cli.main import main; main()"]
        self.port = free_port()
        self.env = dict(os.environ) | {
            "HONE_DATA_DIR": str(folder),
            "HONE_PORT": str(self.port),
            "HONE_BASE_MODEL": base_model,
        }
        for name in ("DATABASE_URL", "REDIS_URL"):
            self.env.pop(name, None)
        self.process: subprocess.Popen[str] | None = None
        self.lines: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def output(self) -> str:
        return "\n".join(self.lines)

    def start(self, ready: bool = True) -> "Platform":
        """Start it; returns when it says that it is up."""
        assert self.process is None, "it runs already"
        self.lines = []
        self.process = subprocess.Popen(
            [*self.command, "up"],
            env=self.env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
        )  # fmt: skip
        Thread(target=self._read, args=(self.process,), daemon=True).start()
        if ready:
            self.wait_for(lambda: "Hone is up" in self.output or self.process.poll() is not None, 120)  # type: ignore[union-attr]
            assert "Hone is up" in self.output, self.output
        return self

    def _read(self, process: "subprocess.Popen[str]") -> None:
        for line in process.stdout or ():
            self.lines.append(line.rstrip("\n"))

    def sign_in_link(self) -> str:
        """The link that the first start prints."""
        found = re.search(r"http://\S+/sign-in/\S+", self.output)
        assert found, self.output
        return found.group()

    def tree(self) -> list[psutil.Process]:
        """All its processes, the trainers included."""
        if self.process is None or self.process.poll() is not None:
            return []
        top = psutil.Process(self.process.pid)
        return [top, *top.children(recursive=True)]

    def kill_tree(self) -> None:
        """kill -9 of everything: what a power cut does, short of the disk."""
        victims: set[psutil.Process] = set()
        while found := set(self.tree()) - victims:  # some start while the first are stopped
            for victim in found:
                with suppress(psutil.NoSuchProcess):  # some have just ended
                    victim.suspend()  # so that none sees another die first
            victims |= found
        for victim in victims:
            with suppress(psutil.NoSuchProcess):
                victim.kill()
        _, alive = psutil.wait_procs(victims, timeout=10)
        assert not alive
        self.forget()

    def empty_queue(self) -> None:
        """Delete everything in Valkey: messages, bindings, the workers' presence."""
        with redis.Redis.from_url(EmbeddedValkey(self.folder).url) as client:
            client.flushall()

    def stop(self) -> list[psutil.Process]:
        """Ctrl-C; the processes of it that are left afterwards."""
        if self.process is None:
            return []
        processes = self.tree()
        self.process.send_signal(signal.SIGINT)
        self.process.wait(60)
        self.forget()
        return [each for each in processes if each.is_running() and each.status() != psutil.STATUS_ZOMBIE]

    def forget(self) -> None:
        """It has ended."""
        if self.process is not None:
            self.process.wait()
        self.process = None

    @contextmanager
    def session(self) -> Iterator[Session]:
        """A transaction in its database, with jobs sent to its queue at commit."""
        values = (EmbeddedPostgres(self.folder).url, EmbeddedValkey(self.folder).url, str(self.folder))
        before = {name: os.environ.get(name) for name in SERVICE_VARIABLES}
        os.environ.update(zip(SERVICE_VARIABLES, values, strict=True))
        _clear_caches()
        try:
            with db.task_session() as session:
                yield session
            db.get_engine().dispose()
        finally:
            for name, value in before.items():
                os.environ.pop(name, None)
                if value is not None:
                    os.environ[name] = value
            _clear_caches()

    def wait_for(self, condition: Callable[[], T], seconds: float = 60) -> T:
        """The first true value of `condition`; fails with the platform's last words when there is none in time."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if value := condition():
                return value
            time.sleep(0.1)
        raise AssertionError(f"not within {seconds} s; the platform said:\n" + "\n".join(self.lines[-60:]))


def _clear_caches() -> None:
    for cache in (settings.get_settings, db.get_engine, db.get_patient_engine, jobs.producer):
        cache.cache_clear()
