"""One answer as the annotator gave it, and whether the project's scale knows it. Knows no database."""

import re
from dataclasses import dataclass

from app.models import Choice, Label, Side
from app.projects.forms import AnswerSettings
from app.web.errors import Invalid, TooLarge

LONGEST_COMMENT = 5_000
LONGEST_SECONDS = 86_400.0
_CHOICE = re.compile(r"(?P<side>left|right)(-(?P<strength>[1-4]))?|(?P<other>tie|both_bad)")
_UNSTORABLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")


@dataclass(frozen=True)
class Answer:
    """What was chosen on the screen: `left`, `right`, `tie` or `both_bad`, and how strongly."""

    choice: str
    strength: int | None = None
    reasons: tuple[str, ...] = ()
    comment: str | None = None
    seconds: float | None = None

    def resolved(self, left: Side) -> Choice:
        """The answer of the pair that is meant, given which one was displayed on the left."""
        if self.choice in ("tie", "both_bad"):
            return Choice(self.choice)
        return Choice((left if self.choice == "left" else left.other).value)

    def says_the_same(self, label: Label) -> bool:
        """Whether this is the label's answer once more; the time it took does not matter."""
        return (
            label.choice is self.resolved(label.left)
            and label.strength == self.strength
            and tuple(label.reasons) == self.reasons
            and label.comment == self.comment
        )


def read_answer(
    settings: AnswerSettings, given: str, reasons: list[str], comment: str | None, seconds: float | None
) -> Answer:
    """`given` reads left, right, tie, both_bad, or left-2 on a scale with strength. Raises Invalid or TooLarge with a
    sentence where the project's scale does not know the answer."""
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
    return Answer(match["side"] or match["other"], strength, chosen, comment, seconds)
