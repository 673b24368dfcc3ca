"""How a project's loop is set up: what people and programs send for it, and what its columns hold."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, StringConstraints

from app.input import ONE_LINE, Input, Temperature, TopK, TopP
from app.models.kind_settings import Kinds

MAIN_QUESTION = "Which answer is better?"


Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=80), ONE_LINE]
ReasonText = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=60), ONE_LINE]


class Question(Input):
    """A question beside the main one. Choices are kept under its id, so that its text may change. A text alone is one
    that has no id yet: until the project gives it one, and for those from before there were ids, the text is the id."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: Text
    text: Text


class Reason(Question):
    """A reason to choose from; ids as with questions."""

    text: ReasonText


def _named(given: Any) -> Any:
    if isinstance(given, dict) and "id" not in given and "text" in given:
        given = given["text"]
    return {"id": given, "text": given} if isinstance(given, str) else given


Asked = TypeVar("Asked", bound=Question)


def _distinct(values: list[Asked]) -> list[Asked]:
    first: dict[str, Asked] = {}
    for value in values:
        first.setdefault(value.text, value)
    once = list(first.values())
    if len({value.id for value in once}) < len(once):
        raise ValueError("Two of these have the same id.")
    return once


class CommonSettings(Input):
    """What goes with a label of an item of whatever kind."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)

    questions: Annotated[
        list[Annotated[Question, BeforeValidator(_named)]], Field(max_length=4), AfterValidator(_distinct)
    ] = Field(
        default_factory=list,
        description="Asked beside the main question, each with a choice of its own; a new one by its text alone",
    )
    reasons: Annotated[
        list[Annotated[Reason, BeforeValidator(_named)]], Field(max_length=12), AfterValidator(_distinct)
    ] = Field(default_factory=list)
    comment: Literal["off", "optional", "required"] = "optional"
    skip_reasons: Annotated[
        list[Annotated[Reason, BeforeValidator(_named)]], Field(max_length=12), AfterValidator(_distinct)
    ] = Field(default_factory=list, description="Why somebody may skip an item; giving one is never required")


class LabelSettings(CommonSettings):
    """What people are asked, and how they label."""

    kinds: Kinds = Field(default_factory=dict, description="The settings of each kind of items, by its name")
    former: dict[str, str] = Field(
        default_factory=dict, description="The last text of questions and reasons that are not asked any more, by id"
    )

    @property
    def asked(self) -> dict[str, float]:
        """The kinds that are asked, each with its share of the queue; the shares add up to 1."""
        total = sum(settings.share for settings in self.kinds.values())
        return {name: settings.share / total for name, settings in self.kinds.items() if settings.share}

    @property
    def named(self) -> Sequence[Question]:
        """All that has an id and a text."""
        return (*self.questions, *self.reasons, *self.skip_reasons)

    def question_options(self) -> list[tuple[str, str]]:
        """(value, text) of the questions whose labels can be read; the main one's value is empty. None where there is
        no other."""
        if not self.questions:
            return []
        return [("", MAIN_QUESTION), *((question.id, question.text) for question in self.questions)]

    def text_of(self, id_: str) -> str:
        """The present text of a question or of a reason (to choose so, or to skip), or its last one."""
        present = next((each.text for each in self.named if each.id == id_), None)
        return present or self.former.get(id_, id_)

    def knows_skip_reason(self, id_: str) -> bool:
        """Whether there is such a reason to skip; or was, for a page that is older than the settings."""
        return id_ in self.former or any(reason.id == id_ for reason in self.skip_reasons)

    def asks(self, id_: str) -> bool:
        """Whether there is a further question of this id."""
        return any(question.id == id_ for question in self.questions)


class SamplingSettings(Input):
    """How responses are sampled."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    strategy: Literal["mixed", "stochastic"] = Field(
        "mixed",
        title="The two answers",
        description="A prompt's two answers differ by how they are written.",
        json_schema_extra={"words": ["Greedy vs. sampled", "Two sampled answers"]},
    )
    temperature: Temperature = Field(
        1.0, title="Temperature", description="Above 1 more varied, below 1 more predictable."
    )
    max_new_tokens: int = Field(
        256,
        ge=1,
        le=8192,
        title="Longest answer, in tokens",
        description="An answer cut off here is marked as such.",
    )
    top_p: TopP = Field(
        1.0,
        title="Top p",
        description="Sample from the most likely tokens that make up this share of the probability. 1 takes all.",
    )
    top_k: TopK = Field(0, title="Top k", description="Sample from this many of the most likely tokens. 0 takes all.")


def _limit_a_day(default: int, most: int, what: str, of: str) -> Any:
    return Field(default, ge=1, le=most, title=f"{what} a day", description=f"The limit {of}")


class AutomationSettings(Input):
    """What the platform starts automatically."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    keep_queue_filled: bool = Field(
        True,
        title="Keep the queue filled",
        description="Sample new pairs when fewer are open than the queue keeps ready.",
    )
    refresh_pairs: bool = Field(
        True,
        title="Sample again after a promotion",
        description="So that people compare answers of the current policy.",
    )
    retrain_reward: bool = Field(
        False, title="Train reward models", description="Each time enough new labels have come since the last one."
    )
    labels_between_rewards: int = Field(
        200,
        ge=10,
        le=1_000_000,
        title="New labels between reward models",
        description="Fewer give newer models, more cost less computing.",
    )
    reward_trainings_per_day: int = _limit_a_day(
        12, 1000, "Reward trainings", "in any 24 hours. Those that people start are not counted."
    )
    pairs_per_day: int = _limit_a_day(10_000, 10_000_000, "Pairs", "of pairs sampled automatically in any 24 hours.")
