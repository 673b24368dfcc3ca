"""The client of an OpenAI-compatible server: Hone's own (`workers.inference`), or another that took its place.

Knows the wire format and turns what can go wrong into sentences for the reader. Knows no conversation and no database.
"""

import asyncio
import json
import logging
from collections.abc import AsyncGenerator, Awaitable
from dataclasses import dataclass
from functools import lru_cache
from ssl import SSLContext
from typing import Any, TypeVar

import httpx

from app.models import Messages
from app.settings import get_settings
from app.web.errors import Unavailable
from app.web.signing import is_signed, sign

log = logging.getLogger(__name__)
Result = TypeVar("Result")

_TIMEOUT = httpx.Timeout(connect=3.0, read=300.0, write=10.0, pool=5.0)  # reading includes loading the model
_ELSEWHERE, _PURPOSE = "sources/", "sources"
SIGNATURE = "X-Hone-Signature"
PROJECT = "X-Hone-Project"
"""The project whose tokens are spent, by its number."""
QUIET = 10.0  # seconds without a word after which the server is asked whether it is there
PROBE_SECONDS = 5.0  # seconds in which one that is there answers
_AWAY = "The model server is starting or not running. Try again in a moment."
_SILENT = "The model server has fallen silent. Try again in a moment."


class TooLong(Exception):
    """The conversation does not fit into the model's context."""


@dataclass(frozen=True)
class End:
    """The response is complete; `reason` is stop or length."""

    reason: str


@lru_cache
def _tls() -> SSLContext:
    return httpx.create_ssl_context()  # 20 ms of reading certificates, once


def elsewhere(model_id: int) -> str:
    """What Hone's inference server calls a model that answers from elsewhere than a folder."""
    return f"{_ELSEWHERE}{model_id}"


def named_elsewhere(address: str) -> int | None:
    """The id of the model that such a name stands for; None for a folder's."""
    digits = address.removeprefix(_ELSEWHERE)
    known = address.startswith(_ELSEWHERE) and digits.isascii() and digits.isdigit() and len(digits) < 19
    return int(digits) if known else None


def is_ours(address: str, signature: str) -> bool:
    """Whether a request for such a model comes from the platform. It may cost money."""
    return is_signed(_PURPOSE, address, signature)


async def respond(
    model: str, messages: Messages, settings: dict[str, Any], project_id: int | None = None
) -> AsyncGenerator[str | End]:
    """Pieces of the response as they come, then its End. Raises Unavailable with a sentence, or TooLong.

    Leaving the iteration closes the connection, which frees the server's place at once.
    """
    body = {"model": model, "messages": messages, "stream": True, **settings}
    url = f"{get_settings().inference_base_url}/chat/completions"
    try:
        async with httpx.AsyncClient(timeout=_TIMEOUT, verify=_tls()) as client:
            headers = {"Accept": "text/event-stream"} | get_settings().inference_headers
            if named_elsewhere(model) is not None:
                headers[SIGNATURE] = sign(_PURPOSE, model)
                headers |= {PROJECT: str(project_id)} if project_id is not None else {}
            request = client.build_request("POST", url, json=body, headers=headers)
            response = await _unless_silent(client.send(request, stream=True))
            try:
                if not response.is_success:
                    await _unless_silent(response.aread())
                    raise _refusal(response)
                async for piece in _pieces(response):
                    yield piece
            finally:
                await response.aclose()
    except (httpx.ConnectError, httpx.ConnectTimeout):
        raise Unavailable(_AWAY) from None
    except httpx.TimeoutException:
        raise Unavailable("The model server took too long to answer. Try again in a moment.") from None
    except httpx.HTTPError as error:
        log.warning("the connection to the model server broke off: %r", error)
        raise Unavailable("The connection to the model server broke off. Try again in a moment.") from None


async def _unless_silent(work: Awaitable[Result]) -> Result:
    """What `work` brings. A server that loads a model or computes says nothing for minutes: whenever it has been quiet
    for a while it is asked something trivial, and Unavailable is raised where it does not answer that."""
    working = asyncio.ensure_future(work)
    try:
        while not (await asyncio.wait({working}, timeout=QUIET))[0]:
            if not await _is_up():
                log.warning("the model server is silent")
                raise Unavailable(_SILENT)
        return working.result()
    finally:
        if not working.done():
            working.cancel()
            await asyncio.gather(working, return_exceptions=True)


async def _is_up() -> bool:
    try:
        async with httpx.AsyncClient(timeout=PROBE_SECONDS, verify=_tls()) as client:
            await client.get(f"{get_settings().inference_base_url}/models")
    except httpx.HTTPError:
        return False
    return True


async def _pieces(response: httpx.Response) -> AsyncGenerator[str | End]:
    lines = response.aiter_lines()
    while (line := await _unless_silent(anext(lines, None))) is not None:
        if not line.startswith("data:"):
            continue
        data = line[5:].strip()
        if data == "[DONE]":
            return
        try:
            chunk = json.loads(data)
        except ValueError:
            log.warning("the model server sent an event that is not JSON: %.200r", data)
            raise Unavailable("The model server answers in a form that Hone cannot read.") from None
        if error := chunk.get("error"):
            raise Unavailable(_sentence(error))
        for choice in chunk.get("choices", [])[:1]:
            if text := (choice.get("delta") or {}).get("content"):
                yield text
            if reason := choice.get("finish_reason"):
                yield End("length" if reason == "length" else "stop")


def _refusal(response: httpx.Response) -> Exception:
    try:
        error = response.json().get("error") or response.json()
    except (ValueError, AttributeError):
        error = {}
    message = _sentence(error)
    if response.status_code == 400 and (
        error.get("code") == "context_length_exceeded" or "context length" in message.lower()
    ):
        return TooLong(message)
    if response.status_code in (429, 503):
        return Unavailable("All places of the model server are taken. Try again in a few seconds.")
    if response.status_code == 404:
        return Unavailable("The model server does not have this model. A manager can see why on the policies page.")
    log.warning("the model server answered %d: %.500s", response.status_code, message)
    return Unavailable(f"The model server could not answer: {message}")


def _sentence(error: Any) -> str:
    message = error.get("message") if isinstance(error, dict) else error
    return str(message or "it gave no reason.")[:500]
