"""When a call is sent again, and what the client makes of answers that are not Hone's: against a server that answers
what the test says."""

import json
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from hone_client import Client, Conflict, Refused, TooMany, Unavailable, Unreachable

PERSON = {
    "id": 1, "name": "Ada", "email": "ada@example.org", "is_admin": False, "disabled_at": None,
    "created_at": "2026-01-01T00:00:00Z",
}  # fmt: skip
BREAK = 0
"""As a status: the connection is closed without an answer."""


@dataclass
class Script:
    """What is answered, in turn: a status, headers, a body. `requests` are method, path and Idempotency-Key."""

    answers: list[tuple[int, dict[str, str], Any]] = field(default_factory=list)
    requests: list[tuple[str, str, str | None]] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    port: int = 0

    def client(self, **more: Any) -> Client:
        return Client(f"http://127.0.0.1:{self.port}", "hone_x", **({"backoff": 0.01} | more))


@pytest.fixture
def script() -> Iterator[Script]:
    said = Script()

    class Handler(BaseHTTPRequestHandler):
        def _do(self) -> None:
            self.rfile.read(int(self.headers.get("content-length") or 0))
            said.requests.append((self.command, self.path, self.headers.get("idempotency-key")))
            said.times.append(time.monotonic())
            status, headers, body = said.answers.pop(0)
            if status == BREAK:
                self.close_connection = True
                self.connection.close()
                return
            sent = json.dumps(body).encode() if not isinstance(body, bytes) else body
            self.send_response(status)
            kind = "application/problem+json" if status >= 400 else "application/json"
            for name, value in ({"content-type": kind, "content-length": str(len(sent))} | headers).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(sent)

        do_GET = do_POST = do_PATCH = do_DELETE = _do

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    said.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield said
    finally:
        server.shutdown()
        server.server_close()


def problem(status: int, detail: str, **headers: str) -> tuple[int, dict[str, str], Any]:
    body = {"type": "about:blank", "title": "No", "status": status, "detail": detail}
    return status, {name.replace("_", "-"): value for name, value in headers.items()}, body


def test_what_is_too_much_for_now_goes_again_after_the_time_that_is_named(script: Script) -> None:
    soon = format_datetime(datetime.now(UTC) - timedelta(seconds=5), usegmt=True)
    script.answers = [
        problem(429, "Too many tries.", Retry_After="1"),
        problem(503, "In a moment.", Retry_After=soon),
        (201, {}, {"id": 7, "url": "http://here/projects/7"}),
    ]
    assert script.client().create_project(name="Mine").id == 7
    assert script.times[1] - script.times[0] >= 1
    assert len(script.requests) == 3
    [(method, path, key)] = set(script.requests)  # with the same key each time
    assert (method, path, bool(key)) == ("POST", "/api/v1/projects", True)


def test_what_would_take_too_long_is_said_instead_of_waited_for(script: Script) -> None:
    script.answers = [problem(429, "Please wait 60 minutes.", Retry_After="3600")]
    with pytest.raises(TooMany, match="Please wait 60 minutes") as refusal:
        script.client().show_me()
    assert refusal.value.retry_after == 3600
    script.answers = [problem(503, "This took longer than a minute.")]  # and would again
    with pytest.raises(Unavailable) as away:
        script.client().show_me()
    assert away.value.retry_after is None
    assert len(script.requests) == 2


def test_it_gives_up_in_the_end_with_the_last_sentence(script: Script) -> None:
    script.answers = [problem(503, f"Away {number}.", Retry_After="0") for number in range(3)]
    with pytest.raises(Unavailable, match="Away 2"):
        script.client(retries=2).show_me()


def test_reads_and_what_has_a_key_go_again_when_the_line_breaks(script: Script) -> None:
    script.answers = [(BREAK, {}, None), (200, {}, PERSON)]
    assert script.client().show_me().name == "Ada"
    script.answers = [(BREAK, {}, None), (BREAK, {}, None), (201, {}, {"id": 7, "url": "x"})]
    script.requests.clear()
    assert script.client().create_project(name="Mine").id == 7
    assert len(set(script.requests)) == 1
    script.answers = [(BREAK, {}, None)]
    script.requests.clear()
    with pytest.raises(
        Unreachable, match="did not answer"
    ):  # it may have been carried out: a second would find nothing
        script.client().remove_member(1, 2)
    assert len(script.requests) == 1


def test_each_post_has_a_key_of_its_own(script: Script) -> None:
    script.answers = [(201, {}, {"id": 7, "url": "x"})] * 2
    hone = script.client()
    hone.create_project(name="Mine")
    hone.create_project(name="Mine")
    assert len({key for _, _, key in script.requests}) == 2


def test_what_is_no_problem_of_hones_is_a_sentence_all_the_same(script: Script) -> None:
    script.answers = [(502, {"content-type": "text/html"}, b"<html>bad gateway</html>")]
    with pytest.raises(Refused, match="The server answered 502 Bad Gateway"):
        script.client().show_me()
    script.answers = [(409, {"content-type": "application/problem+json"}, b"[]")]
    with pytest.raises(Conflict, match="The server answered 409 Conflict"):
        script.client().show_me()
    script.answers = [(200, {"content-length": "5000"}, PERSON)]
    with pytest.raises(Unreachable, match="broke off"):
        script.client(retries=0).show_me()


def test_fields_that_a_newer_server_adds_are_passed_over(script: Script) -> None:
    script.answers = [(200, {}, PERSON | {"badge": "gold"})]
    assert script.client().show_me().name == "Ada"


def test_a_refusal_in_the_shape_of_the_answer_is_the_answer(script: Script) -> None:
    refused = [{"place": "line 1", "reason": "No."}]
    report = {"entries": 1, "imported": 0, "new": 0, "duplicates": 0, "holdout": 0, "refused": [], "refused_count": 1}
    script.answers = [(422, {"content-type": "application/json"}, report)]
    assert script.client().import_prompts(1, prompts=refused).refused_count == 1
    script.answers = [problem(422, "Please check your input.")]
    with pytest.raises(Refused, match="Please check your input"):
        script.client().import_prompts(1, prompts=[])
