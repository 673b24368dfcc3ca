"""What a source of responses is, and what a run asks of one. Knows no source."""

import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from app.models import Messages
from workers.runs.attempt import Attempt, Progress
from workers.runs.follow import Rate

Row = dict[str, Any]
TOGETHER = 20  # answered prompts kept in one transaction: an attempt that goes on from another's may find thousands


@dataclass(frozen=True)
class End:
    """The response is complete; `reason` is stop or length."""

    reason: str
    tokens_in: int
    tokens_out: int


@dataclass
class Asked:
    """Prompts of a run that one model is to answer.

    `rows`: {"id", "prompt": messages}. `settings`: those of `rlhf.sample`, `n` responses to each. `name` is that of its
    files in the attempt's folder. `keep` gets each answered row once, soon after it is there: the row with "responses",
    fewer than `n` where some could not be used, which `notes` then counts by sentence.
    """

    model_id: int
    name: str
    rows: list[Row]
    settings: dict[str, Any]
    keep: Callable[[list[Row]], None] = lambda new: None
    before: int = 0  # prompts of the run that other parts answer first
    total: int | None = None
    notes: dict[str, int] = field(default_factory=dict)
    _seen: set[int] = field(default_factory=set)
    _rate: Rate = field(default_factory=Rate)

    def take(self, attempt: Attempt, found: list[Row]) -> None:
        """Hand on what was not handed on yet."""
        fresh = [row for row in found if row["id"] not in self._seen]
        for start in range(0, len(fresh), TOGETHER):
            self.keep(fresh[start : start + TOGETHER])
            self._seen.update(row["id"] for row in fresh[start : start + TOGETHER])
            attempt.keep_alive()

    def progress(self) -> Progress:
        """How far it is."""
        return Progress(
            step=self.before + len(self._seen),
            total_steps=self.total or len(self.rows),
            unit="prompts",
            steps_per_second=self._rate.at(time.monotonic(), len(self._seen)),
        )


class Source(Protocol):
    """Where models answer from. An extension registers one of its own."""

    def respond(self, attempt: Attempt, asked: Asked) -> list[Row]:
        """Have the prompts answered, beating on the run meanwhile; all answered rows. A later attempt goes on from what
        is in its folder and asks nothing twice. Raises what `Attempt.call` does, Failed with a sentence among it."""
        ...

    def stream(
        self, model_id: int, messages: Messages, settings: dict[str, Any], project_id: int | None = None
    ) -> AsyncIterator[str | End]:
        """Pieces of one answer as they come, then its End. `settings`: temperature, top_p, top_k, max_tokens. What
        it costs is counted with the project, where it is for one. Raises SourceError, or Refused, with a sentence."""
        ...
