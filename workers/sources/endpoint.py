"""Models behind somebody's API: asked in this process, a few requests at once, no faster and for no more than was
permitted. What came back is in the attempt's folder before anything else happens to it."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable
from typing import Any, TypeVar

from anyio.to_thread import run_sync
from sqlalchemy.orm import Session

from app.db import task_session
from app.models import Messages, Run
from app.registry import endpoints
from app.registry.endpoints import Call
from app.web import rate_limits
from app.web.errors import TooMany
from rlhf.similarity import repeats
from workers.runs.attempt import AWAY, Attempt, Failed, Released
from workers.runs.deadlines import BEAT_SECONDS
from workers.sources.client import Client, Response
from workers.sources.errors import Again, GivenUp, SourceError, Unusable
from workers.sources.response_file import ResponseFile
from workers.sources.source import Asked, End, Row
from workers.sources.texts import count, estimate

T = TypeVar("T")
TRIES = 6
FIRST_PAUSE = 1.0  # seconds after the first try; twice as long after each further one
PATIENCE = 10  # answers that cannot be used, with none that can, before a run is given up


class Endpoint:
    """A source; see `workers.sources.source.Source`. `seconds`: for one answer."""

    def __init__(self, seconds: float = 300.0, first_pause: float = FIRST_PAUSE) -> None:
        self.seconds, self.first_pause = seconds, first_pause

    def respond(self, attempt: Attempt, asked: Asked) -> list[Row]:
        """Ask for each response by itself, so that none is asked for twice."""
        with task_session() as session:
            call = endpoints.call(session, asked.model_id)
            project_id = session.get_one(Run, attempt.run_id).project_id
        part = _Part(attempt, asked, call, self, project_id)
        try:
            asyncio.run(part.all())
        except SourceError as error:
            kept = "" if not part.kept else f" The {part.kept:,} answers that came are kept."
            raise Failed(f"{call.name}: {error}{kept} Resume the run to go on.") from None
        return part.answered()

    async def stream(
        self, model_id: int, messages: Messages, settings: dict[str, Any], project_id: int | None = None
    ) -> AsyncIterator[str | End]:
        """One response in pieces, counted as any."""
        call = await _in_thread(lambda session: endpoints.call(session, model_id))
        async with Client(call, self.seconds) as client:
            await _turn(call, at_once=True)
            reserved = await _reserve(call, messages, settings, project_id)
            text, taken, estimated, reason = "", reserved, sum(reserved), "stop"
            try:
                async for piece in client.stream(messages, settings):
                    if isinstance(piece, str):
                        text += piece
                        taken = (reserved[0], count(text))
                        estimated = sum(taken)
                        yield piece
                    else:
                        taken, reason = (piece.usage.tokens_in, piece.usage.tokens_out), piece.finish_reason
                        estimated = sum(taken) if piece.usage.estimated else 0
            except (Again, GivenUp):
                if not text:
                    taken, estimated = (0, 0), 0
                raise
            finally:
                await asyncio.shield(_settle(call, reserved, taken, estimated, project_id))
            yield End(reason, *taken)


class _Part:
    """One run's questions to one endpoint."""

    def __init__(self, attempt: Attempt, asked: Asked, call: Call, how: Endpoint, project_id: int | None) -> None:
        self.attempt, self.asked, self.call, self.how, self.project_id = attempt, asked, call, how, project_id
        self.file = ResponseFile(attempt.folder / f"{asked.name}.jsonl")
        self.settings = _settings(asked.settings)
        self.usable = self.unusable = self.under_way = 0
        self.settled = asyncio.Event()

    @property
    def kept(self) -> int:
        """Responses in the file."""
        return len(self.file.lines)

    def answered(self) -> list[Row]:
        """The rows all of whose responses are there, those that cannot be used left out."""
        n = self.asked.settings["n"]
        rows = []
        for row in self.asked.rows:
            lines = [self.file.lines.get((row["id"], place)) for place in range(n)]
            if all(line is not None for line in lines):
                rows.append(_row(row, [line for line in lines if line is not None], self.asked.settings))
        return rows

    async def all(self) -> None:
        """Ask for what is not there yet, and beat meanwhile."""
        n = self.asked.settings["n"]
        todo = ((row, place) for row in self.asked.rows for place in range(n))
        left = iter([(row, place) for row, place in todo if (row["id"], place) not in self.file.lines])
        async with Client(self.call, self.how.seconds) as client:

            async def work() -> None:
                for row, place in left:
                    await self._one(client, row, place)

            working = [asyncio.create_task(work()) for _ in range(self.call.at_once)]
            everything = asyncio.gather(*working)
            try:
                while True:
                    done, _ = await asyncio.wait([everything], timeout=BEAT_SECONDS)
                    await self._tell()
                    if done:
                        break
                everything.result()
            finally:
                everything.cancel()
                await asyncio.gather(everything, *working, return_exceptions=True)
        notes = [note for line in self.file.lines.values() for note in line["notes"]]
        if self.asked.rows and not self.file.usable:
            raise GivenUp(f"None of its answers can be used. The last one: {notes[-1]}")
        self.asked.notes = dict(Counter(notes))

    async def _tell(self) -> None:
        """Hand on what is whole, and beat. While the database is away, work goes on for as long as our claim holds."""

        def tell() -> None:
            self.asked.take(self.attempt, self.answered())
            self.attempt.beat(self.asked.progress())

        try:
            await run_sync(tell)
        except AWAY:
            if not self.attempt.holds:
                raise Released("the database did not answer for too long") from None

    async def _one(self, client: Client, row: Row, place: int) -> None:
        settings = self.settings(place)
        try:
            response = await self._patiently(client, row["prompt"], settings)
        except Unusable as error:
            self.unusable += 1
            self.file.add(row["id"], place, {"notes": [str(error)]})
            if not self.usable and self.unusable >= PATIENCE:
                raise GivenUp(f"None of its first {PATIENCE} answers can be used. The last one: {error}") from None
            return
        self.usable += 1
        other = response.served_name
        notes = [f"It says that “{other}” answered, not “{self.call.served_name}”."] if other else []
        self.file.add(row["id"], place, {"notes": notes, "response": _response(response, settings)})

    async def _patiently(self, client: Client, messages: Messages, settings: dict[str, Any]) -> Response:
        for number in range(TRIES):
            try:
                return await self._counted(client, messages, settings)
            except Again as error:
                last = error
            if number < TRIES - 1:
                pause = self.how.first_pause * 2**number * random.uniform(0.75, 1.25)  # noqa: S311  no secret
                await asyncio.sleep(max(pause, last.seconds or 0.0))
        raise GivenUp(f"{last} That was the last of {TRIES} tries.")

    async def _counted(self, client: Client, messages: Messages, settings: dict[str, Any]) -> Response:
        await _turn(self.call)
        if not self.attempt.holds:
            raise Released("the database did not answer for too long")
        while True:
            try:
                reserved = await self._insist(lambda: _reserve(self.call, messages, settings, self.project_id))
                break
            except GivenUp:  # it may be that what is under way takes less than its most
                if not self.under_way:
                    raise
                self.settled.clear()
                await self.settled.wait()
        self.under_way += 1
        taken, estimated = reserved, sum(reserved)  # where nobody says what it took, or we do not wait for it
        try:
            response = await client.ask(messages, settings)
            taken = (response.usage.tokens_in, response.usage.tokens_out)
            estimated = sum(taken) if response.usage.estimated else 0
            return response
        except (Again, GivenUp):
            taken, estimated = (0, 0), 0
            raise
        finally:
            self.under_way -= 1
            settled = self._insist(lambda: _settle(self.call, reserved, taken, estimated, self.project_id))
            await asyncio.shield(settled)
            self.settled.set()

    async def _insist(self, write: Callable[[], Any]) -> Any:
        """Write, and try again while the database is away and our claim holds."""
        while True:
            try:
                return await write()
            except AWAY:
                if not self.attempt.holds:
                    raise
                await asyncio.sleep(BEAT_SECONDS)


def _settings(given: dict[str, Any]) -> Callable[[int], dict[str, Any]]:
    """What the API is asked for the response at a place: of mixed ones the first is greedy."""

    def at(place: int) -> dict[str, Any]:
        greedy = given["strategy"] == "greedy" or (given["strategy"] == "mixed" and place == 0)
        length = {"max_tokens": given["max_new_tokens"]}
        if greedy:
            return length | {"temperature": 0.0}
        return length | {name: given[name] for name in ("temperature", "top_p", "top_k")}

    return at


def _response(response: Response, settings: dict[str, Any]) -> Row:
    """As `rlhf.sample` writes a response; tokens are null where the API did not count them."""
    greedy = settings["temperature"] == 0.0
    return {
        "text": response.text,
        "finish_reason": response.finish_reason,
        "tokens": None if response.usage.estimated else response.usage.tokens_out,
        "strategy": "greedy" if greedy else "stochastic",
        "temperature": None if greedy else settings["temperature"],
        "top_p": settings.get("top_p"),
        "top_k": settings.get("top_k"),
    }


def _row(row: Row, lines: list[Row], settings: dict[str, Any]) -> Row:
    responses = [line["response"] for line in lines if "response" in line]
    made = {**row, "responses": responses}
    if len(responses) > 1 and repeats([response["text"] for response in responses]):
        made["duplicate"] = True
    return made


async def _turn(call: Call, at_once: bool = False) -> None:
    """Wait until the rate permits one more request, whoever asks; Again where there is no time to wait."""
    while True:
        try:
            await run_sync(rate_limits.hit, f"{call.requests_per_minute}/minute", "endpoint", str(call.model_id))
            return
        except TooMany as full:
            if at_once:
                raise Again(f"{call.name} is asked as often as it may be. Try again in a few seconds.") from None
            await asyncio.sleep(min(full.retry_after, 1.0))


async def _reserve(call: Call, messages: Messages, settings: dict[str, Any], project_id: int | None) -> tuple[int, int]:
    """Count a request at its most; GivenUp where that would pass the endpoint's limit or the project's quota."""
    wanted = (estimate(messages), int(settings.get("max_tokens") or 0))
    refusal = await _in_thread(lambda session: endpoints.reserve(session, call.model_id, *wanted, project_id))
    if refusal is not None:
        raise GivenUp(refusal)
    return wanted


async def _settle(
    call: Call, reserved: tuple[int, int], taken: tuple[int, int], estimated: int, project_id: int | None
) -> None:
    def settle(session: Session) -> None:
        endpoints.settle(session, call.model_id, reserved, taken, estimated, project_id)

    await _in_thread(settle)


async def _in_thread(write: Callable[[Any], T]) -> T:
    def work() -> T:
        with task_session() as session:
            return write(session)

    return await run_sync(work)
