"""The inference server as its clients see it: a real process over tiny models, the official client, raw HTTP."""

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import openai
import psutil
import pytest

from rlhf.chat_format import load_tokenizer
from tests.inference_server import ENDLESS, FIRST, SECOND, InferenceServer, make_store, serving
from tests.rlhf import architectures

HELLO: Any = [{"role": "user", "content": "Hello there"}]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InferenceServer]:
    """Eight answers at once, sixteen waiting, two models in memory."""
    store = make_store(tmp_path_factory.mktemp("serving") / "store")
    with serving(store, "--max_rows", "8", "--max_waiting", "16", "--keep", "1", "--max_tokens", "16000") as running:
        yield running


@pytest.fixture(scope="module")
def client(server: InferenceServer) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=0, timeout=60)


def wait_until(condition: Any, seconds: float) -> float:
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < seconds, "it did not happen in time"
        time.sleep(0.02)
    return time.monotonic() - began


def test_the_models_are_the_policies_of_the_store(client: openai.OpenAI) -> None:
    assert [model.id for model in client.models.list()] == [FIRST, SECOND, ENDLESS]
    assert client.models.retrieve(SECOND).id == SECOND


def test_a_plain_answer(client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(model=FIRST, messages=HELLO, max_tokens=30)
    (choice,) = answer.choices
    assert choice.message.role == "assistant"
    assert choice.message.content
    assert choice.finish_reason in ("stop", "length")
    assert answer.model == FIRST
    assert answer.usage is not None
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens


def test_a_stream_is_the_plain_answer_in_pieces(client: openai.OpenAI) -> None:
    settings: Any = {"model": FIRST, "messages": HELLO, "max_tokens": 40, "seed": 5}
    plain = client.chat.completions.create(**settings)
    pieces, usage, reason = [], None, None
    for chunk in client.chat.completions.create(**settings, stream=True, stream_options={"include_usage": True}):
        usage = chunk.usage or usage
        for choice in chunk.choices:
            pieces.append(choice.delta.content or "")
            reason = choice.finish_reason or reason
    assert "".join(pieces) == plain.choices[0].message.content
    assert reason == plain.choices[0].finish_reason
    assert usage == plain.usage
    assert len(pieces) > 3


def test_several_choices_differ_and_a_seed_repeats_them(client: openai.OpenAI) -> None:
    def ask(seed: int) -> list[str | None]:
        answer = client.chat.completions.create(model=FIRST, messages=HELLO, n=3, seed=seed, max_tokens=30)
        assert [choice.index for choice in answer.choices] == [0, 1, 2]
        return [choice.message.content for choice in answer.choices]

    first = ask(1)
    assert len(set(first)) == 3
    assert ask(1) == first
    assert ask(2) != first


def test_temperature_zero_takes_the_most_probable_token(client: openai.OpenAI) -> None:
    answers = {
        client.chat.completions.create(model=FIRST, messages=HELLO, temperature=0, max_tokens=12, seed=seed)
        .choices[0]
        .message.content
        for seed in (1, 2, 3)
    }
    assert len(answers) == 1


def test_stop_texts_end_the_answer_and_are_not_in_it(client: openai.OpenAI) -> None:
    whole = (
        client.chat.completions.create(model=FIRST, messages=HELLO, seed=3, max_tokens=30).choices[0].message.content
    )
    assert whole
    word = whole.split()[2]
    cut = client.chat.completions.create(model=FIRST, messages=HELLO, seed=3, max_tokens=30, stop=[word]).choices[0]
    assert cut.finish_reason == "stop"
    assert cut.message.content == whole[: whole.index(word)]


def test_max_tokens_cuts(client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(model=FIRST, messages=HELLO, max_completion_tokens=1, temperature=0)
    assert answer.usage is not None
    assert answer.usage.completion_tokens == 1


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"messages": []}, "messages"),
        ({"temperature": -1}, "temperature"),
        ({"n": 99}, "n:"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, "only text"),
        ({"messages": [{"role": "assistant", "content": "I begin"}]}, "last message"),
        ({"tools": [{"type": "function"}]}, "tools is not supported"),
        ({"stop": ["x"] * 17}, "stop takes at most 16"),
    ],
)
def test_bad_input_is_refused_in_openai_s_form(client: openai.OpenAI, change: dict[str, Any], says: str) -> None:
    with pytest.raises(openai.BadRequestError, match=says) as refusal:
        client.chat.completions.create(**({"model": FIRST, "messages": HELLO} | change))
    assert refusal.value.type == "invalid_request_error"


@pytest.mark.parametrize(
    "name",
    ["models/9", "../models/1", "/etc/passwd", "models/../../x", "models/reward", "", ".", "models", "models/1/../1"],
)
def test_only_policies_inside_the_store_are_served(server: InferenceServer, name: str) -> None:
    answer = httpx.post(f"{server.url}/v1/chat/completions", json={"model": name, "messages": HELLO})
    assert answer.status_code in (400, 404)
    assert answer.json()["error"]["type"] == "invalid_request_error"
    assert str(server.store) not in answer.text


def test_a_link_out_of_the_store_is_not_followed(server: InferenceServer, tmp_path: Path) -> None:
    outside = make_store(tmp_path / "elsewhere") / FIRST
    link = server.store / "models/link"
    link.symlink_to(outside)
    try:
        answer = httpx.post(f"{server.url}/v1/chat/completions", json={"model": "models/link", "messages": HELLO})
        assert answer.status_code == 404
    finally:
        link.unlink()


def test_a_pickled_model_is_not_loaded(server: InferenceServer) -> None:
    folder = server.store / "models/pickled"
    folder.mkdir()
    (folder / "config.json").write_text((server.store / FIRST / "config.json").read_text())
    (folder / "pytorch_model.bin").write_bytes(b"cos\nsystem\n(S'touch /tmp/pwned'\ntR.")
    answer = httpx.post(f"{server.url}/v1/chat/completions", json={"model": "models/pickled", "messages": HELLO})
    assert answer.status_code == 404
    assert "no safetensors" in answer.json()["error"]["message"]


def test_damaged_weights_are_a_sentence_and_the_server_goes_on(server: InferenceServer) -> None:
    folder = server.store / "models/damaged"
    folder.mkdir()
    for name in ("config.json", "tokenizer.json", "tokenizer_config.json"):
        (folder / name).write_bytes((server.store / FIRST / name).read_bytes())
    (folder / "model.safetensors").write_bytes(b"\x00" * 100)
    answer = httpx.post(
        f"{server.url}/v1/chat/completions", json={"model": "models/damaged", "messages": HELLO}, timeout=60
    )
    assert answer.status_code == 500
    assert "could not be loaded" in answer.json()["error"]["message"]
    assert httpx.get(f"{server.url}/healthz").json()["status"] == "ok"


def test_a_kind_of_model_that_cannot_answer_is_refused_by_name(server: InferenceServer) -> None:
    folder = architectures.save("gpt_neo", server.store / "models/neo", load_tokenizer(server.store / FIRST))
    answer = httpx.post(
        f"{server.url}/v1/chat/completions", json={"model": "models/neo", "messages": HELLO}, timeout=60
    )
    assert answer.status_code == 500
    sentence = answer.json()["error"]["message"]
    assert "'models/neo' could not be loaded: GPTNeoForCausalLM cannot be used for responses: of texts of" in sentence
    assert str(folder) not in sentence
    assert httpx.get(f"{server.url}/healthz").json()["status"] == "ok"


def test_a_conversation_beyond_the_context_is_refused(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match="at most 2,048") as refusal:
        client.chat.completions.create(model=FIRST, messages=[{"role": "user", "content": "zqx " * 3000}])
    assert refusal.value.code == "context_length_exceeded"


def test_a_hundred_thousand_characters_get_a_clear_sentence(client: openai.OpenAI) -> None:
    began = time.monotonic()
    with pytest.raises(openai.BadRequestError, match="Leave out older turns or shorten"):
        client.chat.completions.create(model=FIRST, messages=[{"role": "user", "content": "word " * 20_000}])
    assert time.monotonic() - began < 10


def test_broken_json_and_unknown_addresses(server: InferenceServer) -> None:
    broken = httpx.post(f"{server.url}/v1/chat/completions", content=b"{", headers={"Content-Type": "application/json"})
    assert (broken.status_code, broken.json()["error"]["message"]) == (400, "The body is not valid JSON.")
    assert httpx.get(f"{server.url}/v1/nothing").json()["error"]["type"] == "invalid_request_error"


def test_chats_at_once_all_end_and_answer_as_they_would_alone(client: openai.OpenAI) -> None:
    def ask(seed: int) -> str | None:
        answer = client.chat.completions.create(model=FIRST, messages=HELLO, seed=seed, temperature=0.7, max_tokens=40)
        return answer.choices[0].message.content

    alone = [ask(seed) for seed in range(12)]
    with ThreadPoolExecutor(12) as pool:
        assert list(pool.map(ask, range(12))) == alone


def test_both_models_answer_although_one_is_kept(client: openai.OpenAI, server: InferenceServer) -> None:
    said = []
    for model in (FIRST, SECOND, FIRST, SECOND):
        answer = client.chat.completions.create(model=model, messages=HELLO, temperature=0, max_tokens=12)
        said.append(answer.choices[0].message.content)
        assert httpx.get(f"{server.url}/healthz").json()["loaded"] == [model]
    assert said[:2] == said[2:]
    assert said[0] != said[1]


def endless(count: int) -> dict[str, Any]:
    """`count` answers that do not end by themselves."""
    return {"model": ENDLESS, "messages": HELLO, "n": count, "max_tokens": 1900, "stream": True}


def test_a_reader_who_leaves_a_stream_frees_the_place(server: InferenceServer) -> None:
    with httpx.stream("POST", f"{server.url}/v1/chat/completions", json=endless(8), timeout=60) as response:
        lines = response.iter_lines()
        while '"content": ""' in (line := next(lines)) or not line:
            pass
        assert server.answers == 8
    assert wait_until(lambda: server.answers == 0, 5) < 1.0


def test_a_reader_who_leaves_a_plain_request_frees_the_place(server: InferenceServer) -> None:
    body = endless(8) | {"stream": False}
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(f"{server.url}/v1/chat/completions", json=body, timeout=httpx.Timeout(60, read=0.3))
    assert wait_until(lambda: server.answers == 0, 5) < 1.0


def test_a_full_queue_asks_to_come_again(server: InferenceServer) -> None:
    url = f"{server.url}/v1/chat/completions"
    with (
        httpx.stream("POST", url, json=endless(8), timeout=60),
        httpx.stream("POST", url, json=endless(8), timeout=60),
        httpx.stream("POST", url, json=endless(8), timeout=60),
    ):
        wait_until(lambda: server.answers == 24, 5)
        refused = httpx.post(url, json={"model": FIRST, "messages": HELLO})
        assert refused.status_code == 503
        assert int(refused.headers["retry-after"]) > 0
        assert refused.json()["error"]["code"] == "overloaded"
    wait_until(lambda: server.answers == 0, 5)
    assert httpx.post(url, json={"model": FIRST, "messages": HELLO, "max_tokens": 3}).status_code == 200


def test_a_stream_is_events_that_end_with_done(server: InferenceServer) -> None:
    body = {"model": FIRST, "messages": HELLO, "stream": True, "max_tokens": 5}
    answer = httpx.post(f"{server.url}/v1/chat/completions", json=body)
    events = [block.removeprefix("data: ") for block in answer.text.strip().split("\n\n")]
    assert events[-1] == "[DONE]"
    assert all(json.loads(event)["object"] == "chat.completion.chunk" for event in events[:-1])


def test_a_taken_port_is_a_sentence(server: InferenceServer) -> None:
    import subprocess
    import sys

    port = server.url.rsplit(":", 1)[1]
    again = subprocess.run(
        [sys.executable, "-m", "workers.inference.server", "--store", str(server.store), "--port", port],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert again.returncode == 2
    assert (
        again.stderr.strip().splitlines()[-1].startswith(f"error: cannot listen on 127.0.0.1:{port} (address already")
    )
    assert "Traceback" not in again.stderr


def test_memory_stops_growing_while_prompts_of_ever_new_lengths_come(
    client: openai.OpenAI, server: InferenceServer
) -> None:
    """A CPU's products of bfloat16 have programs by length, which are kept: the most recent ones only."""

    def grown(words: range) -> float:
        before = psutil.Process(server.pid).memory_info().rss
        for count in words:
            message: Any = [{"role": "user", "content": "a " * count}]
            client.chat.completions.create(model=FIRST, messages=message, max_tokens=1)
        return (psutil.Process(server.pid).memory_info().rss - before) / 2**20

    grown(range(1, 120))
    assert grown(range(120, 240)) < 60, "MB; all of them are 220"
