"""The proxy itself does what the tests of faults take it to do."""

import socket
from collections.abc import Iterator
from contextlib import suppress
from threading import Thread

import pytest

from tests.faults.proxy import Proxy


@pytest.fixture
def echo() -> Iterator[tuple[str, int]]:
    """A server that says everything back."""

    def serve(connection: socket.socket) -> None:
        with connection, suppress(ConnectionResetError):
            while data := connection.recv(4096):
                connection.sendall(data)

    def accept() -> None:
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            Thread(target=serve, args=(connection,), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listening:
        Thread(target=accept, daemon=True).start()
        yield listening.getsockname()
        listening.shutdown(socket.SHUT_RDWR)


def dial(proxy: Proxy, seconds: float = 5) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", proxy.port), timeout=5)
    connection.settimeout(seconds)
    return connection


def test_what_is_frozen_comes_late_and_whole(echo: tuple[str, int]) -> None:
    with Proxy(echo) as proxy, dial(proxy) as line:
        line.sendall(b"one")
        assert line.recv(10) == b"one"
        proxy.freeze()
        line.sendall(b"two")
        with dial(proxy, 0.3) as other:
            other.sendall(b"new")
            with pytest.raises(TimeoutError):
                other.recv(10)
            line.settimeout(0.3)
            with pytest.raises(TimeoutError):
                line.recv(10)
            proxy.thaw()
            for each, said in ((line, b"two"), (other, b"new")):
                each.settimeout(5)
                assert each.recv(10) == said


def test_what_is_cut_is_reset_and_what_is_refused_comes_back(echo: tuple[str, int]) -> None:
    with Proxy(echo) as proxy:
        with dial(proxy) as line:
            line.sendall(b"one")
            assert line.recv(10) == b"one"
            proxy.cut()
            with pytest.raises(ConnectionResetError):
                line.recv(10)
        proxy.refuse()
        with pytest.raises(ConnectionRefusedError):
            dial(proxy)
        proxy.accept()
        with dial(proxy) as line:
            line.sendall(b"back")
            assert line.recv(10) == b"back"
