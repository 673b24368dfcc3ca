"""What a model's settings say before its weights are read: how long its texts may be, and how many tokens it knows."""

from pathlib import Path
from typing import Any

from transformers import AutoConfig

from rlhf.chat_format import first_line
from rlhf.config import InputError
from rlhf.folders import LOAD_ERRORS, refuse_no_model
from rlhf.weights import refuse_quantized


def load_config(path: str | Path) -> Any:
    """The settings of the model in this folder. Raises InputError where there are none, or weights we cannot train."""
    refuse_no_model(path)
    try:
        config = AutoConfig.from_pretrained(path, trust_remote_code=False)
    except LOAD_ERRORS as error:
        raise InputError(f"{path} holds no model that transformers can load: {first_line(error)}") from None
    refuse_quantized(config, path)
    return config


def position_limit(path: str | Path) -> int:
    """The longest sequence that the model in this folder can read, in tokens."""
    return context_of(load_config(path)) or 1 << 30


def rows_of(path: str | Path) -> int:
    """How many tokens the model in this folder has rows for, as its config says."""
    return int(load_config(path).get_text_config().vocab_size)


def context_of(config: Any) -> int | None:
    """The longest text that a model of this config reads, in tokens; None where it sets no limit.

    LongRoPE turns all of a batch's positions in another way once one of its rows is longer than the texts that the
    model was first trained on. Up to there a row does not depend on its neighbours, and further we do not go.
    """
    config = config.get_text_config()
    limits = [getattr(config, name, None) for name in ("max_position_embeddings", "max_seq_len")]
    rope = getattr(config, "rope_parameters", None) or {}
    for settings in (rope, *rope.values()):
        if isinstance(settings, dict) and settings.get("rope_type") == "longrope":
            limits.append(settings.get("original_max_position_embeddings"))
    return min((int(limit) for limit in limits if limit and limit > 0), default=None)
