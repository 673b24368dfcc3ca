"""People on bad lines, and programs that pretend to be: half-sent requests, hang-ups, more open streams than pages."""

import logging
import time
from collections.abc import Iterator
from typing import Any

import pytest

from app.accounts import sessions
from app.db import task_session
from app.models import Role
from app.web import events, patience
from app.web.csrf import SESSION_COOKIE
from tests import factories
from tests.web_server import WebServer, read_answer, web_server
from workers.platform import web_protocol


@pytest.fixture
def server(database: str) -> Iterator[WebServer]:
    with web_server() as running:
        yield running


@pytest.fixture
def manager(database: str) -> tuple[int, str]:
    """A project's number, and the cookie of its manager."""
    with task_session() as session:
        project, user = factories.project(session), factories.user(session)
        factories.member(session, project, user, Role.MANAGER)
        return project.id, f"{SESSION_COOKIE}={sessions.start(session, user, 'test')}"


def half_a_form(path: str, kind: str = "application/x-www-form-urlencoded", length: int = 1000) -> bytes:
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {kind}\r\nContent-Length: {length}"
    begun = '--x\r\nContent-Disposition: form-data; name="email"\r\n\r\na' if "multipart" in kind else "email=a"
    return f"{head}\r\n\r\n{begun}".encode()


def wait_until(condition: Any, seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def test_forms_whose_sender_hangs_up_leave_a_line_each_and_no_trace(server, caplog):
    caplog.set_level(logging.INFO)
    kinds = ("application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/json")
    assert (
        server.send(
            b"POST /sign-in HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary=x"
            b"\r\nContent-Length: 3\r\n\r\nabc"
        ).status
        == 400
    )
    for number in range(30):
        path = "/api/v1/projects" if number % 3 == 2 else "/sign-in"
        with server.connect() as line:
            line.sendall(half_a_form(path, kinds[number % 3]))
    wait_until(lambda: len(lines(caplog)) >= 31)
    assert not [record for record in caplog.records if record.exc_info or record.levelno >= logging.WARNING]
    assert len(lines(caplog)) == 31


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name == "app.access"]


@pytest.mark.parametrize(
    "kind", ["application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/json"]
)
def test_a_body_that_does_not_come_is_given_up(server, monkeypatch, manager, kind):
    monkeypatch.setattr(patience, "FIRST_SECONDS", 0.3)
    path = "/api/v1/projects" if "json" in kind else "/sign-in"
    with server.connect() as line:
        line.sendall(half_a_form(path, kind).replace(b"Host:", f"Cookie: {manager[1]}\r\nHost:".encode()))
        answer = read_answer(line)
        assert answer.status == 408
        assert "too slowly" in answer.body
        assert line.recv(1) == b"", "the connection is closed"


def test_a_body_that_drips_is_given_up_and_a_steady_one_is_not(server, monkeypatch):
    monkeypatch.setattr(patience, "FIRST_SECONDS", 0.5)
    monkeypatch.setattr(patience, "LEAST_PACE", 100)
    with server.connect() as line:
        line.sendall(half_a_form("/sign-in", length=50))
        for _ in range(40):
            try:
                line.sendall(b"x")
            except OSError:
                break
            time.sleep(0.1)
        assert read_answer(line).status == 408
    with server.connect() as line:
        body = b"email=" + b"x" * 600
        line.sendall(half_a_form("/sign-in", length=len(body)).removesuffix(b"email=a"))
        for start in range(0, len(body), 60):
            line.sendall(body[start : start + 60])
            time.sleep(0.1)
        assert read_answer(line).status == 403, "the whole form came, without its token"


def test_a_head_that_does_not_come_ends_the_connection(server, monkeypatch):
    monkeypatch.setattr(web_protocol, "HEAD_SECONDS", 0.3)
    for begun in (b"", b"GET / HTTP/1.1\r\nHost: loc"):
        with server.connect() as line:
            line.sendall(begun)
            assert line.recv(1) == b""
    with server.connect() as line:  # a second request on a kept connection
        line.sendall(b"GET /sign-in HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert read_answer(line).status == 200
        line.sendall(b"GET /sign-in HT")
        assert line.recv(1) == b""


def test_a_head_of_megabytes_is_refused_early(server):
    answer = server.send(b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"X-A: " + b"a" * 2**22)
    assert answer.status in (0, 431), "the server may have closed before all was read"
    assert server.send(b"GET /sign-in HTTP/1.1\r\nHost: localhost\r\n\r\n").status == 200


def test_one_stream_too_many_replaces_the_persons_oldest(server, manager, monkeypatch):
    monkeypatch.setattr(events, "MOST_OF_A_PERSON", 3)
    project_id, cookie = manager
    request = f"GET /projects/{project_id}/runs/events HTTP/1.1\r\nHost: localhost\r\nCookie: {cookie}\r\n\r\n".encode()
    open_lines = []
    for _ in range(5):
        line = server.connect()
        line.sendall(request)
        assert line.recv(65536).startswith(b"HTTP/1.1 200")
        open_lines.append(line)
    wait_until(lambda: len(events.open_streams) == 3)
    for line in open_lines[:2]:
        heard = b""
        while chunk := line.recv(65536):
            heard += chunk
            if b"0\r\n\r\n" in heard:
                break
        assert b"event: replaced" in heard
    for line in open_lines:
        line.close()
    wait_until(lambda: len(events.open_streams) == 0)


def test_streams_are_counted_apart_for_each_person_and_bounded_together(server, manager, monkeypatch):
    monkeypatch.setattr(events, "MOST", 2)
    project_id, cookie = manager
    request = f"GET /projects/{project_id}/events HTTP/1.1\r\nHost: localhost\r\nCookie: {cookie}\r\n\r\n".encode()
    first, second = server.connect(), server.connect()
    for line in (first, second):
        line.sendall(request)
        assert line.recv(65536).startswith(b"HTTP/1.1 200")
    assert server.send(request).status == 503
    first.close()
    second.close()
