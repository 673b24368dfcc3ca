"""The kind itself: how a comparison is read, and what follows from it."""

from collections.abc import Mapping, Sequence
from typing import Any

from app.annotation.comparison import value as values
from app.annotation.comparison.buttons import Button, buttons_of
from app.annotation.comparison.settings import ComparisonSettings
from app.annotation.comparison.value import ComparisonValue
from app.annotation.kind import Action, Kind, RawLabel, Stated
from app.models import Outcome
from app.models.project_settings import MAIN_QUESTION, LabelSettings
from app.models.values import LabelValue

_BUTTONS = (("first", "answer 1"), ("equal", "equal"), ("second", "answer 2"))
_PLACES = {Outcome.FIRST: 0, Outcome.SECOND: 1}


class Comparison(Kind):
    """See `app.annotation.kind.Kind`."""

    name = "comparison"
    title = "Comparison"
    singular, plural = "pair", "pairs"
    summary = "Two answers: which is better, and by how much."
    heading = MAIN_QUESTION
    template = "annotation/comparison/screen.html"
    keys = "annotation/comparison/keys.html"
    script = "annotation/comparison.js"
    value = ComparisonValue
    settings = ComparisonSettings
    responses = range(2, 3)
    self_contained, checks, evaluates = True, True, True
    # The keys of each further question, in the order of its buttons: answer 1, equal, answer 2. One row of the keyboard
    # a question, under the right hand, while the left one is on the digits; none has another use on the screen.
    question_keys = ("iop", "jkl", "nm,", "qwe")
    actions = (
        Action("both_bad", "Both bad", "b"),
        *(
            Action(f"question_{number}_{name}", f"Question {number}: {title}", key)
            for number, row in enumerate(question_keys, 1)
            for (name, title), key in zip(_BUTTONS, row, strict=True)
        ),
    )

    def read(self, settings: LabelSettings, raw: RawLabel) -> LabelValue:
        return values.read(settings, raw)

    def raw(self, value: LabelValue) -> RawLabel:
        comparison = _comparison(value)
        return RawLabel(comparison.word, questions=comparison.question_words)

    def data(self, settings: LabelSettings) -> Mapping[str, str]:
        asked = values.settings_in(settings)
        return {"at-once": str(asked.submit_on_choice).lower(), "levels": str(asked.levels)}

    def buttons(self, settings: LabelSettings) -> Sequence[Button]:
        """Those of the main question, for the template."""
        return buttons_of(values.settings_in(settings))

    def to_preferences(self, value: LabelValue) -> Sequence[Stated]:
        comparison = _comparison(value)
        further = (Stated(question, 0, 1, outcome) for question, outcome in comparison.questions.items())
        return [Stated("", 0, 1, comparison.choice, comparison.strength), *further]

    def chosen(self, outcome: Outcome) -> LabelValue:
        return ComparisonValue(choice=outcome)

    def expects(self, foreign: int) -> dict[str, Any]:
        return {"best": 1 - foreign}

    def passes(self, value: LabelValue, order: Sequence[int], expected: Mapping[str, Any]) -> bool:
        place = _PLACES.get(_comparison(value).choice)
        return place is not None and order[place] == expected["best"]


def _comparison(value: LabelValue) -> ComparisonValue:
    if not isinstance(value, ComparisonValue):
        raise TypeError(f"a comparison's label, not a {value.kind}'s")
    return value


COMPARISON = Comparison()
