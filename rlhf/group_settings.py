"""The settings of trainings that compare several responses to one prompt with each other, without a value model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from annotated_types import Ge, Le

from rlhf.online_settings import OnlineSettings
from rlhf.settings import Doc, Rule


@dataclass(frozen=True, kw_only=True)
class GroupSettings(OnlineSettings):
    """How many responses make a group."""

    rules: ClassVar[tuple[Rule, ...]] = (
        *OnlineSettings.rules,
        Rule(
            "num_generations",
            at_most="batch_size",
            message="All responses to a prompt belong to one batch: raise the batch size.",
        ),
    )

    num_generations: Annotated[
        int,
        Ge(2),
        Le(256),
        Doc("Responses to each prompt, compared with each other.", "Responses per prompt", "responses", "main"),
    ] = 4
    num_iterations: Annotated[
        int, Ge(1), Le(100), Doc("How often each batch is gone through, reshuffled each time.", "Passes", "passes")
    ] = 1

    @property
    def responses(self) -> int:
        return self.num_generations

    @property
    def passes(self) -> int:
        return self.num_iterations


@dataclass(frozen=True, kw_only=True)
class RLOOConfig(GroupSettings):
    """Fine-tune a language model against a reward with RLOO, without a value model."""

    normalize_advantages: Annotated[
        bool, Doc("Scale advantages to mean 0 and variance 1 over the batch.", "Normalise advantages")
    ] = False


@dataclass(frozen=True, kw_only=True)
class GRPOConfig(GroupSettings):
    """Fine-tune a language model against a reward with GRPO, without a value model."""

    loss_type: Annotated[
        Literal["dapo", "grpo", "dr_grpo"],
        Doc(
            "Mean over all tokens (dapo), each response's (grpo), or as if all had the longest length (dr_grpo).",
            "Loss",
            group="main",
            choices=("Over all tokens (DAPO)", "Over each response (GRPO)", "By the longest length (Dr. GRPO)"),
        ),
    ] = "dapo"
    scale_rewards: Annotated[
        Literal["group", "batch", "none"],
        Doc(
            "What advantages are divided by: the group's spread, the batch's, or nothing (Dr. GRPO).",
            "Scaling",
            choices=("The group's spread", "The batch's spread", "Nothing"),
        ),
    ] = "group"
    use_bias_correction_kl: Annotated[
        bool,
        Doc(
            "Weight the KL of a token by its probability ratio, which takes the bias out of its gradient.",
            "Unbiased KL",
        ),
    ] = True
