"""Many people chat at once: time to the first token and to the end, on our server and on `transformers serve`.

    make bench-chats                                   # 32 chats, SmolLM2-135M-Instruct, both servers in turn
    python -m bench.chats --url http://host/v1 --name M     # any other OpenAI-compatible server

Every chat is the official `openai` client with a stream of its own, all begun in the same moment. The last line on
stdout is JSON; `failed` counts chats that did not end as they should.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import httpx
from openai import APIError, AsyncOpenAI
from rich.console import Console
from rich.table import Table

from bench.pairs import report, say
from rlhf.base_models import BUILTIN, prepare
from rlhf.config import Doc, Ge, RunFailed, parse_config, run_cli
from rlhf.data import load_prompts
from tests.ports import free_port


@dataclass(frozen=True)
class ChatsConfig:
    """Measures chats that are held at the same time."""

    chats: Annotated[int, Ge(1), Doc("How many at once.")] = 32
    max_tokens: Annotated[int, Ge(1), Doc("Longest answer.")] = 64
    prompts: Annotated[Path, Doc("What is asked.")] = Path("app/prompts/starter.jsonl")
    url: Annotated[
        str | None, Doc("Address of a server to measure, ending in /v1; none: ours, then transformers'.")
    ] = None
    name: Annotated[str, Doc("The model's name on that server.")] = "models/1"


@dataclass(frozen=True)
class Chat:
    """One answer: seconds to its first piece and to its end, and how many pieces came."""

    first: float
    total: float
    pieces: int


def main(argv: list[str]) -> None:
    config = parse_config(ChatsConfig, argv, prog="python -m bench.chats")
    rows, _ = load_prompts(config.prompts)
    questions = [row.messages for row in rows if len(row.messages) == 1][: config.chats]
    found: dict[str, dict[str, Any]] = {}
    if config.url:
        found[config.url] = measure(config, config.url, config.name, questions)
    else:
        with tempfile.TemporaryDirectory(prefix="bench-chats-") as folder:
            model = Path(folder) / "models" / "1"
            prepare(BUILTIN, model, say=say)
            for name, command, asked in servers(Path(folder), model):
                with running(name, command) as url:
                    found[name] = measure(config, url, asked, questions)
    table = Table(
        "server", "chats", "failed", "first token, median s", "slowest", "whole, median s", "slowest", "pieces/s"
    )
    for name, row in found.items():
        table.add_row(name, *(str(value) for value in row.values()))
    Console(stderr=True).print(table)
    report({"bench": "chats", "chats": config.chats, "max_tokens": config.max_tokens} | found)


def servers(store: Path, model: Path) -> Iterator[tuple[str, list[str], str]]:
    """(name, command, the model's name there) of each."""
    yield "hone", [sys.executable, "-m", "workers.inference.server", "--store", str(store), "--port"], "models/1"
    serve = str(Path(sys.executable).with_name("transformers"))
    yield "transformers serve", [serve, "serve", str(model), "--dtype", "bfloat16", "--port"], str(model)


@contextmanager
def running(name: str, command: list[str]) -> Iterator[str]:
    """The server of `command`, which ends with its port; yields its address."""
    port = free_port()
    say(f"starting {name}")
    server = subprocess.Popen([*command, str(port)], stdout=sys.stderr, env=os.environ | {"HF_HUB_OFFLINE": "1"})
    try:
        url = f"http://127.0.0.1:{port}/v1"
        deadline = time.monotonic() + 120
        while server.poll() is None and time.monotonic() < deadline:
            try:
                httpx.get(f"{url}/models")  # with whatever status: transformers fails here where nothing was downloaded
                break
            except httpx.TransportError:
                time.sleep(0.5)
        else:
            raise RunFailed(f"{name} did not start; what it said is above")
        yield url
    finally:
        server.terminate()
        server.wait(30)


def measure(config: ChatsConfig, url: str, model: str, questions: list[Any]) -> dict[str, Any]:
    """One chat to warm the server up, then all at once."""
    asyncio.run(_all(url, model, questions[:1], config.max_tokens))
    began = time.perf_counter()
    ended = asyncio.run(_all(url, model, questions, config.max_tokens))
    seconds = time.perf_counter() - began
    chats = [chat for chat in ended if isinstance(chat, Chat)]
    for failure in ended:
        if not isinstance(failure, Chat):
            say(f"a chat failed: {failure!r}")
    firsts, totals = sorted(chat.first for chat in chats), sorted(chat.total for chat in chats)
    return {
        "chats": len(ended),
        "failed": len(ended) - len(chats),
        "first_median_s": round(statistics.median(firsts), 2),
        "first_slowest_s": round(firsts[-1], 2),
        "whole_median_s": round(statistics.median(totals), 2),
        "whole_slowest_s": round(totals[-1], 2),
        "pieces_per_s": round(sum(chat.pieces for chat in chats) / seconds, 1),
    }


async def _all(url: str, model: str, questions: list[Any], max_tokens: int) -> list[Chat | BaseException]:
    async with AsyncOpenAI(base_url=url, api_key="none", max_retries=0, timeout=600) as client:
        chats = (_chat(client, model, messages, max_tokens) for messages in questions)
        return await asyncio.gather(*chats, return_exceptions=True)


async def _chat(client: AsyncOpenAI, model: str, messages: Any, max_tokens: int) -> Chat:
    began, first, pieces, reason = time.perf_counter(), None, 0, None
    stream = await client.chat.completions.create(
        model=model, messages=messages, max_tokens=max_tokens, stream=True, temperature=0.7, seed=1
    )
    async for chunk in stream:
        for choice in chunk.choices:
            if choice.delta.content:
                first = first or time.perf_counter() - began
                pieces += 1
            reason = choice.finish_reason or reason
    if reason not in ("stop", "length") or first is None:
        raise APIError(f"ended with {reason!r} after {pieces} pieces", request=stream.response.request, body=None)
    return Chat(first, time.perf_counter() - began, pieces)


if __name__ == "__main__":
    run_cli(main)
