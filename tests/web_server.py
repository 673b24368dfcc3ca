"""The application under uvicorn on a free port, as `hone` serves it, and requests that no HTTP client would write."""

import asyncio
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import uvicorn

from tests.ports import free_port
from workers.platform.web_protocol import Patient


@dataclass(frozen=True)
class Answer:
    """What came back; status 0 where the connection was closed without an answer."""

    status: int
    head: str
    body: str


@dataclass(frozen=True)
class WebServer:
    """A server in a thread of this process."""

    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=30)

    def send(self, request: bytes) -> Answer:
        """Send exactly these bytes and read until the server closes or the answer is whole."""
        with self.connect() as line:
            with suppress(OSError):  # refused before all was sent; what was answered is there all the same
                line.sendall(request)
            return read_answer(line)


def read_answer(line: socket.socket) -> Answer:
    """One answer from a connection."""
    received = b""
    try:
        while not _is_whole(received):
            if not (chunk := line.recv(65536)):
                break
            received += chunk
    except ConnectionResetError:
        pass
    head, _, body = received.partition(b"\r\n\r\n")
    words = head.split(b" ", 2)
    status = int(words[1]) if len(words) > 1 else 0
    return Answer(status, head.decode("latin-1"), body.decode(errors="replace"))


def _is_whole(received: bytes) -> bool:
    head, end, body = received.partition(b"\r\n\r\n")
    if not end:
        return False
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return len(body) >= int(line.split(b":")[1])
    return body.endswith(b"0\r\n\r\n") or head.split(b" ", 2)[1] in (b"204", b"304")


@contextmanager
def web_server() -> Iterator[WebServer]:
    """Serve until the end of the block. The settings are those of this process."""
    from app.main import app

    port = free_port()
    config = uvicorn.Config(
        app, host="127.0.0.1", port=port, log_level="warning", http=Patient, timeout_graceful_shutdown=1
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=lambda: asyncio.run(server.serve()), daemon=True)
    thread.start()
    deadline = time.monotonic() + 20
    while not server.started:
        assert time.monotonic() < deadline, "the server did not start"
        time.sleep(0.01)
    try:
        yield WebServer(port)
    finally:
        server.should_exit = True
        thread.join(10)
