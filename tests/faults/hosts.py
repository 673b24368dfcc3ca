"""Hosts of their own for worker processes: network and PID namespaces with a cable that can be pulled.

Where the system grants no namespaces, the processes stay on this one, and the cable is a proxy that freezes.
"""

import itertools
import os
import subprocess
from contextlib import ExitStack
from ipaddress import ip_network
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil
from sqlalchemy.engine import make_url

from app.settings import get_settings
from tests.faults.proxy import Proxy
from workers.platform import children
from workers.platform.processes import spawn, stop

ISOLATED = ("unshare", "--pid", "--fork", "--mount-proc", "--kill-child")
_numbers = itertools.count(1)
_NETWORKS = list(ip_network("198.18.0.0/15").subnets(new_prefix=30))  # RFC 2544: for tests of networks


class Host:
    """A machine with one worker process. `isolated=False`: this machine itself, whose cable cannot be pulled."""

    def __init__(self, queue: str, output: Path, isolated: bool = True) -> None:
        self.queue = queue
        self._output, self._isolated = output, isolated
        self._cable: _Cable | None = None
        self._all = ExitStack()

    def __enter__(self) -> Self:
        environment = children.environment(self.queue)
        command = children.commands(get_settings())[self.queue]
        if self._isolated:
            self._cable = self._all.enter_context(_Cable())
            environment |= self._cable.addresses
            command = [*self._cable.prefix, *command]
        output = self._all.enter_context(self._output.open("ab"))
        self.process = spawn(command, env=environment, output=output)
        self._all.callback(stop, self.process, 20)
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.wake()
        if self._cable:
            self._cable.plug()
        self._all.close()

    def pull(self) -> None:
        """Pull the cable: what is sent vanishes, and nobody is told."""
        assert self._cable is not None
        self._cable.pull()

    def plug(self) -> None:
        """Put it back."""
        assert self._cable is not None
        self._cable.plug()

    def stop(self) -> None:
        """SIGSTOP of the worker and its child."""
        for each in self.tree():
            each.suspend()

    def wake(self) -> None:
        """SIGCONT of all of them, the child first, which would like to write."""
        for each in reversed(self.tree()):
            each.resume()

    def tree(self) -> list[psutil.Process]:
        """Its processes, the worker first."""
        try:
            top = psutil.Process(self.process.pid)
            return [top, *top.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []

    def trainers(self, run_id: int) -> list[psutil.Process]:
        """Those that work on a run here."""
        mine = {each.pid for each in self.tree()}
        return [each for each in trainers(run_id) if each.pid in mine]


class _Cable:
    """The way to PostgreSQL and Valkey, which know this host by other addresses."""

    def __init__(self) -> None:
        number = next(_numbers)
        self.name = f"hone{os.getpid() % 100_000}-{number}"
        # Of each process its own, since a killed one leaves its networks behind.
        self.here, self.there = list(_NETWORKS[(os.getpid() * 64 + number) % len(_NETWORKS)].hosts())
        self.prefix: list[str] = []
        self._all = ExitStack()

    def __enter__(self) -> Self:
        address = "127.0.0.1"
        if namespaces_granted():
            here, there = f"{self.name}a", f"{self.name}b"
            address = str(self.here)
            ip("netns", "add", self.name)
            self._all.callback(ip, "netns", "del", self.name)
            ip("link", "add", here, "type", "veth", "peer", "name", there, "netns", self.name)
            ip("addr", "add", f"{address}/30", "dev", here)
            ip("link", "set", here, "up")
            ip("-n", self.name, "addr", "add", f"{self.there}/30", "dev", there)
            for device in ("lo", there):
                ip("-n", self.name, "link", "set", device, "up")
            self.prefix = ["ip", "netns", "exec", self.name, *ISOLATED]
        settings = get_settings()
        database, queue = make_url(str(settings.database_url)), make_url(str(settings.redis_url))
        socket = database.query.get("host")
        server = f"{socket}/.s.PGSQL.{database.port or 5432}" if socket else (str(database.host), database.port or 5432)
        self._proxies = [
            self._all.enter_context(Proxy(target, address))
            for target in (server, (str(queue.host), queue.port or 6379))
        ]
        to_database, to_queue = (proxy.port for proxy in self._proxies)
        away = database.set(host=address, port=to_database, query={})
        self.addresses = {
            "DATABASE_URL": away.render_as_string(hide_password=False),
            "REDIS_URL": f"redis://{address}:{to_queue}{settings.redis_url[settings.redis_url.rindex('/') :]}",  # type: ignore[index, union-attr]
        }
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._all.close()

    def pull(self) -> None:
        if self.prefix:
            ip("link", "set", f"{self.name}a", "down")
        else:
            for proxy in self._proxies:
                proxy.freeze()

    def plug(self) -> None:
        if self.prefix:
            ip("link", "set", f"{self.name}a", "up")
        else:
            for proxy in self._proxies:
                proxy.thaw()


def namespaces_granted() -> bool:
    """Whether this system lets us make networks and PID namespaces."""
    try:
        return all(
            subprocess.run(command, capture_output=True, check=False).returncode == 0
            for command in ([*ISOLATED, "true"], ["unshare", "--net", "ip", "link", "show"])
        )
    except FileNotFoundError:
        return False


def trainers(run_id: int) -> list[psutil.Process]:
    """The processes of this machine, whatever their namespace, that work on a run; stopped ones too."""
    folder = f"{get_settings().store}/runs/{run_id}/"  # other tests have runs of the same number
    return [
        each
        for each in psutil.process_iter(["cmdline", "status"])
        if any(folder in word for word in each.info["cmdline"] or ()) and each.info["status"] != psutil.STATUS_ZOMBIE
    ]


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True, text=True)
