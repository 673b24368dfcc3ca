"""A text that a person wrote: read from the form, and as it is stored."""

import re
from collections.abc import Callable, Sequence
from typing import Literal

from app.annotation.kind import RawLabel
from app.models.values import LabelValue, Said
from app.web.difference import count_words
from app.web.errors import Invalid, TooLarge
from app.web.filters import plural

LONGEST = 20_000  # characters
# JSON in PostgreSQL has no NUL and no half of a surrogate pair; other control characters are nothing that one types.
_UNSTORABLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")


class DemonstrationValue(LabelValue):
    """The response that a person finds ideal. `improves`: it began as the response that was shown."""

    kind: Literal["demonstration"] = "demonstration"
    text: str
    improves: bool = False

    def said(self, name: Callable[[int], str]) -> Sequence[Said]:
        words = plural(count_words(self.text), "word")
        return [Said("", f"{name(0)} improved, {words}" if self.improves else f"written, {words}")]


def read(raw: RawLabel) -> DemonstrationValue:
    """The text without blank space around it, its lines ended as on Unix. Invalid or TooLarge with a sentence where it
    cannot be kept."""
    text = raw.text.replace("\r\n", "\n").replace("\r", "\n").strip()
    if not text:
        raise Invalid("Write the answer first.", "answer")
    if len(text) > LONGEST:
        raise TooLarge(
            f"The answer has {len(text):,} characters; at most {LONGEST:,} are kept. Please shorten it.", "answer"
        )
    if found := _UNSTORABLE.search(text):
        raise Invalid(
            f"The answer contains a character that cannot be stored (U+{ord(found[0]):04X}, after "
            f"{found.start():,} others). Please remove it.",
            "answer",
        )
    return DemonstrationValue(text=text)


def says_the_same(text: str, other: str) -> bool:
    """Whether two texts differ in nothing but blank space."""
    return text.split() == other.split()
