"""What is said of two responses: in the form's words, and as it is stored."""

import re
from collections.abc import Mapping
from typing import Literal

from app.models import Outcome
from app.models.project_settings import AnswerSettings
from app.models.values import LabelValue, register
from app.web.errors import Invalid

# What the form calls an outcome, by where the response was shown.
SHOWN = {"left": Outcome.FIRST, "right": Outcome.SECOND, "tie": Outcome.TIE, "both_bad": Outcome.BOTH_BAD}
WORDS = {outcome: word for word, outcome in SHOWN.items()}
_CHOICE = re.compile(r"(?P<side>left|right)(-(?P<strength>[1-4]))?|(?P<other>tie|both_bad)")
_FURTHER = ("left", "right", "tie")  # what a further question may be answered with


@register
class ComparisonValue(LabelValue):
    """Which of the two shown responses is better, `first` being the one on the left. `strength` counts from 1
    (slightly); it is null for ties and on plain scales. `questions` has the answer to each further question."""

    kind: Literal["comparison"] = "comparison"
    choice: Outcome
    strength: int | None = None
    questions: Mapping[str, Outcome] = {}

    @property
    def answer(self) -> str:
        """As the form has it: left, right, tie, both_bad, or left-2 on a scale."""
        return WORDS[self.choice] + (f"-{self.strength}" if self.strength else "")

    @property
    def answers(self) -> dict[str, str]:
        """The further questions' answers as the form has them."""
        return {question: WORDS[outcome] for question, outcome in self.questions.items()}


def read(settings: AnswerSettings, answer: str, questions: Mapping[str, str]) -> ComparisonValue:
    """`answer` reads left, right, tie, both_bad, or left-2 on a scale with strength; `questions` has left, right or tie
    for each further question of the project. Raises Invalid where the project's scale does not know the answer."""
    match = _CHOICE.fullmatch(answer)
    if match is None:
        raise Invalid("Choose one of the answers on the screen.", "answer")
    strength = int(match["strength"]) if match["strength"] else None
    if match["other"] and not getattr(settings, match["other"]):
        raise Invalid("This project does not take that answer. Choose one of the two.", "answer")
    if match["side"] and settings.levels and (strength is None or strength > settings.levels):
        raise Invalid(f"Say how much better it is, from 1 to {settings.levels}.", "answer")
    if not settings.levels and strength is not None:
        raise Invalid("This project asks only which answer is better, not how much.", "answer")
    further = _read_questions(settings, questions)
    return ComparisonValue(choice=SHOWN[match["side"] or match["other"]], strength=strength, questions=further)


def _read_questions(settings: AnswerSettings, given: Mapping[str, str]) -> dict[str, Outcome]:
    if unknown := [question for question in given if question not in settings.questions]:
        raise Invalid(
            f"This project does not ask {unknown[0][:80]!r}. Its questions may have changed: load the page again.",
            "questions",
        )
    for question in settings.questions:
        if question not in given:
            raise Invalid(f"Please answer “{question}” too.", "questions")
        if given[question] not in _FURTHER:
            raise Invalid(f"Answer “{question}” with one of the choices on the screen.", "questions")
        if given[question] == "tie" and not settings.tie:
            raise Invalid(f"This project takes no tie. Choose one of the two for “{question}”.", "questions")
    return {question: SHOWN[given[question]] for question in settings.questions}
