"""People at the labelling screen of a running platform, over HTTP, as fast as it answers."""

import re
from dataclasses import dataclass, field
from threading import Event, Thread
from typing import Any

import httpx

from app.web.csrf import SESSION_COOKIE

_LEASE = re.compile(r'name="assignment_id" value="(\d+)"')
_CSRF = re.compile(r'name="csrf_token" value="([^"]+)"')


@dataclass
class Annotator:
    """Answers "left" to everything until told to stop, the server goes away, or nothing is left."""

    url: str
    session: str  # of a browser that is signed in
    answered: list[int] = field(default_factory=list)  # assignments whose answer was received well
    unsure: list[int] = field(default_factory=list)  # sent, but the line broke before the answer came
    enough: Event = field(default_factory=Event)
    csrf: str = ""

    def __post_init__(self) -> None:
        self.thread = Thread(target=self.work, daemon=True)

    def client(self) -> httpx.Client:
        return httpx.Client(cookies={SESSION_COOKIE: self.session}, timeout=20)

    def work(self) -> None:
        """Label on and on."""
        with self.client() as client:
            while not self.enough.is_set():
                try:
                    page = client.get(self.url).text
                except httpx.HTTPError:
                    return
                found, token = _LEASE.search(page), _CSRF.search(page)
                if not found or not token:
                    return
                self.csrf = token[1]
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
        return client.post(
            self.url, data={"assignment_id": lease, "answer": "left", "csrf_token": self.csrf}
        ).status_code


@dataclass
class Patient:
    """Keeps an answer until the server has said that it has it, and sends it again and again, as the page does."""

    api: str  # address of the project's labelling in the JSON API
    token: str
    question: str
    labels: dict[int, int] = field(default_factory=dict)  # assignment -> the label that a 2xx named
    sent_again: int = 0  # answers whose first sending met a fault
    fault: str | None = None  # what must not happen, and ended the work
    enough: Event = field(default_factory=Event)

    def __post_init__(self) -> None:
        self.thread = Thread(target=self.work, daemon=True)

    def work(self) -> None:
        """Label on and on, through whatever happens to the server."""
        try:
            with httpx.Client(headers={"Authorization": f"Bearer {self.token}"}, timeout=20) as client:
                task = self._until_answered(client, "/next", {})["task"]
                while task is not None and not self.enough.is_set():
                    lease = int(task["assignment_id"])
                    assert lease not in self.labels, f"{lease} has to be answered again"
                    said = self._until_answered(client, "", self.answer(lease))
                    self.labels[lease] = said["label"]
                    task = said["next"]
        except AssertionError as error:
            self.fault = str(error)

    def answer(self, lease: int) -> dict[str, Any]:
        """What this person says of an item: always the same, so that sending it again is no change of mind."""
        sides = ("left", "right", "tie")
        return {
            "assignment_id": lease,
            "answer": sides[lease % 3],
            "questions": {self.question: sides[lease // 3 % 3]},
            "seconds": 1.0,
        }

    def _until_answered(self, client: httpx.Client, path: str, body: dict[str, Any]) -> Any:
        for attempt in range(10_000):
            try:
                answer = client.post(f"{self.api}{path}", json=body)
            except httpx.TransportError:
                answer = None
            if answer is not None and answer.status_code < 500:
                assert answer.status_code == 200, f"{answer.status_code}: {answer.text}"
                self.sent_again += bool(attempt and body)
                return answer.json()
            self.enough.wait(0.1)
        raise AssertionError("the server never came back")
