"""Reading a label: what its kind makes of the form's fields, and what every kind takes beside it."""

import re
from dataclasses import dataclass
from typing import Any

from app.annotation import KINDS, Kind, RawLabel, kind_named
from app.models import Label
from app.models.project_settings import LabelSettings
from app.models.values import LabelValue
from app.web.errors import Invalid, TooLarge

LONGEST_COMMENT = 5_000
LONGEST_SECONDS = 86_400.0
_UNSTORABLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")


@dataclass(frozen=True)
class NewLabel:
    """What was decided on the screen."""

    value: LabelValue
    reasons: tuple[str, ...] = ()
    comment: str | None = None
    seconds: float | None = None
    instructions: int | None = None  # the number of their version on the screen; None: the present one
    replaces: int | None = None  # the label that the screen showed, 0: none; None: whichever stands

    @property
    def kind(self) -> Kind:
        """Of the item that is labelled."""
        return KINDS[self.value.kind]

    @property
    def preferences(self) -> list[dict[str, Any]]:
        """Who prefers what by it, by the places at which the responses were shown; as the statements take it."""
        return [stated.row for stated in self.kind.to_preferences(self.value)]

    def says_the_same(self, label: Label) -> bool:
        """Whether this is the label once more; neither its time nor its version matters."""
        return label.value == self.value and tuple(label.reasons) == self.reasons and label.comment == self.comment


def read_label(
    settings: LabelSettings,
    kind: str,
    raw: RawLabel,
    reasons: list[str] | None = None,
    comment: str | None = None,
    seconds: float | None = None,
    instructions: int | None = None,
    replaces: int | None = None,
) -> NewLabel:
    """Raises Invalid or TooLarge with a sentence where the project does not take the label."""
    value, reasons = kind_named(kind).read(settings, raw), reasons or []
    known = [reason.id for reason in settings.reasons]
    if unknown := [reason for reason in reasons if reason not in known]:
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
    marked = tuple(reason for reason in known if reason in reasons)
    return NewLabel(value, marked, comment, seconds, instructions, replaces)
