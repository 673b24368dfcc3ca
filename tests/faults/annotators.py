"""People at the labelling screen of a running platform, over HTTP, as fast as it answers."""

import re
from dataclasses import dataclass, field
from threading import Event, Thread

import httpx

_LEASE = re.compile(r'name="assignment_id" value="(\d+)"')


@dataclass
class Annotator:
    """Answers "left" to everything until told to stop, the server goes away, or nothing is left."""

    url: str
    token: str
    answered: list[int] = field(default_factory=list)  # assignments whose answer was received well
    unsure: list[int] = field(default_factory=list)  # sent, but the line broke before the answer came
    enough: Event = field(default_factory=Event)

    def __post_init__(self) -> None:
        self.thread = Thread(target=self.work, daemon=True)

    def client(self) -> httpx.Client:
        return httpx.Client(headers={"Authorization": f"Bearer {self.token}"}, timeout=20)

    def work(self) -> None:
        """Label on and on."""
        with self.client() as client:
            while not self.enough.is_set():
                try:
                    found = _LEASE.search(client.get(self.url).text)
                except httpx.HTTPError:
                    return
                if not found:
                    return
                lease = int(found[1])
                try:
                    status = self.send(client, lease)
                except httpx.HTTPError:
                    self.unsure.append(lease)
                    return
                assert status == 303, status
                self.answered.append(lease)
                self.enough.wait(0.02)

    def send(self, client: httpx.Client, lease: int) -> int:
        """Send one answer; the status."""
        return client.post(self.url, data={"assignment_id": lease, "answer": "left"}).status_code
