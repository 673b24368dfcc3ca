"""What the inference server takes from nobody: foreign names, endless bodies, numbers that break others' answers."""

import os
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from tests.inference_server import ENDLESS, FIRST, InferenceServer, make_store, serving

HELLO: Any = [{"role": "user", "content": "Hello there"}]
SECRET = "a secret of this test, long enough"
DIGITS = "9" * 5_000


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_store(tmp_path_factory.mktemp("limits") / "store")


@pytest.fixture(scope="module")
def server(store: Path) -> Iterator[InferenceServer]:
    with serving(store, "--max_rows", "8", "--max_waiting", "16", "--max_tokens", "16000") as running:
        yield running


def ask(server: InferenceServer, body: Any = None, **more: Any) -> httpx.Response:
    given = {"model": FIRST, "messages": HELLO, "max_tokens": 8} | (body or {})
    return httpx.post(f"{server.url}/v1/chat/completions", json=given, timeout=60, **more)


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:8001", "localhost.evil.example", "127.0.0.1.evil.example", "169.254.169.254",
     "localhost@evil.example", "[::2]", "", "local host", "0", "2130706433", "localhost."],
)  # fmt: skip
def test_a_foreign_host_is_misdirected(server, host):
    for method, path in (("GET", "/v1/models"), ("GET", "/healthz"), ("POST", "/v1/chat/completions")):
        answer = httpx.request(method, f"{server.url}{path}", headers={"Host": host}, json={})
        assert answer.status_code in (400, 421), (path, answer.text)
        assert FIRST not in answer.text


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "LOCALHOST:1", "[::1]:8001"])
def test_this_machine_has_several_names(server, host):
    assert httpx.get(f"{server.url}/v1/models", headers={"Host": host}).status_code == 200


def test_names_of_other_machines_are_a_setting(store, monkeypatch):
    monkeypatch.setenv("HONE_INFERENCE_HOSTS", "inference, models.internal")
    monkeypatch.setenv("HONE_INFERENCE_URL", "http://by-url:8001/v1")
    with serving(store) as running:
        for host, status in (("inference:8001", 200), ("MODELS.internal", 200), ("by-url", 200), ("other", 421)):
            assert httpx.get(f"{running.url}/v1/models", headers={"Host": host}).status_code == status, host


def test_a_secret_is_asked_of_everybody(store, monkeypatch):
    monkeypatch.setenv("HONE_INFERENCE_SECRET", SECRET)
    with serving(store) as running:
        wrong: list[Any] = [f"Bearer {SECRET}x", SECRET, "Bearer", "Basic YTpi", b"Bearer \xff"]
        for header in ({}, *({"Authorization": each} for each in wrong)):
            assert ask(running, headers=header).status_code == 401, header
            assert httpx.get(f"{running.url}/v1/models", headers=header).status_code == 401
        health = httpx.get(f"{running.url}/healthz")
        assert health.json() == {"status": "ok"}
        mine = {"Authorization": f"Bearer {SECRET}"}
        assert ask(running, headers=mine).status_code == 200
        assert "loaded" in httpx.get(f"{running.url}/healthz", headers=mine).json()


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_beyond_the_bound_is_refused_while_it_comes(server, chunked):
    before = psutil.Process(server.pid).memory_info().rss
    piece = b" " * 2**20

    def pieces() -> Iterator[bytes]:
        for _ in range(60):
            yield piece

    head = {"Content-Type": "application/json"} | ({} if chunked else {"Content-Length": str(60 * 2**20)})
    try:
        answer = httpx.post(f"{server.url}/v1/chat/completions", content=pieces(), headers=head, timeout=60)
        assert answer.status_code == 413
        assert answer.json()["error"]["type"] == "invalid_request_error"
    except httpx.TransportError:
        pass  # it hung up, rather than take what it will not read
    assert psutil.Process(server.pid).memory_info().rss - before < 30 * 2**20
    assert ask(server).status_code == 200


def test_sixty_bodies_that_never_end_hold_up_nobody(server):
    port = int(server.url.rsplit(":", 1)[1])
    lines = [socket.create_connection(("127.0.0.1", port)) for _ in range(60)]
    head = (
        b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        b"Content-Length: 900"
    )
    for line in lines:
        line.sendall(head + b"\r\n\r\n{")
    assert ask(server).status_code == 200
    for line in lines:
        line.close()


BAD = [
    '"temperature": 1e-40', '"temperature": 1e-300', '"temperature": 0.0099', '"temperature": NaN',
    '"temperature": Infinity', '"temperature": 1e400', '"temperature": -0.1', '"temperature": true',
    '"repetition_penalty": 1e-300', '"repetition_penalty": 0', '"repetition_penalty": 1e300',
    '"repetition_penalty": NaN', '"repetition_penalty": false', '"top_p": 0', '"top_p": 1e-45', '"top_p": 1.01',
    '"top_k": -2', '"top_k": 99999999999999999999', '"top_k": 1e400', '"min_p": -1e-9', '"min_p": NaN',
    '"n": 0', '"n": true', '"n": 9', f'"n": {DIGITS}', '"max_tokens": 0', '"max_tokens": 1e30', '"max_tokens": true',
    f'"max_tokens": {DIGITS[:4000]}', '"seed": 1e30', '"seed": 99999999999999999999999', '"seed": true',
    '"stop": [""]', '"stop": ["a", 1]', '"stop": "' + "x" * 501 + '"', '"messages": []', '"messages": {}',
    '"messages": [' + ", ".join(['{"role": "user", "content": "a"}'] * 2001) + "]",
    r'"messages": [{"role": "user", "content": "\ud800 hi"}]', r'"stop": ["\udc00"]', '"stream": 3',
    '"messages": ' + "[" * 100_000, '"model": "' + "m" * 501 + '"',
]  # fmt: skip


@pytest.mark.parametrize("change", BAD, ids=[each[:45] for each in BAD])
def test_what_makes_no_sense_is_refused(server, change):
    kept = {"model": f'"{FIRST}"', "messages": '[{"role": "user", "content": "Hi"}]', "max_tokens": "4"}
    rest = ", ".join(f'"{name}": {value}' for name, value in kept.items() if f'"{name}"' not in change[:20])
    answer = httpx.post(
        f"{server.url}/v1/chat/completions",
        content=f"{{{change}, {rest}}}",
        headers={"Content-Type": "application/json"},
        timeout=60,
    )
    assert answer.status_code == 400, answer.text
    assert answer.json()["error"]["type"] == "invalid_request_error"


def test_the_bounds_themselves_are_taken_and_break_nobody(server):
    """The hottest, coldest and most penalised that are taken, beside an answer that is under way all the time."""
    edges: list[dict[str, Any]] = [
        {"temperature": 0.01, "repetition_penalty": 0.1}, {"temperature": 0.01, "repetition_penalty": 10},
        {"temperature": 5, "top_p": 0.01}, {"temperature": 0.01, "top_k": 1_000_000}, {"min_p": 1}, {"temperature": 0},
        {"seed": -(2**63) + 1}, {"max_tokens": 1_000_000, "stop": ["e", "a", " "]},
    ]  # fmt: skip
    with ThreadPoolExecutor(9) as pool:
        long = pool.submit(ask, server, {"model": ENDLESS, "max_tokens": 300})
        answers = list(pool.map(lambda edge: ask(server, edge), edges))
        assert [answer.status_code for answer in answers] == [200] * len(edges)
        assert long.result().status_code == 200


def test_an_answer_that_is_not_finite_ends_alone(server):
    """A model that is broken for one word, asked with it in the middle of others' answers."""
    import torch

    from rlhf.causal_model import load_causal_lm
    from rlhf.chat_format import load_tokenizer

    healthy = server.store / ENDLESS
    model, tokenizer = load_causal_lm(healthy), load_tokenizer(healthy)
    (token,) = tokenizer.encode("~", add_special_tokens=False)
    with torch.no_grad():
        model.get_input_embeddings().weight[token] = torch.nan
    model.save_pretrained(server.store / "models/broken")
    tokenizer.save_pretrained(server.store / "models/broken")
    others = {"model": "models/broken", "max_tokens": 200, "seed": 4}
    alone = ask(server, others).json()["choices"]
    word = others | {"messages": [{"role": "user", "content": "a ~"}], "n": 2}
    with ThreadPoolExecutor(9) as pool:
        beside = [pool.submit(ask, server, others) for _ in range(3)]
        broken = [pool.submit(ask, server, word | {"stream": stream}) for stream in (False, True, False)]
        assert [each.result().json()["choices"] for each in beside] == [alone] * 3
    for each in broken:
        assert "not finite" in each.result().text
    assert broken[0].result().status_code == 500
    assert server.answers == 0


def test_the_bounds_are_those_of_the_learning_library():
    from app import input as app_input
    from rlhf import types

    assert app_input.LEAST_TEMPERATURE == types.LEAST_TEMPERATURE


def test_the_processes_that_compute_do_not_know_the_secret(monkeypatch):
    from workers.runs.attempt import child_environment

    monkeypatch.setenv("HONE_INFERENCE_SECRET", SECRET)
    assert SECRET not in child_environment(1).values()
    assert SECRET in os.environ.values()
