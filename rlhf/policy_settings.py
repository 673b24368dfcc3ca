"""The settings of PPO."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Ge, Le

from rlhf.online_settings import OnlineSettings
from rlhf.settings import Doc


@dataclass(frozen=True, kw_only=True)
class PolicyConfig(OnlineSettings):
    """Fine-tune a language model against a reward model with PPO."""

    value_model: Annotated[
        Literal["shared", "separate"],
        Doc(
            "What estimates the return: a head on the policy costs half, a model of its own starts as the reward one.",
            "Value model",
            group="main",
            choices=("A head on the policy", "A model of its own"),
        ),
    ] = "shared"
    num_ppo_epochs: Annotated[
        int, Ge(1), Le(100), Doc("How often each batch is gone through, reshuffled each time.", "PPO epochs", "epochs")
    ] = 2
    whiten_rewards: Annotated[
        bool, Doc("Scale token rewards to variance 1, without moving their mean.", "Normalise rewards")
    ] = False
    whiten_advantages: Annotated[
        bool, Doc("Scale advantages to mean 0 and variance 1 over real tokens.", "Normalise advantages")
    ] = True
    gamma: Annotated[
        float, Ge(0.01), Le(1), Doc("How much a reward one token later counts: 1 counts all alike.", "Discount (gamma)")
    ] = 1.0
    lam: Annotated[
        float,
        Ge(0),
        Le(1),
        Doc("1 trusts sampled returns, 0 the value model; between, a mix of both.", "Advantage lambda"),
    ] = 0.95
    cliprange_value: Annotated[
        float | None,
        Ge(0.001),
        Le(100),
        Doc("Clip of how far a value moves in one update. Empty: no clip.", "Value clip"),
    ] = 0.2
    vf_coef: Annotated[float, Ge(0), Le(100), Doc("Weight of the value loss.", "Value loss weight")] = 0.1
    value_learning_rate: Annotated[
        float | None, Ge(0), Le(0.1), Doc("Peak learning rate of the value model. Empty: that of the policy.")
    ] = None

    @property
    def passes(self) -> int:
        return self.num_ppo_epochs
