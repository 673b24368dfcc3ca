"""One answer as the annotator gave it, and whether the project's scale knows it. Knows no database."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from app.models import Choice, Label, Side
from app.projects.forms import AnswerSettings
from app.web.errors import Invalid, TooLarge

LONGEST_COMMENT = 5_000
LONGEST_SECONDS = 86_400.0
_FURTHER = ("left", "right", "tie")  # what a further question may be answered with
_CHOICE = re.compile(r"(?P<side>left|right)(-(?P<strength>[1-4]))?|(?P<other>tie|both_bad)")
_UNSTORABLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")


@dataclass(frozen=True)
class Answer:
    """What was chosen on the screen: `left`, `right`, `tie` or `both_bad`, and how strongly. `questions` has what each
    further question was answered with."""

    choice: str
    strength: int | None = None
    reasons: tuple[str, ...] = ()
    comment: str | None = None
    seconds: float | None = None
    questions: Mapping[str, str] = field(default_factory=dict)

    def resolved(self, left: Side) -> Choice:
        """The answer of the pair that is meant, given which one was displayed on the left."""
        return _resolved(self.choice, left)

    def resolved_questions(self, left: Side) -> dict[str, str]:
        """The same for each further question."""
        return {question: _resolved(given, left).value for question, given in self.questions.items()}

    def says_the_same(self, label: Label) -> bool:
        """Whether this is the label's answer once more; the time it took does not matter."""
        return (
            label.choice is self.resolved(label.left)
            and label.strength == self.strength
            and tuple(label.reasons) == self.reasons
            and label.comment == self.comment
            and label.questions == self.resolved_questions(label.left)
        )


def _resolved(given: str, left: Side) -> Choice:
    if given in ("left", "right"):
        return Choice((left if given == "left" else left.other).value)
    return Choice(given)


def displayed(choice: Choice, left: Side) -> str:
    """A stored choice as the screen had it: `left`, `right`, `tie` or `both_bad`."""
    if choice in (Choice.TIE, Choice.BOTH_BAD):
        return choice.value
    return "left" if choice.value == left.value else "right"


def read_answer(
    settings: AnswerSettings,
    given: str,
    reasons: list[str],
    comment: str | None,
    seconds: float | None,
    questions: Mapping[str, str] | None = None,
) -> Answer:
    """`given` reads left, right, tie, both_bad, or left-2 on a scale with strength; `questions` has left, right or tie
    for each further question of the project. Raises Invalid or TooLarge with a sentence where the project's scale does
    not know the answer."""
    match = _CHOICE.fullmatch(given)
    if match is None:
        raise Invalid("Choose one of the answers on the screen.", "answer")
    strength = int(match["strength"]) if match["strength"] else None
    if match["other"] and not getattr(settings, match["other"]):
        raise Invalid("This project does not take that answer. Choose one of the two.", "answer")
    if match["side"] and settings.levels and (strength is None or strength > settings.levels):
        raise Invalid(f"Say how much better it is, from 1 to {settings.levels}.", "answer")
    if not settings.levels and strength is not None:
        raise Invalid("This project asks only which answer is better, not how much.", "answer")
    further = _read_questions(settings, questions or {})
    if unknown := [reason for reason in reasons if reason not in settings.reasons]:
        raise Invalid(f"This project has no reason named {unknown[0][:60]!r}.", "reasons")
    comment = (comment or "").strip() or None
    if comment and settings.comment == "off":
        raise Invalid("This project takes no comments.", "comment")
    if comment is None and settings.comment == "required":
        raise Invalid("Please say in a comment why; this project asks for it.", "comment")
    if comment and len(comment) > LONGEST_COMMENT:
        raise TooLarge(f"The comment is longer than {LONGEST_COMMENT:,} characters. Please shorten it.", "comment")
    if comment and _UNSTORABLE.search(comment):
        raise Invalid("The comment contains characters that cannot be stored. Please type it again.", "comment")
    if seconds is not None:
        seconds = min(max(seconds, 0.0), LONGEST_SECONDS) if seconds == seconds else None  # NaN is no time
    chosen = tuple(reason for reason in settings.reasons if reason in reasons)
    return Answer(match["side"] or match["other"], strength, chosen, comment, seconds, further)


def _read_questions(settings: AnswerSettings, given: Mapping[str, str]) -> dict[str, str]:
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
    return {question: given[question] for question in settings.questions}
