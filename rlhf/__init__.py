"""The learning library: sampling, fine-tuning, DPO, reward models, PPO, RLOO and GRPO on torch and transformers.

It works from a notebook or the shell and knows no database, no queue and no web page.

    import rlhf

    rlhf.run(rlhf.SFTConfig(model="base", data="demonstrations.jsonl", output="sft"))

What is named here is what others may rely on; docs/guide.md walks through it. Importing this package loads nothing
heavy: torch comes with the first name that needs it. Commands are modules of their own (`python -m rlhf.train ppo`).
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rlhf.advantages import estimate_advantages as estimate_advantages
    from rlhf.base_models import prepare as prepare
    from rlhf.batches import Group as Group
    from rlhf.causal_model import load_causal_lm as load_causal_lm
    from rlhf.chat_format import encode_prompt as encode_prompt
    from rlhf.chat_format import encode_response as encode_response
    from rlhf.chat_format import load_tokenizer as load_tokenizer
    from rlhf.config import InputError as InputError
    from rlhf.config import Interrupted as Interrupted
    from rlhf.config import RunFailed as RunFailed
    from rlhf.dpo import preference_losses as preference_losses
    from rlhf.dpo_settings import DPOConfig as DPOConfig
    from rlhf.entry import run as run
    from rlhf.evaluate_policy import EvaluatePolicyConfig as EvaluatePolicyConfig
    from rlhf.evaluate_reward import EvaluateRewardConfig as EvaluateRewardConfig
    from rlhf.evaluate_reward import ScoreConfig as ScoreConfig
    from rlhf.group_settings import GRPOConfig as GRPOConfig
    from rlhf.group_settings import RLOOConfig as RLOOConfig
    from rlhf.losses import centring_loss as centring_loss
    from rlhf.losses import likelihood_loss as likelihood_loss
    from rlhf.losses import preference_loss as preference_loss
    from rlhf.policy_settings import PolicyConfig as PolicyConfig
    from rlhf.ppo import policy_loss as policy_loss
    from rlhf.ppo import value_loss as value_loss
    from rlhf.reward_config import RewardConfig as RewardConfig
    from rlhf.reward_files import load_reward_model as load_reward_model
    from rlhf.reward_metrics import pair_metrics as pair_metrics
    from rlhf.reward_model import RewardModel as RewardModel
    from rlhf.sample_settings import SampleConfig as SampleConfig
    from rlhf.sampling import generate as generate
    from rlhf.sft_settings import SFTConfig as SFTConfig
    from rlhf.types import Sample as Sample
    from rlhf.types import SamplingSettings as SamplingSettings
    from rlhf.types import user_message as user_message

_NAMES = {
    "advantages": ("estimate_advantages",),
    "base_models": ("prepare",),
    "batches": ("Group",),
    "causal_model": ("load_causal_lm",),
    "chat_format": ("encode_response", "encode_prompt", "load_tokenizer"),
    "config": ("InputError", "Interrupted", "RunFailed"),
    "dpo": ("preference_losses",),
    "dpo_settings": ("DPOConfig",),
    "entry": ("run",),
    "evaluate_policy": ("EvaluatePolicyConfig",),
    "evaluate_reward": ("EvaluateRewardConfig", "ScoreConfig"),
    "group_settings": ("GRPOConfig", "RLOOConfig"),
    "losses": ("centring_loss", "likelihood_loss", "preference_loss"),
    "policy_settings": ("PolicyConfig",),
    "ppo": ("policy_loss", "value_loss"),
    "reward_config": ("RewardConfig",),
    "reward_files": ("load_reward_model",),
    "reward_metrics": ("pair_metrics",),
    "reward_model": ("RewardModel",),
    "sample_settings": ("SampleConfig",),
    "sampling": ("generate",),
    "sft_settings": ("SFTConfig",),
    "types": ("Sample", "SamplingSettings", "user_message"),
}
_HOME = {name: module for module, names in _NAMES.items() for name in names}

__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"rlhf.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
