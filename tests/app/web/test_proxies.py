"""Where a request comes from: the connection's word, or that of a proxy we were told to trust."""

import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest
from fastapi import Depends, Request
from pydantic import ValidationError
from starlette.testclient import TestClient

from app.main import create_app
from app.settings import Settings, get_settings
from app.web.guard import public
from app.web.rate_limits import address
from tests.children import ended
from tests.ports import free_port
from workers.platform.children import commands


@contextmanager
def behind(monkeypatch: pytest.MonkeyPatch, trusted: str, connected_from: str) -> Iterator[TestClient]:
    """The application with a route that tells whom it sees, asked from `connected_from`."""
    monkeypatch.setenv("HONE_TRUSTED_PROXIES", trusted)
    get_settings.cache_clear()
    app = create_app()

    @app.get("/who", dependencies=[Depends(public)])
    def who(request: Request) -> str:
        return f"{request.url.scheme} {address(request)}"

    try:
        with TestClient(app, base_url="http://localhost", client=(connected_from, 50000)) as client:
            yield client
    finally:
        monkeypatch.undo()
        get_settings.cache_clear()


@pytest.mark.parametrize(
    ("trusted", "connected_from", "forwarded", "seen"),
    [
        ("", "127.0.0.1", "203.0.113.9", "http 127.0.0.1"),  # not even the loopback interface by itself
        ("", "::1", "203.0.113.9", "http ::/64"),
        ("127.0.0.1", "127.0.0.1", "203.0.113.9", "https 203.0.113.9"),
        ("127.0.0.1", "10.0.0.1", "203.0.113.9", "http 10.0.0.1"),
        ("10.0.0.0/8, 127.0.0.1", "10.9.8.7", "203.0.113.9", "https 203.0.113.9"),
        ("10.0.0.0/8", "10.9.8.7", "1.2.3.4, 203.0.113.9", "https 203.0.113.9"),  # what the client wrote comes first
        ("10.0.0.0/8", "10.9.8.7", "1.2.3.4, 203.0.113.9, 10.1.1.1", "https 203.0.113.9"),
        ("10.0.0.0/8", "10.9.8.7", "10.6.6.6, 203.0.113.9", "https 203.0.113.9"),
        ("10.0.0.0/8", "10.9.8.7", "", "https 10.9.8.7"),
        ("10.0.0.0/8", "10.9.8.7", "[2001:db8:1:2:3:4:5:6]:443", "https 2001:db8:1:2::/64"),
        ("10.0.0.0/8", "10.9.8.7", "::ffff:203.0.113.9", "https 203.0.113.9"),
        ("2001:db8::/32", "2001:db8::7", "203.0.113.9:4711", "https 203.0.113.9"),
        ("2001:db8::/32", "2001:db9::7", "203.0.113.9", "http 2001:db9::/64"),
    ],
)
def test_only_a_trusted_proxy_is_believed(monkeypatch, trusted, connected_from, forwarded, seen):
    with behind(monkeypatch, trusted, connected_from) as client:
        headers = {"X-Forwarded-For": forwarded, "X-Forwarded-Proto": "https"}
        assert client.get("/who", headers=headers).json() == seen


def test_of_two_headers_the_proxys_own_counts(monkeypatch):
    with behind(monkeypatch, "10.0.0.1", "10.0.0.1") as client:
        forged = [("X-Forwarded-For", "1.2.3.4"), ("X-Forwarded-For", "203.0.113.9")]
        assert client.get("/who", headers=forged).json() == "http 203.0.113.9"


@pytest.mark.parametrize("trusted", ["*", "proxy.example.org", "10.0.0.1/8", "10.0.0.300", "10.0.0.1;10.0.0.2"])
def test_what_is_no_address_is_refused_at_the_start(trusted):
    with pytest.raises(ValidationError, match="trusted_proxies"):
        Settings(trusted_proxies=trusted)


def test_the_server_as_it_is_started_believes_nobody(database: str) -> None:
    """The real process, asked from the loopback interface, whose headers uvicorn would believe by itself."""
    port = free_port()
    server = ended(subprocess.Popen(commands(Settings(port=port, log_level="error"))["web"]))
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
            page = _first_page(client)
            form = {"csrf_token": re.search(r'name="csrf_token" value="([^"]+)"', page)[1]}  # type: ignore[index]
            form |= {"email": "ada@example.org", "password": "a guess", "next": "/"}
            answers = [
                client.post("/sign-in", data=form, headers={"X-Forwarded-For": f"203.0.113.{number}"}).status_code
                for number in range(11)
            ]
        assert answers == [422] * 10 + [429]
    finally:
        server.terminate()
        server.wait(20)


def _first_page(client: httpx.Client) -> str:
    deadline = time.monotonic() + 60
    while True:
        try:
            return client.get("/sign-in").text
        except httpx.TransportError:
            assert time.monotonic() < deadline
            time.sleep(0.1)
