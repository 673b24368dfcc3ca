"""Hosts on this machine: each has network, PID and host-name namespaces of its own, and all hang on one switch."""

import subprocess
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from ipaddress import ip_network
from pathlib import Path

import psutil

from tests.faults.hosts import ISOLATED, ip
from workers.platform.processes import spawn, stop

_SWITCH = "hone-external"
_ADDRESSES = ip_network("203.0.113.0/24")  # RFC 5737: nobody's
HERE, *THERE = (str(address) for address in _ADDRESSES.hosts())


@dataclass(frozen=True)
class Host:
    """One host with one process."""

    process: "subprocess.Popen[bytes]"
    log: Path

    def namespaces(self) -> tuple[str, ...]:
        """Its network, its processes, its name."""
        inside = psutil.Process(self.process.pid).children(recursive=True)[-1].pid
        return tuple(str(Path(f"/proc/{inside}/ns/{kind}").readlink()) for kind in ("net", "pid", "uts"))


@contextmanager
def switch() -> Iterator[None]:
    """What the hosts hang on; this machine is HERE on it."""
    _forget("link", _SWITCH)
    with ExitStack() as undo:
        ip("link", "add", _SWITCH, "type", "bridge")
        undo.callback(ip, "link", "del", _SWITCH)
        ip("addr", "add", f"{HERE}/{_ADDRESSES.prefixlen}", "dev", _SWITCH)
        ip("link", "set", _SWITCH, "up")
        yield


@contextmanager
def host(name: str, address: str, command: list[str], environment: Mapping[str, str], logs: Path) -> Iterator[Host]:
    """A host by this name and address that runs the command until the end of the block."""
    inside, port, log = f"hone-{name}", f"h-{name}", logs / f"{name}.log"
    _forget("netns", inside)
    with ExitStack() as undo:
        ip("netns", "add", inside)
        undo.callback(ip, "netns", "del", inside)
        ip("link", "add", port, "type", "veth", "peer", "name", "eth0", "netns", inside)
        ip("link", "set", port, "master", _SWITCH, "up")
        ip("-n", inside, "addr", "add", f"{address}/{_ADDRESSES.prefixlen}", "dev", "eth0")
        for device in ("lo", "eth0"):
            ip("-n", inside, "link", "set", device, "up")
        named = ["sh", "-c", 'hostname "$0" && exec "$@"', name]
        with log.open("wb") as output:
            process = spawn(
                ["ip", "netns", "exec", inside, *ISOLATED, "--uts", *named, *command], env=environment, output=output
            )
        undo.callback(stop, process, 40)
        yield Host(process, log)


def _forget(kind: str, name: str) -> None:
    """Remove what a killed run has left."""
    subprocess.run(["ip", kind, "del", name], capture_output=True, check=False)
