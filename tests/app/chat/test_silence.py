"""A model server that says nothing: slow is not silent, and silent is told in a sentence, with what there was of the
answer kept."""

import asyncio
import time
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from app.models import TurnState
from app.registry import inference as client
from app.settings import get_settings
from app.web.errors import Unavailable
from tests.app.chat.conftest import Chat
from tests.app.conftest import Browser
from tests.faults.proxy import Proxy
from tests.inference_server import ENDLESS, InferenceServer


@pytest.fixture
def line(chat: Chat, inference: InferenceServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    """What lies between the pages and the model server."""
    there = urlsplit(inference.url)
    with Proxy((there.hostname or "", there.port or 0)) as proxy:
        monkeypatch.setenv("HONE_INFERENCE_URL", f"http://127.0.0.1:{proxy.port}/v1")
        get_settings.cache_clear()
        yield proxy


def ask(anne: Browser, chat: Chat) -> float:
    """Send a message and wait for what becomes of it; in how many seconds."""
    began = time.monotonic()
    assert anne.submit(chat.url, content="Hello").status_code == 303
    return time.monotonic() - began


def test_a_slow_server_is_not_silent(anne: Browser, chat: Chat, line: Proxy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "QUIET", 0.0)  # however quick it is, it is asked at every word
    chat.never_end(8)  # so that there are words enough
    ask(anne, chat)
    assert chat.turns()[-1].state is TurnState.DONE
    assert line.taken > 3, "it was not asked meanwhile"


def test_silence_before_the_answer_is_told_in_time(anne: Browser, chat: Chat, line: Proxy) -> None:
    line.freeze()
    assert ask(anne, chat) < client.QUIET + client.PROBE_SECONDS + 10
    failed = chat.turns()[-1]
    assert failed.state is TurnState.FAILED
    assert failed.error == "The model server has fallen silent. Try again in a moment."
    line.thaw()
    anne.submit(f"{chat.url}/{chat.conversation().id}/turns/{failed.id}/regenerate")
    assert chat.turns()[-1].state is TurnState.DONE


def test_silence_in_the_middle_ends_the_answer(line: Proxy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "QUIET", 1.0)
    monkeypatch.setattr(client, "PROBE_SECONDS", 2.0)

    pieces = []

    async def read() -> None:
        messages = [{"role": "user", "content": "Hello"}]
        async for piece in client.respond(ENDLESS, messages, {"max_tokens": 8000}):
            pieces.append(piece)
            if len(pieces) == 5:
                line.freeze()

    with pytest.raises(Unavailable, match="fallen silent"):
        asyncio.run(read())
    assert len(pieces) >= 5
