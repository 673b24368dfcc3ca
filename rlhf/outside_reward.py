"""Reward models from elsewhere: any sequence classifier of transformers with one label, as TRL's trainer makes them.

Such a model has been trained on whole conversations as its chat template writes them, and its score is read at the last
token of that. Ours are told by the mean and spread of their scores, which stand in their config; their score is read at
the token that closes the response. This module writes such a folder into one of our own; who scores asks `reads_whole`.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any, cast

import torch

from rlhf.batches import Group
from rlhf.chat_format import choose_pad, encode_whole, load_tokenizer
from rlhf.config import InputError
from rlhf.model_config import context_of
from rlhf.model_files import save_model, save_tokenizer
from rlhf.reward_files import load_classifier, load_reward_model, require_reward_model, saved_heads
from rlhf.reward_model import HEADS_FILE
from rlhf.types import user_message
from rlhf.vocabulary import require_rows

_MOST = 1 << 30


def write_reward_model(source: Path, folder: Path) -> None:
    """Write the reward model of one folder into another one: as safetensors, with all its heads, dropout off, and a pad
    token where it had none. Raises InputError where `source` holds none that is whole."""
    require_reward_model(source)
    tokenizer = load_tokenizer(source)
    hf = load_classifier(source, "auto", "auto", new_head=False)
    saved_heads(hf, source)
    config: Any = hf.config
    if config.pad_token_id is None:
        config.pad_token_id = config.get_text_config().pad_token_id = choose_pad(tokenizer)
    rows = hf.get_input_embeddings().weight.shape[0]
    require_rows(load_tokenizer(source), rows, source)  # as it came: `choose_pad` may have added a token
    if config.pad_token_id >= rows:
        hf.resize_token_embeddings(len(tokenizer), mean_resizing=False)
    config.problem_type = "regression"  # the pipeline of transformers then gives the raw score
    save_model(hf, folder)
    save_tokenizer(tokenizer, folder)
    if (heads := source / HEADS_FILE).is_file():
        shutil.copy(heads, folder / HEADS_FILE)


def try_reward_model(folder: Path) -> dict[str, Any]:
    """Have the reward model of a folder score one response, and describe it. Raises InputError where it cannot."""
    tokenizer = load_tokenizer(folder)
    model = load_reward_model(folder)
    ids, _ = encode_whole(tokenizer, user_message("What is the capital of France?"), "It is Paris.", _MOST)
    [scores] = model.score([Group([], [ids])])
    if not bool(torch.isfinite(scores).all()):
        raise InputError("its weights are broken: the model computes scores that are not finite")
    return {
        "parameters": sum(parameter.numel() for parameter in model.hf.parameters()),
        "architecture": type(model.hf).__name__,
        "context": context_of(model.hf.config),
        "vocabulary": cast(Any, model.hf.get_input_embeddings()).weight.shape[0],
        "heads": model.heads,
        "score": float(scores.mean()),
    }
