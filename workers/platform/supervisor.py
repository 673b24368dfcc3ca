"""`hone up`: services, schema, first records, then every process of the platform until Ctrl-C."""

import os
import signal
import socket
import time
from contextlib import ExitStack
from pathlib import Path
from types import FrameType

import httpx

from app.db import get_engine
from app.settings import Settings, get_settings
from workers.platform import address, packages, services
from workers.platform.children import Children, wanted
from workers.platform.first_start import FirstRecords, ensure_first_records
from workers.platform.folder import Unusable, lock, prepare_folder
from workers.platform.output import Console
from workers.platform.processes import Ledger

STOP_SECONDS = 35.0  # a training child may take 25 of them to save
READY_SECONDS = 90.0
SAME_MOMENT = 0.5


class _Signals:
    """Counts requests to stop: the first is orderly, a second one is at once. Two in the same moment are one, since
    programs that started us (make, timeout) pass on a Ctrl-C that the terminal has sent us already."""

    def __init__(self) -> None:
        self.count = 0
        self._last = 0.0
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._note)

    def _note(self, number: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        again = self.count > 0 and now - self._last > SAME_MOMENT
        self.count, self._last = self.count + 1, now
        if again:
            raise KeyboardInterrupt


def up() -> None:
    """Run the platform until a signal; Unusable with a sentence where it cannot start."""
    settings = get_settings()
    began = time.monotonic()
    packages.versions()
    folder = prepare_folder(settings)
    with ExitStack() as stack:
        stack.enter_context(lock(folder))
        ledger = Ledger(folder / "run" / "processes.json")
        if left := ledger.end_leftovers():
            print(f"Ended {left} processes that an earlier, killed start had left behind.", flush=True)
        _refuse_taken_ports(settings)
        stack.enter_context(address.noted(settings, folder))
        signals = _Signals()
        running = services.start(settings, folder)
        stack.callback(running.stop)
        services.use(running, folder)
        settings = get_settings()
        services.upgrade()
        records = ensure_first_records(settings)
        get_engine().dispose()
        children = wanted(settings)
        console = Console([child.name for child in children])
        group = Children(children, console, ledger, folder / "logs")
        try:
            group.start()
            if _wait_until_ready(settings, group, signals):
                _greet(console, settings, records, folder, time.monotonic() - began)
            while not signals.count:
                group.tend()
                _tend_services(running, console)
                time.sleep(0.2)
            console.say("stopping; running work is saved first (Ctrl-C again: at once)")
            group.stop(STOP_SECONDS)
        except KeyboardInterrupt:
            console.say("stopping at once")
        finally:
            group.stop(0)
        console.say("stopped")


def _tend_services(running: services.Services, console: Console) -> None:
    for server in running.embedded:
        if not server.alive():
            console.say(f"{server.data.name} ended; starting it again")
            try:
                server.start()
            except Unusable as error:
                console.say(f"{error} Trying again in 5 s.")
                time.sleep(5)


def _wait_until_ready(settings: Settings, group: Children, signals: _Signals) -> bool:
    """Wait for every part to be well, or for the time to be over; False when a signal came before."""
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(settings.host, settings.host)  # noqa: S104  compared, not bound
    deadline = time.monotonic() + READY_SECONDS
    answered = False
    while not signals.count:
        group.tend()
        try:
            health = httpx.get(f"http://{host}:{settings.port}/healthz", timeout=10)
        except httpx.TransportError:
            pass
        else:
            answered = True
            if health.is_success:
                return True
        if time.monotonic() > deadline:
            if answered:  # a busy machine: what is not well yet says so on /healthz
                return True
            raise Unusable(
                f"The web server did not answer within {READY_SECONDS:.0f} s; {group.logs / 'web.log'} says why."
            )
        time.sleep(0.5 if answered else 0.1)
    return False


def _greet(console: Console, settings: Settings, records: FirstRecords, folder: Path, seconds: float) -> None:
    lines = ["", f"Hone is up at {settings.base_url} after {seconds:.1f} s (data: {folder})"]
    if records.missing:
        lines.append(records.missing)
    if records.link:
        lines.append(f"Sign in as the manager, once, with {records.link}")
    else:
        lines.append("Another sign-in link: hone sign-in-link")
    console.say("\n".join([*lines, "Stop with Ctrl-C.", ""]))


def _refuse_taken_ports(settings: Settings) -> None:
    ports = [(settings.host, settings.port, "HONE_PORT")]
    if settings.inference_url is None:
        ports.append(("127.0.0.1", settings.inference_port or settings.port + 1, "HONE_INFERENCE_PORT"))
    for host, port, variable in ports:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
            except OSError as error:
                raise Unusable(
                    f"Port {port} on {host} cannot be used ({os.strerror(error.errno or 0).lower()}). "
                    f"Stop what listens there, or choose another port with {variable}."
                ) from None
