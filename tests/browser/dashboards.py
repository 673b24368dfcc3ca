"""Many people's pages of one run, as far as the server sees them: each holds one stream of events open."""

import asyncio
import json
import time
from collections import defaultdict
from contextlib import suppress
from threading import Thread

import httpx


class Dashboards:
    """`count` readers in a thread of their own. `heard[step]` are the moments at which they were told of a step."""

    def __init__(self, url: str, tokens: list[str], count: int) -> None:
        """`tokens` are those of the people, who have as many pages open each."""
        self.heard: dict[int, list[float]] = defaultdict(list)
        self.requests = self.open = 0
        self._url, self._tokens, self._count = url, tokens, count
        self._loop = asyncio.new_event_loop()
        self._thread = Thread(target=self._loop.run_until_complete, args=(self._all(),), daemon=True)

    def __enter__(self) -> "Dashboards":
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._loop.call_soon_threadsafe(self._watching.cancel)
        self._thread.join(20)
        self._loop.close()

    async def _all(self) -> None:
        async with httpx.AsyncClient(timeout=None, limits=httpx.Limits()) as client:
            people = (self._tokens[number % len(self._tokens)] for number in range(self._count))
            self._watching = asyncio.gather(*(self._watch(client, token) for token in people))
            with suppress(asyncio.CancelledError):
                await self._watching

    async def _watch(self, client: httpx.AsyncClient, token: str) -> None:
        headers = {"Authorization": f"Bearer {token}"}
        while True:  # a browser connects again when the line breaks: that would count as a request
            self.requests += 1
            async with client.stream("GET", self._url, headers=headers) as answer:
                assert answer.status_code == 200
                self.open += 1
                event = ""
                async for line in answer.aiter_lines():
                    if line.startswith("event: "):
                        event = line[7:]
                    elif line.startswith("data: ") and event == "points":
                        for step in json.loads(line[6:])["objective/kl"][0]:
                            self.heard[step].append(time.monotonic())
