"""Reward models from their folders: begun from a language model, gone on with, or read to score.

What is in such a folder is told in `rlhf.reward_model`, which writes it.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, Literal, cast

import torch
from torch import Tensor, nn
from transformers import AutoModelForSequenceClassification, PreTrainedModel, PreTrainedTokenizerBase

from rlhf.chat_format import choose_pad
from rlhf.config import InputError
from rlhf.model_config import load_config
from rlhf.reward_model import HEADS_FILE, RewardModel
from rlhf.weights import LANGUAGE_HEADS, read_model, read_tensor

OLD_HEADS_FILE = "heads.safetensors"
Attention = Literal["auto", "sdpa", "eager"]  # of transformers; auto: sdpa, or eager in models that need it


def load_classifier(
    path: str | Path, dtype: torch.dtype | Literal["auto"], attention: Attention, *, new_head: bool
) -> PreTrainedModel:
    """The sequence classifier in a folder, its head left as it is or (`new_head`) begun anew. Raises InputError."""
    config = load_config(path)
    if type(config) not in AutoModelForSequenceClassification._model_mapping:
        raise InputError(
            f"no reward model can be made of {path}: transformers has no classifier of {config.model_type}"
        )
    if attention == "auto" and (trained_with := getattr(config, "attention", None)) in ("sdpa", "eager"):
        attention = trained_with  # a finished reward model says what it was trained with
    config.num_labels = 1
    switch_dropout_off(config)
    with torch.device("meta"):
        shape = AutoModelForSequenceClassification.from_config(config)
    if not isinstance(getattr(shape, "score", None), nn.Linear):
        raise InputError(
            f"no reward model can be made of {path}: transformers' classifier of {config.model_type} has no linear "
            "`score` head; take a decoder-only model"
        )
    model = read_model(
        AutoModelForSequenceClassification,
        path,
        new={"score.weight"} if new_head else (),
        spare=LANGUAGE_HEADS if new_head else (),
        config=config,
        dtype=dtype,
        attn_implementation=None if attention == "auto" else attention,
    )
    if attention != "auto":
        model.config.attention = attention
    return model


def switch_dropout_off(config: Any) -> None:
    for name, value in vars(config.get_text_config()).items():
        if ("dropout" in name or name.endswith("pdrop")) and isinstance(value, float):
            setattr(config.get_text_config(), name, 0.0)


def _is_classifier(config: Any) -> bool:
    return any("SequenceClassification" in name for name in config.architectures or [])


def _is_reward_model(config: Any) -> bool:
    return config.num_labels == 1 and _is_classifier(config)


def require_reward_model(path: str | Path) -> None:
    """Raise InputError where the folder's config does not tell of a finished reward model."""
    if not _is_reward_model(load_config(path)):
        raise InputError(f"{path} is no reward model: it must be a sequence classifier with one label")


def saved_heads(hf: PreTrainedModel, path: str | Path) -> Tensor:
    """(heads, width) of a finished reward model. Raises InputError where they do not fit it."""
    mean = cast(Tensor, cast(Any, hf).score.weight.detach())
    old = Path(path) / OLD_HEADS_FILE
    file = old if old.exists() else Path(path) / HEADS_FILE
    heads = read_tensor(file, "weight", mean.shape[1]) if file.exists() else mean
    said = getattr(hf.config, "heads", None) or len(heads)
    if said != len(heads):
        raise InputError(f"{path} is a reward model of {said} heads, but {len(heads)} are there: look at {HEADS_FILE}")
    return heads


def _set_heads(hf: PreTrainedModel, weights: Tensor) -> None:
    head = nn.Linear(weights.shape[1], weights.shape[0], bias=False, dtype=hf.dtype)
    with torch.no_grad():
        head.weight.copy_(weights)
    cast(Any, hf).score = head


def new_reward_model(
    base: str | Path,
    tokenizer: PreTrainedTokenizerBase,
    *,
    heads: int = 1,
    seed: int = 0,
    autocast: torch.dtype | None = None,
    attention: Attention = "auto",
) -> RewardModel:
    """A reward model to be trained, from a policy or any causal language model; weights in float32.

    New heads have no bias and start from N(0, 1/(width + 1)) (Stiennon et al. 2020); a finished reward model keeps
    its own. A pad token other than the end token is chosen, in `tokenizer` too. Raises InputError for a folder that
    transformers cannot load whole, or one with another number of heads.
    """
    config = load_config(base)
    if _is_classifier(config) and not _is_reward_model(config):
        raise InputError(f"{base} is a classifier of {config.num_labels} labels: give a language or a reward model")
    finished = _is_reward_model(config)
    hf = load_classifier(base, torch.float32, attention, new_head=not finished)
    if finished:
        saved = saved_heads(hf, base)
        if len(saved) != heads:
            raise InputError(f"{base} is a reward model of {len(saved)} heads: go on with --heads {len(saved)}")
        _set_heads(hf, saved)
    else:
        width = int(cast(Any, hf).score.in_features)
        _set_heads(
            hf, torch.randn((heads, width), generator=torch.Generator().manual_seed(seed)) / math.sqrt(width + 1)
        )
    hf.config.pad_token_id = hf.config.get_text_config().pad_token_id = choose_pad(tokenizer)
    if len(tokenizer) > hf.get_input_embeddings().weight.shape[0]:
        hf.resize_token_embeddings(len(tokenizer), mean_resizing=False)
    return RewardModel(hf, autocast)


def load_reward_model(
    path: str | Path,
    *,
    dtype: torch.dtype = torch.float32,
    autocast: torch.dtype | None = None,
    device: torch.device | str = "cpu",
    max_length: int = 1 << 30,
) -> RewardModel:
    """A finished reward model with all its heads, ready to score; config.mean and config.std are those of its scores.

    Raises InputError where the folder holds none.
    """
    require_reward_model(path)
    hf = load_classifier(path, dtype, "auto", new_head=False)
    _set_heads(hf, saved_heads(hf, path))
    model = RewardModel(hf, autocast).to(device).eval()
    model.find_layout(max_length)
    return model
