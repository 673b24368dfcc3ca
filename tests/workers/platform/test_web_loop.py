"""Web processes that share a socket share its connections too."""

import asyncio
import resource
import socket
import struct
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest

from tests.children import ended
from workers.platform import web_loop
from workers.platform.web_loop import PAUSE, SharingLoop

ROOT = Path(__file__).parents[3]


@contextmanager
def listening() -> Iterator[socket.socket]:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        yield sock


class Greeter(asyncio.Protocol):
    def connection_made(self, transport: Any) -> None:
        transport.write(b"hello")


async def greeted(count: int, port: int) -> None:
    readers = [await asyncio.open_connection("127.0.0.1", port) for _ in range(count)]
    for reader, writer in readers:
        assert await reader.readexactly(5) == b"hello"
        writer.close()


def test_it_takes_one_connection_at_a_time_and_none_once_closed() -> None:
    async def run(sock: socket.socket) -> float:
        server = await asyncio.get_running_loop().create_server(Greeter, sock=sock)
        began = time.perf_counter()
        await greeted(20, sock.getsockname()[1])
        took = time.perf_counter() - began
        server.close()
        await server.wait_closed()
        reader, _ = await asyncio.open_connection("127.0.0.1", sock.getsockname()[1])
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(reader.read(1), 0.3)
        return took

    with listening() as sock, asyncio.Runner(loop_factory=SharingLoop) as runner:
        assert runner.run(run(sock)) >= 19 * PAUSE


def test_it_goes_on_once_the_system_has_files_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web_loop, "_NO_MORE", 0.2)

    async def run(sock: socket.socket) -> None:
        server = await asyncio.get_running_loop().create_server(Greeter, sock=sock)
        with socket.socket() as client:
            limits = resource.getrlimit(resource.RLIMIT_NOFILE)
            resource.setrlimit(resource.RLIMIT_NOFILE, (client.fileno() + 1, limits[1]))
            try:
                client.connect(sock.getsockname())
                await asyncio.sleep(0.1)
            finally:
                resource.setrlimit(resource.RLIMIT_NOFILE, limits)
            client.setblocking(False)
            assert await asyncio.wait_for(asyncio.get_running_loop().sock_recv(client, 5), 5) == b"hello"
        server.close()
        await server.wait_closed()

    with listening() as sock, asyncio.Runner(loop_factory=SharingLoop) as runner:
        runner.run(run(sock))


def test_one_that_was_reset_while_it_waited_holds_up_nobody() -> None:
    async def run(sock: socket.socket) -> None:
        sock.listen()
        for _ in range(5):
            with socket.create_connection(sock.getsockname()) as client:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # close sends a reset
        server = await asyncio.get_running_loop().create_server(Greeter, sock=sock)
        await asyncio.wait_for(greeted(3, sock.getsockname()[1]), 5)
        server.close()
        await server.wait_closed()

    with listening() as sock, asyncio.Runner(loop_factory=SharingLoop) as runner:
        runner.run(run(sock))


def test_two_processes_share_a_burst_of_connections() -> None:
    with listening() as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "uvicorn", "tests.workers.which_process:app", "--port", str(port)]
    server = ended(
        subprocess.Popen([*command, "--workers", "2", "--loop", "workers.platform.web_loop:SharingLoop"], cwd=ROOT)
    )
    try:
        seen = {}
        deadline = time.monotonic() + 60
        while len(seen) < 2:  # until both are up
            assert time.monotonic() < deadline
            with suppress(subprocess.TimeoutExpired):
                pytest.fail(f"the server ended with {server.wait(0.1)}")
            seen |= Counter(answering(4, port))
        shares = Counter(answering(20, port))
        assert len(shares) == 2
        assert min(shares.values()) >= 5
    finally:
        server.terminate()
        assert server.wait(30) == 0


def answering(count: int, port: int) -> list[bytes]:
    """The process behind each of `count` connections opened at once; none where nobody listens yet."""
    connections = [HTTPConnection("127.0.0.1", port, timeout=20) for _ in range(count)]
    try:
        for connection in connections:
            connection.connect()
        for connection in connections:
            connection.request("GET", "/")
        return [connection.getresponse().read() for connection in connections]
    except ConnectionRefusedError:
        return []
    finally:
        for connection in connections:
            connection.close()
