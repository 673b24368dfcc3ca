"""What is said of two responses: in the form's words, and as it is stored."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Literal, cast

from app.annotation.comparison.settings import ComparisonSettings
from app.annotation.kind import RawLabel
from app.models import Outcome
from app.models.project_settings import LabelSettings, Question
from app.models.values import LabelValue, Said
from app.web.errors import Invalid

# What the form calls an outcome, by where the response was shown.
SHOWN = {"left": Outcome.FIRST, "right": Outcome.SECOND, "tie": Outcome.TIE, "both_bad": Outcome.BOTH_BAD}
WORDS = {outcome: word for word, outcome in SHOWN.items()}
_CHOICE = re.compile(r"(?P<side>left|right)(-(?P<strength>[1-4]))?|(?P<other>tie|both_bad)")
_EQUAL = {Outcome.TIE: "equal", Outcome.BOTH_BAD: "both bad"}
_FURTHER = ("left", "right", "tie")  # the choices for a further question


class ComparisonValue(LabelValue):
    """Which of the two shown responses is better, `first` being the one on the left. `strength` counts from 1
    (slightly); it is null for ties and on plain scales. `questions` has the choice for each further question."""

    kind: Literal["comparison"] = "comparison"
    choice: Outcome
    strength: int | None = None
    questions: Mapping[str, Outcome] = {}

    def said(self, name: Callable[[int], str]) -> Sequence[Said]:
        def words(outcome: Outcome) -> str:
            return _EQUAL.get(outcome) or name(0 if outcome is Outcome.FIRST else 1)

        strength = f", strength {self.strength}" if self.strength else ""
        further = (Said(question, words(outcome)) for question, outcome in self.questions.items())
        return [Said("", words(self.choice) + strength), *further]

    @property
    def word(self) -> str:
        """The choice as the form has it: left, right, tie, both_bad, or left-2 on a scale."""
        return WORDS[self.choice] + (f"-{self.strength}" if self.strength else "")

    @property
    def question_words(self) -> dict[str, str]:
        """The choices for the further questions as the form has them."""
        return {question: WORDS[outcome] for question, outcome in self.questions.items()}


def settings_in(settings: LabelSettings) -> ComparisonSettings:
    """What the project set for comparisons."""
    return cast(ComparisonSettings, settings.kinds["comparison"])


def read(settings: LabelSettings, raw: RawLabel) -> ComparisonValue:
    """The text is left, right, tie, both_bad, or left-2 on a scale with strength; `questions` has left, right or tie
    for each further question of the project. Raises Invalid where the project's scale does not know the choice."""
    asked, match = settings_in(settings), _CHOICE.fullmatch(raw.text)
    if match is None:
        raise Invalid("Choose one of the answers on the screen.", "answer")
    strength = int(match["strength"]) if match["strength"] else None
    if match["other"] and not getattr(asked, match["other"]):
        raise Invalid("This project does not take that answer. Choose one of the two.", "answer")
    if match["side"] and asked.levels and (strength is None or strength > asked.levels):
        raise Invalid(f"Say how much better it is, from 1 to {asked.levels}.", "answer")
    if not asked.levels and strength is not None:
        raise Invalid("This project asks only which answer is better, not how much.", "answer")
    further = _read_questions(settings.questions, asked.tie, raw.questions)
    return ComparisonValue(choice=SHOWN[match["side"] or match["other"]], strength=strength, questions=further)


def _read_questions(asked: Sequence[Question], tie: bool, words: Mapping[str, str]) -> dict[str, Outcome]:
    ids = [question.id for question in asked]
    if unknown := [question for question in words if question not in ids]:
        raise Invalid(
            f"This project does not ask {unknown[0][:80]!r}. Its questions may have changed: load the page again.",
            "questions",
        )
    for question in asked:
        word = words.get(question.id)
        if word is None:
            raise Invalid(f"Please answer “{question.text}” too.", "questions")
        if word not in _FURTHER:
            raise Invalid(f"Answer “{question.text}” with one of the choices on the screen.", "questions")
        if word == "tie" and not tie:
            raise Invalid(f"This project takes no tie. Choose one of the two for “{question.text}”.", "questions")
    return {id_: SHOWN[words[id_]] for id_ in ids}
