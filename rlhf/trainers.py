"""The trainings that there are, by name. A module outside of the tree adds its own with `register` (`rlhf.extensions`).

Nothing here imports torch: a training's settings are known before anything is trained.
"""

import difflib
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from rlhf import train_dpo, train_groups, train_policy, train_reward, train_sft
from rlhf.config import InputError
from rlhf.dpo_settings import DPOConfig
from rlhf.group_settings import GRPOConfig, RLOOConfig
from rlhf.policy_settings import PolicyConfig
from rlhf.reward_config import RewardConfig
from rlhf.sft_settings import SFTConfig
from rlhf.training_run import Prepared, train
from rlhf.training_settings import TrainingSettings

if TYPE_CHECKING:
    from rlhf.processes import Processes

C = TypeVar("C", bound=TrainingSettings)


@dataclass(frozen=True, slots=True)
class Training:
    """A kind of training. prepare: makes the trainer, given settings and processes, and what finishes its work."""

    name: str
    settings: type[TrainingSettings]
    prepare: "Callable[[Any, Processes], Prepared]"

    def run(self, config: TrainingSettings) -> dict[str, Any]:
        """Train, and return the summary; see `rlhf.training_run.train`."""
        return train(config, self.prepare)


_trainings: dict[str, Training] = {}


def register(name: str, settings: type[C], prepare: "Callable[[C, Processes], Prepared]") -> None:
    """Add a kind of training, which `python -m rlhf.train NAME` then runs. Raises ValueError for a name twice."""
    if name in _trainings:
        raise ValueError(f"there is a training called {name} already")
    _trainings[name] = Training(name, settings, prepare)


def trainings() -> list[Training]:
    """All of them, in the order of their names."""
    return [_trainings[name] for name in sorted(_trainings)]


def find(name: str) -> Training:
    """The training of that name. Raises InputError with the names that look like it."""
    if name in _trainings:
        return _trainings[name]
    near = difflib.get_close_matches(name, _trainings) or sorted(_trainings)
    raise InputError(f"there is no training called {name!r}; did you mean {' or '.join(near)}?")


register("reward", RewardConfig, train_reward.prepare)
register("ppo", PolicyConfig, train_policy.prepare)
register("dpo", DPOConfig, train_dpo.prepare)
register("sft", SFTConfig, train_sft.prepare)
register("rloo", RLOOConfig, train_groups.prepare_rloo)
register("grpo", GRPOConfig, train_groups.prepare_grpo)
