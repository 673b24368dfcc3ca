"""One thread that decodes for everybody: requests join and leave the running batch, token by token.

Each loaded model has a `rlhf.decoding.Decoder`; the thread steps those that are busy in turn. Callers live in an event
loop: they submit a request, read its events from a queue of their own, and cancel it when their reader leaves. What
the engine knows of HTTP is nothing; of the queue's bound, everything.
"""

import asyncio
import logging
import queue
import threading
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

from rlhf.config import InputError
from rlhf.decoding import Broken, Decoder, Event, Finished, Piece, Request
from rlhf.types import Draw
from workers.inference.models import LoadedModel
from workers.inference.protocol import ApiError

log = logging.getLogger(__name__)


@dataclass(eq=False)
class Ticket:
    """One request under way, from submission to its last response, or to its cancellation."""

    loaded: LoadedModel
    request: Request
    loop: asyncio.AbstractEventLoop
    deadline: float  # by the loop's clock
    inbox: "asyncio.Queue[Event | ApiError]" = field(default_factory=asyncio.Queue)

    async def events(self) -> AsyncIterator[Piece | Finished]:
        """Pieces and finished responses until all are finished. Raises ApiError where the engine gives up."""
        left = len(self.request.draws)
        while left:
            try:
                async with asyncio.timeout_at(self.deadline):
                    event = await self.inbox.get()
            except TimeoutError:
                raise ApiError(504, "The answer took too long and was given up.", kind="server_error") from None
            if isinstance(event, ApiError):
                raise event
            if isinstance(event, Broken):
                raise ApiError(
                    500,
                    "The model computed numbers that are not finite for this answer. Try other settings for sampling.",
                    kind="server_error",
                )
            yield event
            left -= isinstance(event, Finished)


class Engine:
    """Decodes `max_rows` answers at once and lets `max_waiting` more wait; others are asked to come again."""

    def __init__(self, max_rows: int, max_waiting: int, max_tokens: int, seconds: float) -> None:
        self.max_rows, self.max_waiting, self.max_tokens, self.seconds = max_rows, max_waiting, max_tokens, seconds
        self._commands: queue.SimpleQueue[tuple[str, Ticket | None]] = queue.SimpleQueue()
        self._decoders: dict[str, tuple[LoadedModel, Decoder]] = {}
        self._tickets: dict[int, Ticket] = {}
        self._held = 0  # responses submitted and not yet given up; touched by the event loop's thread only
        self._thread = threading.Thread(target=self._run, name="decoding", daemon=True)
        self._thread.start()

    @property
    def alive(self) -> bool:
        return self._thread.is_alive()

    @property
    def load(self) -> dict[str, int]:
        """Responses under way or waiting, and how many there may be."""
        return {"answers": self._held, "most": self.max_rows + self.max_waiting}

    def check_room(self, responses: int) -> None:
        """Raises ApiError 503 while the queue is full."""
        if self._held + responses > self.max_rows + self.max_waiting:
            raise ApiError(
                503,
                "The server has all the chats it can take. Try again in a few seconds.",
                kind="server_error",
                code="overloaded",
                retry_after=2,
            )

    def submit(self, loaded: LoadedModel, prompt_ids: list[int], draws: tuple[Draw, ...]) -> Ticket:
        """Hand over a request. Every ticket has to be released, however it ends."""
        self.check_room(len(draws))
        loop = asyncio.get_running_loop()
        request = Request(object(), prompt_ids, draws, stream=True)
        ticket = Ticket(loaded, request, loop, loop.time() + self.seconds)
        self._held += len(draws)
        self._commands.put(("add", ticket))
        return ticket

    def release(self, ticket: Ticket) -> None:
        """Its reader needs nothing more: unfinished responses leave the batch at the next token."""
        self._held -= len(ticket.request.draws)
        self._commands.put(("drop", ticket))

    def stop(self) -> None:
        """End the thread; what is under way is lost."""
        self._commands.put(("stop", None))
        self._thread.join(timeout=10)

    def _run(self) -> None:
        while True:
            busy = [name for name, (_, decoder) in self._decoders.items() if decoder.busy]
            while not self._commands.empty() or not busy:
                command, ticket = self._commands.get()
                if ticket is None:
                    return
                name = ticket.loaded.address
                self._obey(command, ticket)
                if name not in busy and name in self._decoders and self._decoders[name][1].busy:
                    busy.append(name)
            for name in busy:
                self._step(name)

    def _obey(self, command: str, ticket: Ticket) -> None:
        name = ticket.loaded.address
        key = id(ticket.request.id)
        if command == "drop":
            if self._tickets.pop(key, None) is not None and name in self._decoders:
                self._decoders[name][1].cancel(ticket.request.id)
            return
        try:
            self._decoder(ticket.loaded).add(ticket.request)
        except InputError as error:
            _deliver({ticket: [ApiError(400, f"{error}.", code="context_length_exceeded", param="messages")]})
        except Exception:  # no memory for its cache, say: this thread serves others too
            log.exception("a request to %s could not be taken up", name)
            _deliver({ticket: [ApiError(500, "The model could not take up this request.", kind="server_error")]})
        else:
            self._tickets[key] = ticket

    def _decoder(self, loaded: LoadedModel) -> Decoder:
        """The model's decoder; those of models that have rested since another was loaded give their memory back."""
        known = self._decoders.get(loaded.address)
        if known is None or known[0] is not loaded:
            self._decoders = {name: kept for name, kept in self._decoders.items() if kept[1].busy}
            decoder = Decoder(loaded.model, loaded.tokenizer, max_rows=self.max_rows, max_tokens=self.max_tokens)
            known = self._decoders[loaded.address] = (loaded, decoder)
        return known[1]

    def _step(self, name: str) -> None:
        try:
            events = self._decoders[name][1].step()
        except Exception:  # out of memory, a model's own failure: those who wait are told, the server goes on
            log.exception("decoding with %s failed; its requests are given up", name)
            del self._decoders[name]
            failed = ApiError(500, "The model failed while it was answering. Try again.", kind="server_error")
            lost = [key for key, ticket in self._tickets.items() if ticket.loaded.address == name]
            _deliver({self._tickets.pop(key): [failed] for key in lost})
            return
        mail: dict[Ticket, list[Any]] = {}
        for event in events:
            if ticket := self._tickets.get(id(event.request.id)):
                mail.setdefault(ticket, []).append(event)
        _deliver(mail)


def _deliver(mail: dict[Ticket, list[Any]]) -> None:
    """Put each ticket's events into its queue: one call into the event loop a step, not one an event."""

    def put() -> None:
        for ticket, events in mail.items():
            for event in events:
                ticket.inbox.put_nowait(event)

    for loop in {ticket.loop for ticket in mail}:
        try:
            loop.call_soon_threadsafe(put)
        except RuntimeError:
            return  # the loop is closed: the server stops
