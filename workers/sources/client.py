"""One question to an OpenAI-compatible API, whole or streamed, with the `openai` client; each way in which it can go
wrong as a sentence. Knows no run and counts nothing."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import httpx2
import openai
from pydantic import BaseModel, Field, ValidationError

from app.models import Messages
from app.registry.endpoints import Call
from workers.sources.egress import Forbidden, TooMuch, Transport
from workers.sources.errors import Again, GivenUp, SourceError, Unusable
from workers.sources.keys import key_of
from workers.sources.texts import begun, clean, count, estimate, judge

LONGEST_WAIT = 120.0  # seconds that an API may ask us to wait; for longer the run is given up
for _noisy in ("openai", "httpx2", "httpcore2"):  # which would log each request, at their finest with its headers
    logging.getLogger(_noisy).setLevel(logging.WARNING)


@dataclass(frozen=True)
class Usage:
    """Tokens of one request. `estimated`: by our own count, since the API gave none."""

    tokens_in: int
    tokens_out: int
    estimated: bool


@dataclass(frozen=True)
class Response:
    """What came back. `served_name`: who answered, where that is somebody else than was asked for."""

    text: str
    finish_reason: str  # stop | length
    usage: Usage
    served_name: str | None = None


class _Message(BaseModel):
    content: str | None = None
    refusal: str | None = None
    tool_calls: list[Any] | None = None


class _Choice(BaseModel):
    message: _Message
    finish_reason: str | None = None


class _Completion(BaseModel):
    choices: list[_Choice] = Field(min_length=1)
    model: str | None = None
    usage: Any = None


class _Counted(BaseModel):
    prompt_tokens: int = Field(ge=0, le=10_000_000)
    completion_tokens: int = Field(ge=0, le=10_000_000)


class Client:
    """Asks one endpoint. `async with` closes its connections. `seconds`: for one answer, from the first to its last."""

    def __init__(self, call: Call, seconds: float = 300.0) -> None:
        self.call, self.seconds = call, seconds
        self._key = key_of(call.key_name)
        self._length = "max_tokens"  # some APIs have another word for it
        self._counts = True  # in a stream; some APIs do not know how to ask for that
        http = httpx2.AsyncClient(
            transport=Transport(self._key), timeout=httpx2.Timeout(seconds, connect=10.0), follow_redirects=False,
            trust_env=False,
        )  # fmt: skip
        self._openai = openai.AsyncOpenAI(base_url=call.base_url, api_key="ours", http_client=http, max_retries=0)

    async def __aenter__(self) -> "Client":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._openai.close()

    async def ask(self, messages: Messages, settings: dict[str, Any]) -> Response:
        """The whole response. `settings`: temperature, top_p, top_k, max_tokens. Raises SourceError."""
        while True:
            try:
                return await self._ask(messages, settings)
            except _OtherWord:
                continue

    async def _ask(self, messages: Messages, settings: dict[str, Any]) -> Response:
        with self._told():
            async with asyncio.timeout(self.seconds):
                asking = self._openai.chat.completions.with_streaming_response.create(
                    **self._body(messages, settings), stream=False
                )
                async with asking as response:
                    body = await response.read()
            return self._response(body, messages)

    async def stream(self, messages: Messages, settings: dict[str, Any]) -> AsyncIterator[str | Response]:
        """Pieces of the response as they come, then all of it. Raises SourceError; what came before it stands."""
        while True:
            try:
                async for part in self._stream(messages, settings):
                    yield part
                return
            except _OtherWord:
                continue

    async def _stream(self, messages: Messages, settings: dict[str, Any]) -> AsyncIterator[str | Response]:
        text: list[str] = []
        reason, counted, served, held = None, None, None, ""
        with self._told():
            async with asyncio.timeout(self.seconds):
                body = self._body(messages, settings)
                if self._counts:
                    body["stream_options"] = {"include_usage": True}
                stream = await self._openai.chat.completions.create(**body, stream=True)
                async with stream:
                    async for chunk in stream:
                        served, counted = served or chunk.model, chunk.usage or counted
                        for choice in (chunk.choices or [])[:1]:
                            reason = choice.finish_reason or reason
                            held += choice.delta.content or ""
                            whole_yet = len(held) - begun(held, self._key)
                            if piece := clean(held[:whole_yet], self._key):
                                text.append(piece)
                                yield piece
                            held = held[whole_yet:]
                    if held:
                        text.append(clean(held, self._key))
                        yield text[-1]
            if reason is None:
                raise Again("It broke off in the middle of its answer." if text else "It sent no answer.")
            whole = "".join(text)
            judge(whole, reason)
            usage = self._usage(counted.model_dump() if counted else None, messages, whole)
        yield Response(whole, "length" if reason == "length" else "stop", usage, self._other(served))

    def _body(self, messages: Messages, settings: dict[str, Any]) -> dict[str, Any]:
        settings = dict(settings)
        body: dict[str, Any] = {"model": self.call.served_name, "messages": messages}
        if length := settings.pop("max_tokens", None):
            body[self._length] = length
        if top_k := settings.pop("top_k", None):  # an extension that not every API knows
            body["extra_body"] = {"top_k": top_k}
        return body | settings

    def _response(self, body: bytes, messages: Messages) -> Response:
        try:
            completion = _read(body)
        except ValueError:
            began = clean(body[:60].decode("utf-8", "replace"), self._key)
            said = f"It began with “{' '.join(began.split())}”." if began.strip() else "It was empty."
            raise Again(f"Its answer is no chat completion. {said} Is the base URL right?") from None
        choice = completion.choices[0]
        text = clean(choice.message.content or "", self._key)
        judge(text, choice.finish_reason, choice.message.refusal, calls_tool=bool(choice.message.tool_calls))
        usage = self._usage(completion.usage, messages, text)
        reason = "length" if choice.finish_reason == "length" else "stop"
        return Response(text, reason, usage, self._other(completion.model))

    def _usage(self, given: Any, messages: Messages, text: str) -> Usage:
        try:
            counted = _Counted.model_validate(given)
        except ValidationError:
            return Usage(estimate(messages), count(text), estimated=True)
        return Usage(counted.prompt_tokens, counted.completion_tokens, estimated=False)

    def _other(self, served: str | None) -> str | None:
        """The name that the response bears, unless it is the one asked for, or a version or path of it."""
        if not served:
            return None
        asked, given = self.call.served_name.lower(), served.lower()
        return None if asked in given or given in asked else clean(served, self._key)[:200]

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Turn what goes wrong within into a SourceError, whose sentence never holds the key."""
        try:
            yield
        except SourceError as error:
            error.args = (clean(str(error), self._key),)
            raise
        except TimeoutError:
            raise Again(f"It did not finish its answer within {self.seconds:.0f} seconds.") from None
        except openai.APIStatusError as error:
            raise self._refused(error) from None
        except (openai.OpenAIError, httpx2.HTTPError, Forbidden, TooMuch, ValueError) as error:
            raise self._broken(error) from None

    def _refused(self, error: openai.APIStatusError) -> Exception:
        status, said = error.status_code, self._said(error)
        if status in (400, 422) and "max_completion_tokens" in said and self._length == "max_tokens":
            self._length = "max_completion_tokens"
            return _OtherWord(said)
        if status in (400, 422) and "stream_options" in said and self._counts:
            self._counts = False
            return _OtherWord(said)
        if status == 401:
            key = f"the key “{self.call.key_name}”" if self._key else "requests without a key"
            return GivenUp(f"It refuses {key} (401){said}.")
        if status == 403:
            return GivenUp(f"It does not permit this (403){said}.")
        if status == 404:
            return GivenUp(f"It knows no model “{self.call.served_name}”, or nothing is at this base URL (404){said}.")
        if 300 <= status < 400:
            to = clean(error.response.headers.get("location", "elsewhere"), self._key)[:200]
            return GivenUp(f"It redirects to {to}, and redirects are not followed. Register the address itself.")
        if status == 429 and getattr(error, "code", None) == "insufficient_quota":
            return GivenUp(f"The account behind its key has no quota left (429){said}.")
        if status in (408, 409, 425, 429) or status >= 500:
            wait = _seconds(error.response.headers.get("retry-after"))
            if wait is not None and wait > LONGEST_WAIT:
                return GivenUp(f"It asks to wait for {wait:,.0f} seconds ({status}){said}.")
            word = "It is asked too often" if status == 429 else "It failed"
            return Again(f"{word} ({status}){said}.", wait)
        if status in (400, 413, 422):
            return Unusable(f"It refuses this request ({status}){said}.")
        return GivenUp(f"It answers with status {status}{said}.")

    def _said(self, error: openai.APIStatusError) -> str:
        body = error.body
        said = body.get("message") if isinstance(body, dict) else None
        if not isinstance(said, str) or not said.strip():
            return ""
        return ": " + " ".join(clean(said, self._key).split())[:300].rstrip(".")

    def _broken(self, error: BaseException) -> SourceError:
        causes = list(_causes(error))
        for cause in causes:
            if isinstance(cause, Forbidden):
                return GivenUp(str(cause))
            if isinstance(cause, TooMuch):
                return Unusable(str(cause))
        if any(isinstance(cause, httpx2.TimeoutException) for cause in causes):
            return Again("It does not answer in time.")
        if any(isinstance(cause, httpx2.ConnectError) for cause in causes):
            return Again("No connection to it can be made.")
        if any(isinstance(cause, httpx2.HTTPError) for cause in causes):
            return Again("It broke off in the middle of its answer.")
        if isinstance(error, openai.APIError) and error.message:
            return Again(f"It reports an error: {clean(error.message, self._key)[:300]}")
        return Again("It answers in a form that cannot be read.")


def _read(body: bytes) -> _Completion:
    """Raises ValueError where the body is none. The strict reader knows no half of a character, which some APIs send,
    and the other one is no match for what is nested deeply."""
    try:
        return _Completion.model_validate_json(body)
    except ValidationError:
        if body.count(b"[") + body.count(b"{") > 500:
            raise
        return _Completion.model_validate(json.loads(body))


class _OtherWord(Exception):
    """The API does not know one of our words: the question is put in others."""


def _seconds(value: str | None) -> float | None:
    """A Retry-After in seconds; None for a date, which our own patience covers."""
    try:
        return max(0.0, float(value or ""))
    except ValueError:
        return None


def _causes(error: BaseException) -> Iterator[BaseException]:
    seen: BaseException | None = error
    while seen is not None:
        yield seen
        seen = seen.__cause__ or seen.__context__
