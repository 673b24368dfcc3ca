"""What every kind of items can do. Knows no table but the words of `Outcome`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from app.models import Outcome
from app.models.project_settings import AnswerSettings
from app.models.values import LabelValue

PROBABILITY = {Outcome.FIRST: 1.0, Outcome.TIE: 0.5, Outcome.SECOND: 0.0, Outcome.BOTH_BAD: None}
"""That the first of two is the better one, as one answer alone says it."""


@dataclass(frozen=True)
class Stated:
    """Which of two responses is better, as one answer says it, by the places at which they were shown, from 0 on.
    `question` is empty for the main one."""

    question: str
    first: int
    second: int
    outcome: Outcome
    strength: int | None = None

    @property
    def row(self) -> dict[str, Any]:
        """As the statements that save labels take it."""
        return {
            "question": self.question,
            "place": self.first,
            "other": self.second,
            "outcome": self.outcome.value,
            "probability": PROBABILITY[self.outcome],
            "strength": self.strength,
        }


class Kind(Protocol):
    """One kind of items."""

    name: str

    def read(self, settings: AnswerSettings, answer: str, questions: Mapping[str, str]) -> LabelValue:
        """What the form's fields say; Invalid with a sentence where the project does not take it."""
        ...

    def to_preferences(self, value: LabelValue) -> Sequence[Stated]:
        """Who prefers what by this value; a pure function of it."""
        ...

    def passes(self, value: LabelValue, order: Sequence[int], expected: Mapping[str, Any]) -> bool:
        """Whether this is a right answer to an attention check."""
        ...
