"""One question to an API that misbehaves: each way of it is a sentence, and a key is never among the words."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from app.registry.endpoints import Call
from app.settings import get_settings
from tests.endpoint_server import EndpointServer
from tests.workers.sources.conftest import KEY
from workers.sources.client import Client, Response, Usage
from workers.sources.errors import Again, GivenUp, SourceError, Unusable

ASKED = [{"role": "user", "content": "Hello?"}]
SETTINGS = {"temperature": 0.7, "top_p": 0.9, "top_k": 0, "max_tokens": 50}


def call(api: EndpointServer, model: str, **over: Any) -> Call:
    values = {
        "model_id": 1, "name": "Theirs", "base_url": api.url, "served_name": model, "key_name": "main",
        "requests_per_minute": 1000, "at_once": 4,
    }  # fmt: skip
    return Call(**values | over)


def ask(api: EndpointServer, model: str, seconds: float = 5.0, **over: Any) -> Response:
    async def once() -> Response:
        async with Client(call(api, model, **over), seconds) as client:
            return await client.ask(ASKED, SETTINGS)

    return asyncio.run(once())


def stream(api: EndpointServer, model: str, seconds: float = 5.0) -> tuple[str, Response | None, SourceError | None]:
    async def once() -> tuple[str, Response | None, SourceError | None]:
        text, answer = "", None
        async with Client(call(api, model), seconds) as client:
            try:
                async for part in client.stream(ASKED, SETTINGS):
                    if isinstance(part, str):
                        text += part
                    else:
                        answer = part
            except SourceError as error:
                return text, None, error
        return text, answer, None

    return asyncio.run(once())


def test_a_good_answer(api: EndpointServer):
    assert ask(api, "good") == Response("Answer 1 to: Hello?", "stop", Usage(7, 5, estimated=False))
    headers, body = api.asked[0]
    assert headers["authorization"] == f"Bearer {KEY}"
    assert headers[":path"] == "/v1/chat/completions"
    assert body == {
        "model": "good", "messages": ASKED, "temperature": 0.7, "top_p": 0.9, "max_tokens": 50, "stream": False,
    }  # fmt: skip


def test_no_header_but_those_needed_leaves(api: EndpointServer, monkeypatch: pytest.MonkeyPatch):
    for name in ("OPENAI_API_KEY", "OPENAI_ADMIN_KEY", "OPENAI_ORG_ID", "OPENAI_PROJECT_ID"):
        monkeypatch.setenv(name, "of-this-machine")
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", "X-Mine: of-this-machine")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:1/v1")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    ask(api, "good", key_name=None)
    names = {name for name in api.asked[0][0] if not name.startswith(":")}
    assert names == {"host", "accept", "accept-encoding", "content-length", "content-type", "user-agent"}
    assert "of-this-machine" not in str(api.asked)


@pytest.mark.parametrize(
    ("model", "kind", "says"),
    [
        ("status-400", Unusable, "refuses this request (400): Status 400 it is."),
        ("status-401", GivenUp, "refuses the key “main” (401): Status 401 it is."),
        ("status-402", GivenUp, "answers with status 402"),
        ("status-403", GivenUp, "does not permit this (403)"),
        ("status-404", GivenUp, "knows no model “status-404”"),
        ("status-418", GivenUp, "answers with status 418"),
        ("status-422", Unusable, "refuses this request (422)"),
        ("status-429", Again, "asked too often (429)"),
        ("status-500", Again, "It failed (500): Status 500 it is."),
        ("status-503", Again, "It failed (503)"),
        ("patience", GivenUp, "asks to wait for 86,400 seconds (429)"),
        ("quota", GivenUp, "has no quota left (429): You exceeded your current quota."),
        ("nothing", Again, "broke off"),
        ("silence", Again, "did not finish its answer within 1 seconds"),
        ("drip", Again, "did not finish its answer within 1 seconds"),
        ("html", Again, "is no chat completion. It began with “<!doctype html>"),
        ("half", Again, "broke off in the middle"),
        ("invalid", Again, "is no chat completion"),
        ("no-choices", Again, "is no chat completion"),
        ("deep", Again, "is no chat completion"),
        ("enormous", Unusable, "more than 16,777,216 octets"),
        ("packed", Unusable, "packs its answers"),
        ("elsewhere", GivenUp, "It redirects to http://169.254.169.254/v1?Bearer [key], and redirects are not"),
        ("filtered", Unusable, "content filter"),
        ("refusal", Unusable, "refuses to answer"),
        ("empty", Unusable, "is empty"),
        ("spent", Unusable, "spent before it wrote anything"),
        ("tools", Unusable, "call a tool"),
        ("echo", Unusable, "I got Bearer [key]"),
    ],
)  # fmt: skip
def test_each_failure_is_a_sentence(api: EndpointServer, model: str, kind: type[SourceError], says: str):
    with pytest.raises(SourceError) as caught:
        ask(api, model, seconds=1.0 if model in ("silence", "drip") else 20.0)
    assert type(caught.value) is kind, caught.value
    assert says in str(caught.value)
    assert KEY not in str(caught.value)
    assert str(caught.value)[0].isupper()
    assert str(caught.value).endswith((".", "?"))


def test_who_is_not_there(api: EndpointServer):
    with pytest.raises(Again, match="No connection to it can be made"):
        ask(api, "good", base_url="http://127.0.0.1:1/v1")
    with pytest.raises(Again, match="No connection to it can be made"):
        ask(api, "good", base_url="http://no-such-host.invalid/v1")


def test_a_refusal_in_many_words_is_an_answer(api: EndpointServer):
    answer = ask(api, "wordy-refusal")
    assert answer.text.startswith("I am sorry, but no.")
    assert answer.usage.tokens_out == 1000


def test_what_was_cut_says_so(api: EndpointServer):
    assert ask(api, "cut").finish_reason == "length"


@pytest.mark.parametrize("model", ["uncounted", "miscounted"])
def test_tokens_that_nobody_counted_are_estimated(api: EndpointServer, model: str):
    # "Hello?" has 6 octets: 2 tokens and 8 for the frame; "Answer 1 to: Hello?" has 19: 5.
    assert ask(api, model).usage == Usage(10, 5, estimated=True)


def test_another_models_name_is_told(api: EndpointServer):
    assert ask(api, "impostor").served_name == "somebody-else-7b"
    assert ask(api, "good").served_name is None


def test_an_answer_holds_no_key_and_nothing_unwritable(api: EndpointServer):
    assert ask(api, "echo-text").text == "Your header was Bearer [key]."
    text = ask(api, "surrogate").text
    assert text == "half \ufffd a pair \ufffd"
    json.dumps(text, ensure_ascii=False).encode()


def test_the_other_word_for_length(api: EndpointServer):
    assert ask(api, "other-word").text
    assert [sorted({"max_tokens", "max_completion_tokens"} & set(body)) for _, body in api.asked] == [
        ["max_tokens"],
        ["max_completion_tokens"],
    ]


def test_a_stream(api: EndpointServer):
    text, answer, error = stream(api, "good")
    assert error is None
    assert answer == Response(text, "stop", Usage(7, 5, estimated=False), None)
    assert text == "Answer 1 to: Hello? "
    assert stream(api, "uncounted")[1].usage.estimated  # type: ignore[union-attr]


def test_a_key_that_comes_back_in_pieces_is_not_shown(api: EndpointServer):
    text, answer, error = stream(api, "echo-pieces")
    assert error is None
    assert text.strip() == "sk-sk [key] and [key] sk-a-key"
    assert answer is not None
    assert answer.text == text


def test_a_stream_of_an_api_that_cannot_be_asked_to_count(api: EndpointServer):
    text, answer, error = stream(api, "other-stream")
    assert error is None
    assert answer is not None
    assert text == answer.text == "Answer 2 to: Hello? "
    assert "stream_options" not in api.asked[1][1]


@pytest.mark.parametrize(
    ("model", "text", "says"),
    [
        ("half-stream", "Once upon", "broke off in the middle"),
        ("bad-stream", "Once upon", "a form that cannot be read"),
        ("error-stream", "", "The GPU is on fire"),
        ("html", "", "sent no answer"),
        ("silence", "", "did not finish its answer within 1 seconds"),
        ("status-401", "", "refuses the key"),
        ("elsewhere", "", "redirects are not followed"),
        ("filtered", "", "content filter"),
        ("enormous", "", "octets"),
        ("nothing", "", "broke off"),
    ],
)
def test_each_failure_of_a_stream(api: EndpointServer, model: str, text: str, says: str):
    got, answer, error = stream(api, model, seconds=1.0 if model == "silence" else 20.0)
    assert answer is None
    assert got.strip() == text
    assert says in str(error)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "HONE_ENDPOINT_KEYS, cannot be read (no such file or directory)"),
        ("{", "is not valid JSON"),
        ("[]", "has no key named “main”"),
        ('{"other": "x"}', "has no key named “main”"),
        ('{"main": ""}', "has no key named “main”"),
        ('{"main": "a\\nb"}', "has no key named “main”"),
        ('{"main": 5}', "has no key named “main”"),
    ],
)
def test_a_list_of_keys_that_is_of_no_use(api: EndpointServer, content: str | None, says: str):
    path = Path(str(get_settings().endpoint_keys))
    path.unlink() if content is None else path.write_text(content)
    with pytest.raises(GivenUp) as caught:
        ask(api, "good")
    assert says in str(caught.value)
    assert not api.asked


def test_no_list_of_keys(api: EndpointServer, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("HONE_ENDPOINT_KEYS")
    get_settings.cache_clear()
    with pytest.raises(GivenUp, match="HONE_ENDPOINT_KEYS is not set"):
        ask(api, "good")
    assert ask(api, "good", key_name=None).text
