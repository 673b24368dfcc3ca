"""A web process as `hone process web` starts it, on services that the test names."""

import os
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType

import httpx

from app.settings import get_settings
from tests.ports import free_port
from workers.platform.children import commands


class Web:
    """The process; `client` asks it things."""

    def __init__(self, log: Path, **environment: str) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = log
        self._env = os.environ | {"HONE_PORT": str(self.port)} | environment

    def __enter__(self) -> "Web":
        settings = get_settings().model_copy(update={"port": self.port})
        with self.log.open("wb") as output:
            self.process = subprocess.Popen(
                commands(settings)["web"], env=self._env, stdout=output, stderr=subprocess.STDOUT
            )
        try:
            self.wait_for(lambda: httpx.get(f"{self.url}/static/hone.css").status_code)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.process.terminate()
        try:
            self.process.wait(20)
        finally:
            self.process.kill()
            self.process.wait()

    def client(self, token: str | None = None) -> httpx.Client:
        """A program at it, with an API token."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return httpx.Client(base_url=self.url, headers=headers, timeout=30)

    def wait_for(self, condition: Callable[[], object], seconds: float = 60) -> float:
        """Until `condition` is true; how long that took."""
        began = time.monotonic()
        while time.monotonic() - began < seconds:
            assert self.process.poll() is None, self.log.read_text()
            with suppress(httpx.TransportError):
                if condition():
                    return time.monotonic() - began
            time.sleep(0.05)
        raise AssertionError(f"not within {seconds} s; the process said:\n{self.log.read_text()[-5000:]}")
