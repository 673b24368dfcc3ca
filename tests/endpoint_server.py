"""A small OpenAI-compatible API that behaves as the model it is asked for says: well, or in one of many bad ways.

Plain sockets, since most of its bad manners are below what a web framework lets one do.
"""

import asyncio
import json
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

HTML = b"<!doctype html><title>Welcome</title><h1>It works</h1>"


class EndpointServer:
    """Where it listens, and what it was asked: (headers, body) of each request, in order."""

    def __init__(self) -> None:
        self.asked: list[tuple[dict[str, str], dict[str, Any]]] = []
        self.seen: Counter[str] = Counter()  # by model
        self.failing = 0  # so many requests to "flaky" fail first
        self.port = 0
        self.at_once: Counter[str] = Counter()  # by model: what nobody waits for any more may still be under way
        self.most_at_once: Counter[str] = Counter()

    @property
    def url(self) -> str:
        """Its base URL."""
        return f"http://127.0.0.1:{self.port}/v1"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, one request."""
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            lines = head.split("\r\n")
            headers = {k.lower(): v.strip() for k, _, v in (line.partition(":") for line in lines[1:] if line)}
            body = json.loads(await reader.readexactly(int(headers.get("content-length", 0))) or b"{}")
            self.asked.append((headers | {":path": lines[0].split()[1]}, body))
            model = str(body.get("model"))
            self.seen[model] += 1
            self.at_once[model] += 1
            self.most_at_once[model] = max(self.most_at_once[model], self.at_once[model])
            try:
                await self._answer(writer, model, body, headers)
            finally:
                self.at_once[model] -= 1
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    async def _answer(
        self, writer: asyncio.StreamWriter, model: str, body: dict[str, Any], headers: dict[str, str]
    ) -> None:
        if model.startswith("status-"):
            status = int(model.split("-")[1])
            _send(writer, status, _error(f"Status {status} it is"))
        elif model == "flaky":
            self.failing -= 1
            if self.failing >= 0:
                _send(writer, 429, _error("Slow down"), "Retry-After: 0")
            else:
                await self._well(writer, body)
        elif model == "patience":
            _send(writer, 429, _error("Come back tomorrow"), "Retry-After: 86400")
        elif model == "quota":
            _send(writer, 429, _error("You exceeded your current quota", code="insufficient_quota"))
        elif model == "nothing":
            return
        elif model == "silence":
            await asyncio.sleep(60)
        elif model == "drip":
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 9999\r\n\r\n")
            for _ in range(600):
                writer.write(b" ")
                await writer.drain()
                await asyncio.sleep(0.1)
        elif model == "html":
            _send(writer, 200, HTML, kind="text/html")
        elif model == "half":
            writer.write(
                b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 500\r\n\r\n{"choices": ['
            )
            await writer.drain()
        elif model == "half-stream":
            _begin_stream(writer)
            _event(writer, {"content": "Once upon"})
        elif model == "bad-stream":
            _begin_stream(writer)
            _event(writer, {"content": "Once upon"})
            writer.write(b"data: {not json\n\n")
        elif model == "error-stream":
            _begin_stream(writer)
            writer.write(b'data: {"error": {"message": "The GPU is on fire"}}\n\n')
        elif model == "invalid":
            _send(writer, 200, b'{"choices": [{"message": ')
        elif model == "no-choices":
            _send(writer, 200, b'{"choices": []}')
        elif model == "deep":
            _send(writer, 200, b"[" * 100_000)
        elif model == "enormous":
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n")
            for _ in range(64):
                writer.write(b"x" * 2**20)
                await writer.drain()
        elif model == "packed":
            _send(writer, 200, b"", "Content-Encoding: gzip")
        elif model == "elsewhere":
            _send(writer, 307, b"", f"Location: http://169.254.169.254/v1?{headers.get('authorization', '')[:200]}")
        elif model == "echo":
            _send(writer, 400, _error(f"I got {headers.get('authorization')}"))
        elif model == "echo-text":
            await self._well(writer, body, text=f"Your header was {headers.get('authorization')}.")
        elif model == "other-word" and "max_tokens" in body:
            _send(writer, 400, _error("Unsupported parameter: use 'max_completion_tokens' instead of 'max_tokens'"))
        elif model == "echo-pieces":
            _begin_stream(writer)
            key = headers["authorization"].removeprefix("Bearer ")
            for letter in f"sk-sk {key} and {key} {key[:8]}":
                _event(writer, {"content": letter}, model=model)
            _event(writer, {}, "stop", model)
        elif model == "other-stream" and "stream_options" in body:
            _send(writer, 400, _error("Unrecognized request argument supplied: stream_options"))
        else:
            await self._well(writer, body)

    async def _well(self, writer: asyncio.StreamWriter, body: dict[str, Any], text: str | None = None) -> None:
        model, number = str(body["model"]), len(self.asked)
        said = str(body["messages"][-1]["content"]) if body.get("messages") else ""
        message: dict[str, Any] = {"role": "assistant", "content": text or f"Answer {number} to: {said}"}
        reason, usage, name = "stop", {"prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 12}, model
        if model == "filtered" or (model == "choosy" and "[bad]" in said):
            message["content"], reason = None, "content_filter"
        elif model == "refusal":
            message |= {"content": None, "refusal": "I cannot help with that."}
        elif model == "wordy-refusal":
            message["content"], usage = "I am sorry, but no. " * 250, {"prompt_tokens": 7, "completion_tokens": 1000}
        elif model == "empty":
            message["content"] = "  \n"
        elif model == "spent":
            message["content"], reason = "", "length"
        elif model == "tools":
            message |= {"content": None, "tool_calls": [{"id": "1", "type": "function"}]}
            reason = "tool_calls"
        elif model == "cut":
            reason = "length"
        elif model == "impostor":
            name = "somebody-else-7b"
        elif model == "surrogate":
            message["content"] = "half \ud800 a pair \x00"
        elif model == "same":
            message["content"] = "Always the very same words."
        elif model == "slow":
            await asyncio.sleep(0.3)
        given = {"id": "x", "object": "chat.completion", "model": name}
        if body.get("stream"):
            _begin_stream(writer)
            for piece in str(message["content"] or "").split(" "):
                _event(writer, {"content": f"{piece} "}, model=name)
            _event(writer, {}, reason, name)
            if model != "uncounted":
                writer.write(b"data: " + json.dumps(given | {"choices": [], "usage": usage}).encode() + b"\n\n")
            writer.write(b"data: [DONE]\n\n")
            return
        if model == "uncounted":
            usage = {}
        elif model == "miscounted":
            usage = {"prompt_tokens": -5, "completion_tokens": 10**12}
        choice = {"index": 0, "message": message, "finish_reason": reason}
        _send(writer, 200, json.dumps(given | {"choices": [choice], "usage": usage}).encode())


def _error(message: str, code: str | None = None) -> bytes:
    return json.dumps({"error": {"message": message, "type": "error", "code": code}}).encode()


def _send(
    writer: asyncio.StreamWriter, status: int, body: bytes, *headers: str, kind: str = "application/json"
) -> None:
    lines = [f"HTTP/1.1 {status} X", f"Content-Type: {kind}", f"Content-Length: {len(body)}", "Connection: close"]
    writer.write("\r\n".join([*lines, *headers, "", ""]).encode() + body)


def _begin_stream(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n")


def _event(writer: asyncio.StreamWriter, delta: dict[str, Any], reason: str | None = None, model: str = "m") -> None:
    chunk = {"id": "x", "model": model, "choices": [{"index": 0, "delta": delta, "finish_reason": reason}]}
    writer.write(b"data: " + json.dumps(chunk).encode() + b"\n\n")


@contextmanager
def misbehaving() -> Iterator[EndpointServer]:
    """The server, in a thread of its own."""
    server, loop = EndpointServer(), asyncio.new_event_loop()

    async def start() -> None:
        listening = await asyncio.start_server(server.serve, "127.0.0.1", 0)
        server.port = listening.sockets[0].getsockname()[1]

    async def stop() -> None:
        others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    def run() -> None:
        asyncio.set_event_loop(loop)
        loop.create_task(start())
        loop.run_forever()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    while not server.port:
        time.sleep(0.01)
    try:
        yield server
    finally:
        asyncio.run_coroutine_threadsafe(stop(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()
