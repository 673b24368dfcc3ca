"""The inference server, `python -m workers.inference.server`: an OpenAI-compatible API over the models of the store.

    GET  /v1/models                 the policies of the store; a model's name is its address there, e.g. models/7
    POST /v1/chat/completions       plain or streamed, several choices, stop texts, seeds
    ... with a model sources/<id>   what answers from elsewhere, for the platform alone (`workers.inference.elsewhere`)
    GET  /healthz                   what is loaded, how many responses are under way

A process of its own, since it holds models and computes all the time. It asks nobody who they are but for
HONE_INFERENCE_SECRET, so it listens on this machine only, unless told otherwise: the pages in front of it know who may
talk to which model. A conversation
that does not fit into the model's context is refused (400, `context_length_exceeded`), never cut in silence.
"""

import asyncio
import logging
import os
import secrets
import socket
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import uvicorn
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from app import extensions, logs
from app.registry import inference
from app.settings import get_settings
from rlhf.chat_format import encode_prompt
from rlhf.config import Doc, Ge, InputError, Le, parse_config, run_cli
from rlhf.decoding import Finished
from rlhf.picking import response_seed
from rlhf.runtime import pick_device, pick_dtype, set_threads
from rlhf.types import Draw
from workers.inference import elsewhere
from workers.inference.engine import Engine, Ticket
from workers.inference.guard import MAX_BODY, Guard
from workers.inference.models import LoadedModel, ModelStore
from workers.inference.protocol import DEFAULT_MAX_TOKENS, ApiError, ChatRequest, Reply, usage
from workers.inference.stream import DONE, EventStream, data
from workers.runs.threads import threads_for

log = logging.getLogger(__name__)

LEAST_ROOM = 16  # tokens a response must have left in the context
# For products of bfloat16 a CPU gets programs of its own for each length of prompt, 2 MB of them. Two caches, oneDNN's
# and torch's, keep 1,024 each unless told otherwise, and grow to a gigabyte over the hours of a server; so many suffice
# for the decoding steps of all numbers of rows and the prompts of the last minutes.
PROGRAMS = dict.fromkeys(("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "LRU_CACHE_CAPACITY"), "256")


@dataclass(frozen=True)
class ServingConfig:
    """Serve the models of Hone's store over an OpenAI-compatible API."""

    host: Annotated[str, Doc("Address to listen on; there is no sign-in, so others only behind a private network.")] = (
        "127.0.0.1"
    )
    port: Annotated[int | None, Ge(1), Le(65535), Doc("Port; none: HONE_INFERENCE_PORT, or the web port + 1.")] = None
    store: Annotated[Path | None, Doc("Folder of the models; none: Hone's own store.")] = None
    device: Annotated[str, Doc("auto, cpu, cuda or cuda:<n>.")] = "auto"
    max_rows: Annotated[int, Ge(1), Le(1024), Doc("Answers decoded at once.")] = 32
    max_waiting: Annotated[int, Ge(0), Doc("Answers that may wait for a place; more are refused with 503.")] = 64
    max_tokens: Annotated[int, Ge(128), Doc("Tokens of all answers at once, prompts included: bounds memory.")] = 65_536
    keep: Annotated[int, Ge(1), Doc("Models kept in memory, the most recently used.")] = 3
    seconds: Annotated[float, Ge(1), Doc("Time after which an answer is given up.")] = 600.0


def create_app(config: ServingConfig) -> Guard:
    """The guarded server over one store; its decoding thread lives as long as the application's lifespan."""
    extensions.load()
    device = pick_device(config.device)
    store = ModelStore(config.store or get_settings().store, config.keep, device, pick_dtype("auto", device))
    engine = Engine(config.max_rows, config.max_waiting, config.max_tokens, config.seconds)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        yield
        engine.stop()

    app = FastAPI(
        title="Hone inference", lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url=None,
        max_body_size=MAX_BODY,
    )  # fmt: skip
    _install_errors(app)

    @app.get("/healthz")
    async def health(request: Request) -> JSONResponse:
        state: dict[str, Any] = {"status": "ok" if engine.alive else "failed"}
        if request.state.known:
            state |= {"device": str(device), "loaded": store.loaded()} | engine.load
        return JSONResponse(state, 200 if engine.alive else 503)

    @app.get("/v1/models")
    async def models() -> dict[str, Any]:
        found = await run_in_threadpool(store.addresses)
        rows = [{"id": name, "object": "model", "created": at, "owned_by": "hone"} for name, at in found]
        return {"object": "list", "data": rows}

    @app.get("/v1/models/{address:path}")
    async def model(address: str) -> dict[str, Any]:
        folder = await run_in_threadpool(store.folder, address)
        created = int((folder / "config.json").stat().st_mtime)
        return {"id": address, "object": "model", "created": created, "owned_by": "hone"}

    @app.post("/v1/chat/completions")
    async def complete(request: Request, asked: ChatRequest) -> Response:
        if (model_id := inference.named_elsewhere(asked.model)) is not None:
            return await _elsewhere(request, asked, model_id)
        engine.check_room(asked.choices)  # before a model is loaded for somebody who would then be turned away
        loaded = await run_in_threadpool(store.get, asked.model)
        prompt = await run_in_threadpool(_encode, asked, loaded)
        ticket = engine.submit(loaded, prompt, _draws(asked, loaded, len(prompt)))
        if asked.stream:
            return EventStream(_chunks(ticket, asked), lambda: engine.release(ticket))
        try:
            body = await _unless_left(request, _whole(ticket, asked))
            return Response(status_code=499) if body is None else JSONResponse(body)
        finally:
            engine.release(ticket)

    settings = get_settings()
    return Guard(app, config.host, settings.inference_names, settings.inference_secret)


async def _elsewhere(request: Request, asked: ChatRequest, model_id: int) -> Response:
    elsewhere.require_ours(asked.model, request.headers)
    pieces = elsewhere.parts(model_id, asked, elsewhere.project_in(request.headers))
    if asked.stream:
        return EventStream(elsewhere.chunks(pieces, asked), lambda: None)
    body = await _unless_left(request, elsewhere.whole(pieces, asked.model))
    return Response(status_code=499) if body is None else JSONResponse(body)


def _encode(asked: ChatRequest, loaded: LoadedModel) -> list[int]:
    try:
        ids = encode_prompt(loaded.tokenizer, asked.conversation)
    except InputError as error:
        raise ApiError(400, f"{error}.", param="messages") from None
    room = min(LEAST_ROOM, asked.asked_tokens or LEAST_ROOM)
    if len(ids) + room > loaded.context:
        raise ApiError(
            400,
            f"This conversation has {len(ids):,} tokens; the model reads at most {loaded.context:,} together with its "
            "answer. Leave out older turns or shorten the message.",
            code="context_length_exceeded",
            param="messages",
        )
    return ids


def _draws(asked: ChatRequest, loaded: LoadedModel, prompt_tokens: int) -> tuple[Draw, ...]:
    room = loaded.context - prompt_tokens
    settings = asked.settings(min(asked.asked_tokens or DEFAULT_MAX_TOKENS, room))
    seed = secrets.randbits(48) if asked.seed is None else asked.seed
    return tuple(Draw(settings, response_seed(seed, 0, index)) for index in range(asked.choices))


async def _whole(ticket: Ticket, asked: ChatRequest) -> dict[str, Any]:
    responses: dict[int, tuple[str, str]] = {}
    tokens = 0
    async for event in ticket.events():
        if isinstance(event, Finished):
            responses[event.response_index] = (event.sample.text, event.sample.finish_reason)
            tokens += len(event.sample.response_ids)
    ordered = [responses[index] for index in sorted(responses)]
    return Reply(asked.model).whole(ordered, usage(len(ticket.request.prompt_ids), tokens))


async def _chunks(ticket: Ticket, asked: ChatRequest) -> AsyncIterator[str]:
    reply = Reply(asked.model)
    tokens = 0
    try:
        for index in range(asked.choices):
            yield data(reply.chunk(index, {"role": "assistant", "content": ""}))
        async for event in ticket.events():
            if isinstance(event, Finished):
                tokens += len(event.sample.response_ids)
                yield data(reply.chunk(event.response_index, {}, event.sample.finish_reason))
            else:
                yield data(reply.chunk(event.response_index, {"content": event.text}))
        if asked.stream_options and asked.stream_options.include_usage:
            yield data(reply.usage_chunk(usage(len(ticket.request.prompt_ids), tokens)))
    except ApiError as error:  # the status has left already: the error is the last thing in the stream
        yield data(error.body())
        return
    yield DONE


async def _unless_left(request: Request, work: Coroutine[Any, Any, dict[str, Any]]) -> dict[str, Any] | None:
    """The result of `work`, or None as soon as the reader hangs up."""
    working = asyncio.create_task(work)

    async def hung_up() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass

    leaving = asyncio.create_task(hung_up())
    try:
        await asyncio.wait({working, leaving}, return_when=asyncio.FIRST_COMPLETED)
        return working.result() if working.done() else None
    finally:
        working.cancel()
        leaving.cancel()


def _install_errors(app: FastAPI) -> None:
    """Every refusal in OpenAI's form, so that its clients raise their own exceptions with our sentence."""

    @app.exception_handler(ApiError)
    async def refused(request: Request, error: ApiError) -> JSONResponse:
        headers = {"Retry-After": str(error.retry_after)} if error.retry_after else None
        return JSONResponse(error.body(), error.status, headers=headers)

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"][1:]) or None
        said = str(first["msg"]).removeprefix("Value error, ")
        message = "The body is not valid JSON." if first["type"] == "json_invalid" else f"{field or 'request'}: {said}"
        return JSONResponse(ApiError(400, message, param=field).body(), 400)

    @app.exception_handler(HTTPException)
    async def unknown(request: Request, error: HTTPException) -> JSONResponse:
        message = f"{request.method} {request.url.path}: {error.detail}"
        return JSONResponse(ApiError(error.status_code, message).body(), error.status_code)

    @app.exception_handler(Exception)
    async def failed(request: Request, error: Exception) -> JSONResponse:
        body = ApiError(500, "The server failed; its log says why.", kind="server_error").body()
        return JSONResponse(body, 500)


def main(argv: list[str]) -> None:
    """Parse the flags and serve until a signal."""
    config = parse_config(ServingConfig, argv, prog="python -m workers.inference.server")
    for name, value in (PROGRAMS | {"OMP_NUM_THREADS": str(threads_for("serving"))}).items():
        os.environ.setdefault(name, value)
    set_threads()
    settings = get_settings()
    port = config.port or settings.inference_port or settings.port + 1
    level = settings.log_level.lower()
    logs.configure()
    try:
        listening = socket.create_server(
            (config.host, port), family=socket.AF_INET6 if ":" in config.host else socket.AF_INET
        )
    except OSError as error:
        reason = os.strerror(error.errno or 0).lower()
        raise InputError(f"cannot listen on {config.host}:{port} ({reason}); choose another port with --port") from None
    app = create_app(config)
    uvicorn.Server(
        uvicorn.Config(app, log_config=None, log_level=level, access_log=False, timeout_graceful_shutdown=5)
    ).run(sockets=[listening])


if __name__ == "__main__":
    run_cli(main)
