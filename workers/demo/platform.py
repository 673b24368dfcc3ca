"""The platform that the demo runs on: the one that is up, or one that it starts itself. And the way in."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from app.settings import Settings, get_settings
from workers.demo.browser import Browser, PageProblem
from workers.platform import address
from workers.platform.folder import FolderInUse, lock

START_SECONDS = 300.0  # the first start imports torch and makes a database; on a busy machine that takes minutes


class NoPlatform(Exception):
    """The platform cannot be reached or started; the message says why."""


def addressed() -> Settings:
    """The settings, with the addresses of the platform that works in the data folder already, if one does."""
    folder = get_settings().data_dir.expanduser().resolve()
    if folder.is_dir():
        try:
            with lock(folder):
                pass
        except FolderInUse:
            address.adopt(folder)
    return get_settings()


def is_up(settings: Settings) -> bool:
    """Whether Hone answers at its address."""
    try:
        reply = httpx.get(f"{settings.base_url}/healthz", timeout=5, headers={"Accept": "application/json"})
        return reply.json()["status"] in ("ok", "degraded")
    except httpx.TransportError:
        return False
    except (ValueError, TypeError, KeyError):
        raise NoPlatform(
            f"Something that is not Hone answers at {settings.base_url}. Choose another port with HONE_PORT."
        ) from None


@contextmanager
def platform(settings: Settings, base_model: str) -> Iterator[bool]:
    """Have the platform up; yields whether it was up before. What was started here is stopped again.

    It prepares `base_model` on its first start, and no other one that the demo would wait for in vain.
    """
    if is_up(settings):
        yield True
        return
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    log = settings.data_dir / "demo-platform.log"
    environment = os.environ | {"HONE_BASE_MODEL": base_model}
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*_hone(), "up"], stdout=output, stderr=subprocess.STDOUT, start_new_session=True, env=environment
        )
        try:
            _wait(process, settings, log)
            yield False
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                process.kill()


def _wait(process: "subprocess.Popen[bytes]", settings: Settings, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not is_up(settings):
        if process.poll() is not None:
            lines = log.read_text(errors="replace").strip().splitlines()
            raise NoPlatform(f"The platform did not start: {lines[-1] if lines else 'it said nothing'} (log: {log})")
        if time.monotonic() > deadline:
            raise NoPlatform(f"The platform did not answer within {START_SECONDS:.0f} s; {log} says how far it came.")
        time.sleep(0.5)


def _hone() -> list[str]:
    return [sys.executable, "-c", "from workers.cli.main import main; main()"]


def sign_in(settings: Settings) -> Browser:
    """A browser in which the manager is signed in, by a one-time link."""
    made = subprocess.run([*_hone(), "sign-in-link"], capture_output=True, text=True, check=False)
    link = re.search(r"https?://\S+/sign-in/\S+", made.stdout)
    if made.returncode != 0 or link is None:
        raise NoPlatform(f"No sign-in link could be made: {made.stderr.strip() or made.stdout.strip()}")
    browser = Browser(settings.base_url)
    path = httpx.URL(link.group()).path
    try:
        browser.get(path).form(path).send()
    except PageProblem as problem:
        raise NoPlatform(
            f"The sign-in link is not known to the platform at {settings.base_url}, which seems to run on another data "
            f"folder than {settings.data_dir}. ({problem})"
        ) from None
    return browser


class Memory:
    """What an interrupted demo has done already, in `demo-state.json`; deleted when a demo has ended."""

    def __init__(self, folder: Path, sizes: str) -> None:
        self._path = folder / "demo-state.json"
        self.values: dict[str, object] = {}
        try:
            known = json.loads(self._path.read_text())
            if known.get("sizes") == sizes:
                self.values = known
        except (OSError, ValueError, AttributeError):
            pass
        self.values["sizes"] = sizes

    def keep(self, **values: object) -> None:
        """Remember, at once and whole."""
        self.values |= values
        beside = self._path.with_suffix(".part")
        beside.touch(mode=0o600)  # it holds the simulated annotators' passwords
        beside.write_text(json.dumps(self.values, indent=2))
        beside.replace(self._path)

    def forget(self) -> None:
        """The next demo begins anew."""
        self._path.unlink(missing_ok=True)
        self.values.clear()
