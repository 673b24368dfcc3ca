"""What every kind of items can do. Knows no table but the words of `Outcome`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from app.models import Outcome
from app.models.kind_settings import KindSettings
from app.models.project_settings import LabelSettings
from app.models.values import LabelValue

PROBABILITY = {Outcome.FIRST: 1.0, Outcome.TIE: 0.5, Outcome.SECOND: 0.0, Outcome.BOTH_BAD: None}
"""That the first of two is the better one, as one label alone says it."""


@dataclass(frozen=True)
class RawLabel:
    """A label as the form or the API has it: one word or text, and named fields where the kind has some. `questions`
    has the choices for the project's further questions."""

    text: str
    fields: Mapping[str, str] = field(default_factory=dict)
    questions: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Stated:
    """Which of two responses is better, as one label says it, by the places at which they were shown, from 0 on.
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


@dataclass(frozen=True)
class Figure:
    """A figure on how well people agree, beside those that come from preferences."""

    name: str
    value: float | None
    help: str


@dataclass(frozen=True)
class Action:
    """Something on the labelling screen that has a key: `key`, unless a person gives it another one. A capital letter
    means Shift."""

    name: str
    title: str
    key: str


Judged = Sequence[tuple[LabelValue, Sequence[int]]]
"""What several people said of one item, each with the order in which they saw its responses."""


class Kind(Protocol):
    """One kind of items. A kind derives from this, and says what differs from the defaults."""

    name: str
    title: str
    """As a heading of its settings."""
    singular: str
    plural: str
    """One item, several items, as pages call them."""
    summary: str
    """What it asks, in a sentence."""
    heading: str
    """Above an item on the labelling screen."""
    template: str
    """Of the labelling screen below the heading; it extends `labels/_item.html`."""
    keys: str
    """Template of its lines in the list of keys."""
    actions: Sequence[Action] = ()
    """What has a key in this kind alone, beside the digits; a person can give it another one."""
    preview_template: str | None = None
    """Shows a response that is being written, where there is anything to see before it is sent."""
    script: str | None = None
    """Of the screen, under static/; without it the form is a plain one."""

    value: type[LabelValue]
    settings: type[KindSettings]
    responses: range
    """How many responses an item may show."""

    self_contained: bool = False
    """Whether a label can be read without a look at the item: then the quick turn takes it, see `settle`."""
    checks: bool = False
    """Whether attention checks can be made of it; then it has `expects` and `passes`."""
    evaluates: bool = False
    """Whether models can be compared by it, as many as an item shows responses; those of two have `chosen`."""
    measured: bool = True
    """Whether agreement is measured by its preferences."""

    def wanted(self, settings: KindSettings) -> int:
        """How many responses are sampled for one item; 0 where it needs none."""
        return self.responses.start

    def read(self, settings: LabelSettings, raw: RawLabel) -> LabelValue:
        """What the form's fields say; Invalid with a sentence where the project does not take it."""
        ...

    def settle(self, value: LabelValue, responses: Sequence[str]) -> LabelValue:
        """The value as it is kept of an item that shows these texts in this order; Invalid with a sentence where it can
        be no label of that."""
        return value

    def writes(self, value: LabelValue) -> str | None:
        """The response that a person wrote with this value. Preferences speak of it as the place behind those shown."""
        return None

    def preview(self, raw: RawLabel, responses: Sequence[str]) -> Mapping[str, Any]:
        """What `preview_template` shows of a response that is being written."""
        raise TypeError(f"there is no preview of a {self.name}")

    def raw(self, value: LabelValue) -> RawLabel:
        """The label as the form has it, to start from."""
        ...

    def data(self, settings: LabelSettings) -> Mapping[str, str]:
        """What the script needs to know: data-… attributes of the screen."""
        return {}

    def to_preferences(self, value: LabelValue) -> Sequence[Stated]:
        """Who prefers what by this value; a pure function of it."""
        ...

    def chosen(self, outcome: Outcome) -> LabelValue:
        """The value that says this, and no more, of the two responses that were shown."""
        raise TypeError(f"a {self.name} is no choice between two")

    def expects(self, foreign: int) -> dict[str, Any]:
        """What a right label of an attention check says, in which the response at this position belongs to another
        prompt: {"best": position} or {"worst": position}."""
        raise TypeError(f"no attention checks are made of a {self.name}")

    def passes(self, value: LabelValue, order: Sequence[int], expected: Mapping[str, Any]) -> bool:
        """Whether this is a right label of an attention check."""
        raise TypeError(f"no attention checks are made of a {self.name}")

    def figures(self, items: Sequence[Judged]) -> Sequence[Figure]:
        """Further figures on agreement, from the items that several people labelled."""
        return ()

    @property
    def figured(self) -> bool:
        """Whether there are any."""
        return type(self).figures is not Kind.figures
