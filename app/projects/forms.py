"""What a client may send about a project."""

from typing import Annotated, Literal

from pydantic import AfterValidator, ConfigDict, Field, StringConstraints, ValidationInfo, field_validator

from app.models import Role
from app.web.input import Input, Temperature, TopK, TopP
from app.web.names import Name

LONGEST_GUIDELINES = 50_000
MAIN_QUESTION = "Which answer is better?"


def _line(value: str) -> str:
    if any(ord(letter) < 32 or ord(letter) == 127 for letter in value):
        raise ValueError("This may not contain line breaks or control characters.")
    return value


ONE_LINE = AfterValidator(_line)


def _distinct(values: list[str]) -> list[str]:
    return list(dict.fromkeys(values))


Reason = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=60), ONE_LINE]
Question = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=80), ONE_LINE]
Guidelines = Annotated[str, StringConstraints(max_length=LONGEST_GUIDELINES)]
Source = Annotated[str, StringConstraints(strip_whitespace=True, max_length=500), ONE_LINE]


class AnswerSettings(Input):
    """How an annotator answers."""

    model_config = ConfigDict(extra="forbid")

    levels: Literal[0, 2, 3, 4] = Field(0, description="Strength levels a side; 0 asks only which answer is better")
    tie: bool = True
    both_bad: bool = True
    submit_on_choice: bool = Field(True, description="A choice is sent at once; otherwise it is confirmed with Enter")
    questions: Annotated[list[Question], Field(max_length=4), AfterValidator(_distinct)] = Field(
        default_factory=list, description="Asked beside the main question, each with an answer of its own"
    )
    reasons: Annotated[list[Reason], Field(max_length=12), AfterValidator(_distinct)] = Field(default_factory=list)
    comment: Literal["off", "optional", "required"] = "optional"

    def question_options(self) -> list[tuple[str, str]]:
        """(value, text) of the questions whose answers can be read; the main one's value is empty. None where there is
        no other."""
        if not self.questions:
            return []
        return [("", MAIN_QUESTION), *((question, question) for question in self.questions)]


class SamplingSettings(Input):
    """How answers are drawn."""

    model_config = ConfigDict(extra="forbid")

    strategy: Literal["mixed", "stochastic"] = Field(
        "mixed", description="mixed: the most probable answer against a drawn one; stochastic: two drawn ones"
    )
    temperature: Temperature = 1.0
    top_p: TopP = 1.0
    top_k: TopK = Field(0, description="0 considers every token")
    max_new_tokens: int = Field(256, ge=1, le=8192)


class AutomationSettings(Input):
    """What the platform starts by itself."""

    model_config = ConfigDict(extra="forbid")

    keep_queue_filled: bool = Field(True, description="Sample new pairs whenever fewer than the queue depth are open")
    pairs_per_day: int = Field(10_000, ge=1, le=10_000_000, description="Sampled by itself in 24 hours at most")
    retrain_reward: bool = Field(False, description="Train a reward model after every so many new labels")
    labels_between_rewards: int = Field(200, ge=10, le=1_000_000)
    reward_trainings_per_day: int = Field(12, ge=1, le=1000, description="Started by itself in 24 hours at most")
    refresh_pairs: bool = Field(True, description="Sample new pairs from a policy as soon as it is promoted")


class CheckPause(Input):
    """When missed attention checks pause a person's work."""

    check_window: int = Field(10, ge=1, le=1000, description="The last so many attention checks of a person count")
    check_misses: int = Field(3, ge=1, le=1000, description="With so many of them missed, the person's work pauses")

    @field_validator("check_misses")
    @classmethod
    def _can_happen(cls, misses: int, info: ValidationInfo) -> int:
        window = info.data.get("check_window")
        if window is not None and misses > window:
            raise ValueError(f"Of {window} checks no more than {window} can be missed.")
        return misses


class QueueSettings(CheckPause):
    """How pairs are handed out. Shares are between 0 and 1."""

    model_config = ConfigDict(extra="forbid")

    overlap: int = Field(1, ge=1, le=50, description="How many people answer each pair")
    check_share: float = Field(0.0, ge=0, le=0.5, description="Share of attention checks")
    control_share: float = Field(
        0.2, ge=0, le=1, description="Share of pairs that stay in random order, for fair measures"
    )
    queue_depth: int = Field(50, ge=1, le=1_000_000, description="Open pairs to keep ready")
    lease_minutes: int = Field(30, ge=1, le=1440, description="How long a shown pair is held for its annotator")


class QueueForm(CheckPause):
    """QueueSettings as people write them, shares in percent."""

    overlap: int = Field(ge=1, le=50)
    check_percent: float = Field(ge=0, le=50)
    control_percent: float = Field(ge=0, le=100)
    queue_depth: int = Field(ge=1, le=1_000_000)
    lease_minutes: int = Field(ge=1, le=1440)

    def settings(self) -> QueueSettings:
        """The same with shares between 0 and 1."""
        return QueueSettings(
            overlap=self.overlap,
            check_share=round(self.check_percent / 100, 6),
            control_share=round(self.control_percent / 100, 6),
            queue_depth=self.queue_depth,
            lease_minutes=self.lease_minutes,
            check_window=self.check_window,
            check_misses=self.check_misses,
        )


class NameForm(Input):
    """The project's name."""

    name: Name


class GuidelinesForm(Input):
    """What annotators are told, in Markdown."""

    guidelines: Guidelines


class NewProjectForm(Input):
    """A new project. Without a base model the installation's default is taken."""

    name: Name
    guidelines: Guidelines = ""
    base_model: Source = ""
    starter_prompts: bool = True


class InvitationForm(Input):
    """An invitation to one person."""

    role: Role = Role.ANNOTATOR
    note: Annotated[str, StringConstraints(strip_whitespace=True, max_length=200), ONE_LINE] = ""


class RoleForm(Input):
    """A member's new role."""

    role: Role


class PauseForm(Input):
    """Why a member gets no pairs for now."""

    reason: Annotated[str, StringConstraints(strip_whitespace=True, max_length=200), ONE_LINE] = ""
