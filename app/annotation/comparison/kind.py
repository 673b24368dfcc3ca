"""The kind itself: how a comparison is read, and what follows from it."""

from collections.abc import Mapping, Sequence
from typing import Any

from app.annotation.comparison import value as values
from app.annotation.comparison.value import ComparisonValue
from app.annotation.kind import Stated
from app.models import Outcome
from app.models.project_settings import AnswerSettings
from app.models.values import LabelValue

_BETTER = {Outcome.FIRST: 0, Outcome.SECOND: 1}


class Comparison:
    """See `app.annotation.kind.Kind`."""

    name = "comparison"

    def read(self, settings: AnswerSettings, answer: str, questions: Mapping[str, str]) -> LabelValue:
        return values.read(settings, answer, questions)

    def to_preferences(self, value: LabelValue) -> Sequence[Stated]:
        given = _comparison(value)
        further = (Stated(question, 0, 1, outcome) for question, outcome in given.questions.items())
        return [Stated("", 0, 1, given.choice, given.strength), *further]

    def passes(self, value: LabelValue, order: Sequence[int], expected: Mapping[str, Any]) -> bool:
        place = _BETTER.get(_comparison(value).choice)
        return place is not None and order[place] == expected["best"]


def _comparison(value: LabelValue) -> ComparisonValue:
    if not isinstance(value, ComparisonValue):
        raise TypeError(f"a comparison's label, not a {value.kind}'s")
    return value


COMPARISON = Comparison()
