"""How a project's loop is set up: what people and programs send for it, and what its columns hold."""

from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, StringConstraints

from app.input import ONE_LINE, Input, Temperature, TopK, TopP
from app.models.kind_settings import Kinds

MAIN_QUESTION = "Which answer is better?"


Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=80), ONE_LINE]
ReasonText = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=60), ONE_LINE]


class Question(Input):
    """A question beside the main one. Answers are kept under its id, so that its text may change. A text alone is one
    that has no id yet: until the project gives it one, and for those from before there were ids, the text is the id."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: Text
    text: Text


class Reason(Question):
    """A reason to choose from; ids as with questions."""

    text: ReasonText


def _named(given: Any) -> Any:
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
    """What goes with an answer to an item of whatever kind."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)

    questions: Annotated[
        list[Annotated[Question, BeforeValidator(_named)]], Field(max_length=4), AfterValidator(_distinct)
    ] = Field(default_factory=list, description="Asked beside the main question, each with an answer of its own")
    reasons: Annotated[
        list[Annotated[Reason, BeforeValidator(_named)]], Field(max_length=12), AfterValidator(_distinct)
    ] = Field(default_factory=list)
    comment: Literal["off", "optional", "required"] = "optional"


class AnswerSettings(CommonSettings):
    """What people are asked, and how they answer."""

    kinds: Kinds = Field(default_factory=dict, description="The settings of each kind of items, by its name")
    former: dict[str, str] = Field(
        default_factory=dict, description="The last text of questions and reasons that are not asked any more, by id"
    )

    @property
    def asked(self) -> dict[str, float]:
        """The kinds that are asked, each with its share of the queue; the shares add up to 1."""
        total = sum(settings.share for settings in self.kinds.values())
        return {name: settings.share / total for name, settings in self.kinds.items() if settings.share}

    def question_options(self) -> list[tuple[str, str]]:
        """(value, text) of the questions whose answers can be read; the main one's value is empty. None where there is
        no other."""
        if not self.questions:
            return []
        return [("", MAIN_QUESTION), *((question.id, question.text) for question in self.questions)]

    def text_of(self, id_: str) -> str:
        """The present text of a question or reason, or its last one."""
        present = next((each.text for each in (*self.questions, *self.reasons) if each.id == id_), None)
        return present or self.former.get(id_, id_)

    def asks(self, id_: str) -> bool:
        """Whether there is a further question of this id."""
        return any(question.id == id_ for question in self.questions)


class SamplingSettings(Input):
    """How answers are drawn."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    strategy: Literal["mixed", "stochastic"] = Field(
        "mixed", description="mixed: a greedy response against a sampled one; stochastic: two sampled ones"
    )
    temperature: Temperature = 1.0
    top_p: TopP = 1.0
    top_k: TopK = Field(0, description="0 considers every token")
    max_new_tokens: int = Field(256, ge=1, le=8192)


class AutomationSettings(Input):
    """What the platform starts automatically."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    keep_queue_filled: bool = Field(True, description="Top up the queue when fewer pairs than its depth are left")
    pairs_per_day: int = Field(10_000, ge=1, le=10_000_000, description="Sampled automatically in 24 hours at most")
    retrain_reward: bool = Field(False, description="Train a reward model after every so many new labels")
    labels_between_rewards: int = Field(200, ge=10, le=1_000_000)
    reward_trainings_per_day: int = Field(12, ge=1, le=1000, description="Started automatically in 24 hours at most")
    refresh_pairs: bool = Field(True, description="Sample new pairs from a policy as soon as it is promoted")
