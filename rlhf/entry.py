"""One call for every command: its settings in, its summary out. It knows which function takes which settings."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from rlhf.config import InputError
from rlhf.settings import Settings

_TAKEN_BY = {
    "SFTConfig": ("rlhf.train_sft", "train_sft"),
    "DPOConfig": ("rlhf.train_dpo", "train_dpo"),
    "RewardConfig": ("rlhf.train_reward", "train_reward"),
    "PolicyConfig": ("rlhf.train_policy", "train_policy"),
    "RLOOConfig": ("rlhf.train_groups", "train_rloo"),
    "GRPOConfig": ("rlhf.train_groups", "train_grpo"),
    "SampleConfig": ("rlhf.sample", "sample"),
    "EvaluateRewardConfig": ("rlhf.evaluate_reward", "evaluate_reward"),
    "EvaluatePolicyConfig": ("rlhf.evaluate_policy", "evaluate_policy"),
    "ScoreConfig": ("rlhf.evaluate_reward", "score_file"),
}


def run(config: Settings) -> dict[str, Any]:
    """Does what these settings are for: trains, samples, evaluates or scores. Returns the summary.

    Raises InputError for settings or data that cannot be used, RunFailed where a training goes wrong, Interrupted after
    a signal, with a checkpoint.
    """
    name = type(config).__name__
    if name not in _TAKEN_BY:
        raise InputError(f"{name} is not the settings of any command: give one of {', '.join(_TAKEN_BY)}")
    module, function = _TAKEN_BY[name]
    summary: dict[str, Any] = getattr(import_module(module), function)(config)
    return summary
