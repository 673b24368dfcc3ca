"""The folders of PPO: models loaded from them, the finished policy written to one.

Knows transformers and peft; does not know how a policy is trained.
"""

from __future__ import annotations

import copy
import shutil
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, Literal

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from rlhf.adapters import add_adapters, add_lora
from rlhf.causal_model import load_causal_lm
from rlhf.checkpoints import publish
from rlhf.decode_step import mask_kind
from rlhf.model_card import adapter_card, card, table, with_attention
from rlhf.model_files import save_adapter, save_model, save_tokenizer
from rlhf.online_settings import OnlineSettings
from rlhf.policy_model import PolicyModel, copy_weights, frozen_copy
from rlhf.reward_model import RewardModel
from rlhf.training_settings import TrainingSettings
from rlhf.vocabulary import Vocabulary
from rlhf.weights import refuse_quantized

ValueModel = Literal["none", "shared", "separate"]


def load_causal(path: str | Path, dtype: torch.dtype | str) -> PreTrainedModel:
    """A causal language model for training: dropout off. Raises InputError where the folder holds none."""
    model = load_causal_lm(path, dtype)
    refuse_quantized(model.config, path)
    for module in model.modules():
        for name, value in vars(module).items():
            if "dropout" in name and isinstance(value, float):  # attention keeps its own
                setattr(module, name, 0.0)
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    return model


def load_policy_model(
    config: OnlineSettings,
    tokenizer: PreTrainedTokenizerBase,
    reward: RewardModel | None = None,
    *,
    compute_dtype: torch.dtype,
    value_model: ValueModel = "none",
    sharded: bool = False,
) -> PolicyModel:
    """Policy, reference and value model as the settings want them, on the CPU.

    `reward`, which reads the policy's tokens, starts a separate value model; without one the policy's trunk does.
    A model that is going to be `sharded` is in float32 throughout, for FSDP wants one data type.
    """
    causal = load_causal(config.model, compute_dtype if config.use_peft else torch.float32)
    mask_kind(causal)  # so that what could not be sampled from later is refused now
    value_trunk: Any = None
    if value_model == "separate":
        trunk = causal.base_model if reward is None else reward.hf.base_model
        value_trunk = copy.deepcopy(trunk).to(compute_dtype if config.use_peft else torch.float32)
    if config.gradient_checkpointing:
        for model in (causal, value_trunk):
            if model is not None:
                model.gradient_checkpointing_enable({"use_reentrant": False})
    policy: Any = causal
    reference = None
    if config.use_peft:
        torch.manual_seed(config.seed)  # the adapters' start is drawn
        lora = partial(add_lora, rank=config.lora_r, alpha=config.lora_alpha, last_layers=config.lora_last_layers)
        policy = lora(causal)
        value_trunk = None if value_trunk is None else lora(value_trunk)
    else:
        reference = frozen_copy(causal, torch.float32 if sharded else compute_dtype)
    model = PolicyModel(
        policy,
        reference=reference,
        value_trunk=value_trunk,
        vocabulary=Vocabulary.of(tokenizer),
        temperature=config.temperature,
        head_chunk=config.head_chunk,
        compute_dtype=compute_dtype,
        values=value_model != "none",
    )
    if value_trunk is not None and reward is not None:
        start_value_head(model, reward, normalize=config.normalize_scores)
    return model.train(config.gradient_checkpointing)  # transformers checkpoints in training mode only


def load_language_model(
    config: TrainingSettings,
    tokenizer: PreTrainedTokenizerBase,
    compute_dtype: torch.dtype,
    *,
    head_chunk: int | None = None,
) -> PolicyModel:
    """A policy to be trained by itself, without reference and values, on the CPU."""
    causal = load_causal(config.model, compute_dtype if config.use_peft else torch.float32)
    if config.gradient_checkpointing:
        causal.gradient_checkpointing_enable({"use_reentrant": False})
    policy: Any = causal
    if config.use_peft:
        torch.manual_seed(config.seed)  # the adapters' start is drawn
        policy = add_lora(causal, config.lora_r, config.lora_alpha)
    model = PolicyModel(
        policy,
        reference=None,
        value_trunk=None,
        vocabulary=Vocabulary.of(tokenizer),
        head_chunk=head_chunk,
        compute_dtype=compute_dtype,
        values=False,
    )
    return model.train(config.gradient_checkpointing)  # transformers checkpoints in training mode only


@torch.no_grad()
def start_value_head(model: PolicyModel, reward: RewardModel, *, normalize: bool) -> None:
    """Lets the value head begin as the reward model's mean head, on the scale of the scores that are paid."""
    mean = float(getattr(reward.hf.config, "mean", None) or 0.0) if normalize else 0.0
    std = float(getattr(reward.hf.config, "std", None) or 1.0) if normalize else 1.0
    model.value_head.weight.copy_(reward.head_weight().float().mean(dim=0, keepdim=True) / std)
    model.value_head.bias.fill_(-mean / std)


def save_policy(
    output: Path,
    model: PolicyModel,
    tokenizer: PreTrainedTokenizerBase,
    config: TrainingSettings,
    readme: str,
    write: bool = True,
) -> None:
    """Writes `output/model` (merged) and, with LoRA, `output/adapter`; whole or not.

    Always in float32, as the weights were trained: 16 bits would round most of a small update away. Processes that
    share the model must all call it, with `write` in one of them.
    """
    plain = load_causal(config.model, torch.float32)
    if model.adapted:
        add_adapters(model.causal, plain)
    else:
        copy_weights(model, plain)
    if not write:
        return
    readme = with_attention(readme, plain.config)
    beside = output / ".model.part"
    shutil.rmtree(beside, ignore_errors=True)
    save_model(plain, beside)
    save_tokenizer(tokenizer, beside)
    (beside / "README.md").write_text(readme, encoding="utf-8")
    if config.use_peft:
        adapter = output / ".adapter.part"
        shutil.rmtree(adapter, ignore_errors=True)
        save_adapter(model.policy, adapter, config.model, adapter_card(readme))
        publish(adapter, output / "adapter")
    publish(beside, output / "model")


def policy_card(method: str, settings: Mapping[str, Any], summary: Mapping[str, Any]) -> str:
    """The README.md of a finished policy."""
    intro = (
        f"A language model fine-tuned with {method} against a reward. It is the best of the run by the holdout reward "
        f"among those inside the KL budget, and was trained at temperature {settings['temperature']:g}: responses are "
        "best sampled at that temperature, without top-k or top-p."
    )
    return _card([method.lower(), "rlhf"], intro, settings, summary)


def sft_card(settings: Mapping[str, Any], summary: Mapping[str, Any]) -> str:
    """The README.md of a model that learned from demonstrations."""
    intro = (
        "A language model fine-tuned on demonstrations: the assistant's tokens, the end-of-turn token among them. Its "
        "holdout figures are of demonstrations that had no part in choosing it."
    )
    return _card(["sft"], intro, settings, summary)


def dpo_card(settings: Mapping[str, Any], summary: Mapping[str, Any]) -> str:
    """The README.md of a model that learned from preferences directly."""
    intro = (
        f"A language model fine-tuned on preference pairs with DPO ({settings['loss']}, beta {settings['beta']:g}). "
        "Its holdout figures are of pairs that had no part in choosing it."
    )
    return _card(["dpo"], intro, settings, summary)


def _card(tags: list[str], intro: str, settings: Mapping[str, Any], summary: Mapping[str, Any]) -> str:
    precision = (
        "The weights are in float32, as they were trained. Read in 16 bits, a small update is rounded away in part"
        + ("; the adapter, which lies in a folder beside this one, keeps it." if settings["use_peft"] else ".")
    )
    result = table({name: value for name, value in summary.items() if name != "model"})
    tags = ["text-generation", *tags, "hone"]
    return card("Policy", "text-generation", settings, tags, f"{intro} {precision}", {"Result": result})
