"""Chat with models that answer from elsewhere than a folder of this store. The keys they need are known to this server
and not to the pages in front of it."""

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers

from app.db import task_session
from app.models import Model
from app.registry import inference
from app.registry import service as registry
from app.web.errors import NotFound, Refused
from workers.inference.protocol import DEFAULT_MAX_TOKENS, ApiError, ChatRequest, Reply, usage
from workers.inference.stream import DONE, data
from workers.sources.errors import SourceError
from workers.sources.registry import source_of
from workers.sources.source import End, Source

Parts = AsyncIterator[str | End]


def require_ours(address: str, headers: Headers) -> None:
    """These models may cost money: nobody is answered but the platform itself. Raises ApiError."""
    if not inference.is_ours(address, headers.get(inference.SIGNATURE, "")):
        raise ApiError(401, "Only the platform itself may ask this model.", code="invalid_api_key")


def project_in(headers: Headers) -> int | None:
    """The project that a request is for, where it says so."""
    said = headers.get(inference.PROJECT, "")
    return int(said) if said.isascii() and said.isdigit() and len(said) < 19 else None


async def parts(model_id: int, asked: ChatRequest, project_id: int | None = None) -> Parts:
    """The response in pieces, then its End. Raises ApiError with a sentence."""
    if asked.choices > 1:
        raise ApiError(400, "This model is asked for one answer at a time.", param="n")
    settings: dict[str, Any] = {"max_tokens": asked.asked_tokens or DEFAULT_MAX_TOKENS}
    given = {"temperature": asked.temperature, "top_p": asked.top_p, "top_k": max(0, asked.top_k) or None}
    settings |= {name: value for name, value in given.items() if value is not None}
    try:
        source = await run_in_threadpool(_source, model_id)
        async with aclosing(source.stream(model_id, asked.conversation, settings, project_id)) as pieces:  # type: ignore[type-var]
            async for piece in pieces:
                yield piece
    except (SourceError, Refused) as error:
        raise ApiError(502, str(error), kind="server_error") from None


def _source(model_id: int) -> Source:
    with task_session() as session:
        model = session.get(Model, model_id)
        if model is None:
            raise NotFound("There is no such model.")
        registry.require_usable(model)
        return source_of(model)


async def whole(pieces: Parts, model: str) -> dict[str, Any]:
    """The body of an answer that is not streamed."""
    text, end = "", End("stop", 0, 0)
    async for piece in pieces:
        if isinstance(piece, End):
            end = piece
        else:
            text += piece
    return Reply(model).whole([(text, end.reason)], usage(end.tokens_in, end.tokens_out))


async def chunks(pieces: Parts, asked: ChatRequest) -> AsyncIterator[str]:
    """The events of one that is."""
    reply = Reply(asked.model)
    end = End("stop", 0, 0)
    try:
        yield data(reply.chunk(0, {"role": "assistant", "content": ""}))
        async for piece in pieces:
            if isinstance(piece, End):
                end = piece
                yield data(reply.chunk(0, {}, piece.reason))
            else:
                yield data(reply.chunk(0, {"content": piece}))
        if asked.stream_options and asked.stream_options.include_usage:
            yield data(reply.usage_chunk(usage(end.tokens_in, end.tokens_out)))
    except ApiError as error:  # the status has left already: the error is the last thing in the stream
        yield data(error.body())
        return
    yield DONE
