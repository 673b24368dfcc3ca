"""What a client may send to train a policy, to compare policies and to promote one."""

from typing import ClassVar, Literal

from pydantic import ConfigDict, Field

from app.input import Id, Input
from app.methods import MethodForm
from app.rewards.forms import PreferenceOptions


class StartOptions(MethodForm):
    """What is asked for every training of a policy beside the settings of its command."""

    OPTIONS: ClassVar[tuple[str, ...]] = ("start_from",)

    start_from: Literal["promoted", "base"] = Field(
        "promoted",
        title="Start from",
        description="The model that learns, and the reference that it is held to.",
        json_schema_extra={"x-choices": ["Current policy", "Base model"]},
    )


class RewardedOptions(StartOptions):
    """The same for a training against a reward model."""

    OPTIONS: ClassVar[tuple[str, ...]] = ("reward_model_id", "reward_mix", "start_from")

    reward_model_id: Id | None = Field(
        None, title="Reward model", description="Scores the responses; the newest where none is named"
    )
    reward_mix: str = Field(
        "",
        max_length=500,
        title="Mix of rewards",
        description="Blank: that reward model alone. Or several by their numbers, with weights: "
        "#12 + 0.5*#14 - 0.01*length - 2*repetition; #12,#14 is an ensemble.",
    )


class DirectOptions(PreferenceOptions, StartOptions):
    """The same for a training on preferences without a reward model."""

    OPTIONS: ClassVar[tuple[str, ...]] = (*PreferenceOptions.OPTIONS, *StartOptions.OPTIONS)


class EvaluationForm(Input):
    """A blind comparison of a policy with others."""

    model_config = ConfigDict(extra="forbid")

    baseline_id: Id | None = Field(None, description="Blank: the current policy")
    other_ids: list[Id] = Field(
        default_factory=list, max_length=6, description="Further models: people then rank the answers of all of them"
    )
    comparisons: int = Field(100, ge=1, le=10_000, description="Pairs, or rankings, on holdout prompts")
    overlap: int = Field(1, ge=1, le=50, description="People asked about each")


class LabelsForm(Input):
    """Which labels the policies have learned from that are put side by side."""

    model_config = ConfigDict(extra="forbid")

    labels: Id | None = Field(None, description="The snapshot of labels; the newest that a policy has learned from")


class PromotionForm(Input):
    """Promotion; without evidence it has to be confirmed."""

    model_config = ConfigDict(extra="forbid")

    confirm_without_evaluation: bool = False
