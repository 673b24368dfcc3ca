"""RLOO and GRPO, `python -m rlhf.train rloo | grpo`: a policy against a reward, without a value model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rlhf.group_settings import GRPOConfig, RLOOConfig
from rlhf.online_run import prepare_online
from rlhf.training_run import Prepared, train

if TYPE_CHECKING:
    from rlhf.processes import Processes


def train_rloo(config: RLOOConfig) -> dict[str, Any]:
    """Trains and returns the summary; see `rlhf.training_run.train`."""
    return train(config, prepare_rloo)


def train_grpo(config: GRPOConfig) -> dict[str, Any]:
    """Trains and returns the summary; see `rlhf.training_run.train`."""
    return train(config, prepare_grpo)


def prepare_rloo(config: RLOOConfig, processes: Processes) -> Prepared:
    """Trainer, and what finishes its work."""
    from rlhf.group_trainer import RLOOTrainer

    return prepare_online("RLOO", config, processes, RLOOTrainer)


def prepare_grpo(config: GRPOConfig, processes: Processes) -> Prepared:
    """Trainer, and what finishes its work."""
    from rlhf.group_trainer import GRPOTrainer

    return prepare_online("GRPO", config, processes, GRPOTrainer)
