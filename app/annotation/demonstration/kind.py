"""The kind itself: what is shown, and what follows from a text that a person wrote."""

from collections.abc import Mapping, Sequence
from typing import Any, cast

from app.annotation.demonstration import value as values
from app.annotation.demonstration.settings import DemonstrationSettings
from app.annotation.demonstration.value import DemonstrationValue
from app.annotation.kind import Action, Kind, RawLabel, Stated
from app.models import Outcome
from app.models.kind_settings import KindSettings
from app.models.project_settings import LabelSettings
from app.models.values import LabelValue
from app.web.difference import count_words, difference
from app.web.errors import Invalid
from app.web.markdown import to_html


class Demonstration(Kind):
    """See `app.annotation.kind.Kind`."""

    name = "demonstration"
    title = "Demonstration"
    singular, plural = "demonstration", "demonstrations"
    summary = "Write the ideal answer, or improve one that the model gave."
    heading = "What is the ideal answer?"
    template = "annotation/demonstration/screen.html"
    preview_template = "annotation/demonstration/_preview.html"
    keys = "annotation/demonstration/keys.html"
    actions = (Action("write", "Go to the text", "e"),)
    script = "annotation/demonstration.js"
    value = DemonstrationValue
    settings = DemonstrationSettings
    responses = range(2)
    measured = False

    def wanted(self, settings: KindSettings) -> int:
        return 1 if cast(DemonstrationSettings, settings).start == "improve" else 0

    def read(self, settings: LabelSettings, raw: RawLabel) -> LabelValue:
        return values.read(raw)

    def settle(self, value: LabelValue, responses: Sequence[str]) -> LabelValue:
        text = _demonstration(value).text
        if responses and values.says_the_same(text, responses[0]):
            raise Invalid("This is the answer as it was. Improve it, or skip it if it is ideal already.", "answer")
        return DemonstrationValue(text=text, improves=bool(responses))

    def raw(self, value: LabelValue) -> RawLabel:
        return RawLabel(_demonstration(value).text)

    def writes(self, value: LabelValue) -> str:
        return _demonstration(value).text

    def preview(self, raw: RawLabel, responses: Sequence[str]) -> Mapping[str, Any]:
        """The text as it will be shown to others, and what it changes where it began as a response."""
        text = raw.text.replace("\r\n", "\n")[: values.LONGEST]
        return {
            "html": to_html(text) if text.strip() else None,
            "changes": difference(responses[0], text) if responses else None,
            "words": count_words(text),
        }

    def to_preferences(self, value: LabelValue) -> Sequence[Stated]:
        return [Stated("", 0, 1, Outcome.SECOND)] if _demonstration(value).improves else []


def _demonstration(value: LabelValue) -> DemonstrationValue:
    if not isinstance(value, DemonstrationValue):
        raise TypeError(f"a demonstration's label, not a {value.kind}'s")
    return value


DEMONSTRATION = Demonstration()
