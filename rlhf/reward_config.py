"""The settings of reward training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Ge, Le

from rlhf.pair_settings import PairSettings
from rlhf.settings import Doc


@dataclass(frozen=True, kw_only=True)
class RewardConfig(PairSettings):
    """Train a reward model from preference pairs."""

    heads: Annotated[
        int,
        Ge(1),
        Le(32),
        Doc("Score heads on one trunk; their spread shows how uncertain the model is.", "Score heads", "heads", "main"),
    ] = 4
    center_rewards_coefficient: Annotated[
        float, Ge(0), Le(10), Doc("Weight of the loss term that keeps scores near 0.", "Centring")
    ] = 0.01
    attn_implementation: Annotated[
        Literal["auto", "sdpa", "eager"],
        Doc("Attention of transformers; auto: sdpa where the model can use it.", "Attention", may_change=True),
    ] = "auto"
    share_prompts: Annotated[bool, Doc("Compute what the two responses have in common once.")] = True
