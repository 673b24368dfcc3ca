"""Reading a model's weights: each tensor that the model needs is in the files, and no other, or the model is refused.

transformers fills what is missing with random numbers, leaves out what it does not know, and goes on. Every loader of
this library comes through here instead. It knows names and shapes of tensors, not what a model is used for.
"""

import re
from collections.abc import Collection
from pathlib import Path
from typing import Any, cast

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor
from transformers import PreTrainedModel
from transformers.utils import logging as transformers_logging

from rlhf.chat_format import first_line
from rlhf.config import InputError
from rlhf.folders import LOAD_ERRORS, refuse_no_model

# What the head of a language model is called: left out where its trunk gets another head.
LANGUAGE_HEADS = frozenset({"lm_head.weight", "lm_head.bias", "embed_out.weight", "output_projection.weight"})

# Constants that older versions of transformers saved: the causal mask, what it is filled with, rotary frequencies.
_CONSTANTS = re.compile(r"\.attn(\.attention)?\.(bias|masked_bias|causal_mask)$|\.rotary_emb\.inv_freq$")


def refuse_quantized(config: Any, path: str | Path) -> None:
    """Raise InputError where a config tells of weights in a few bits, which cannot be trained or saved as they are."""
    settings = getattr(config, "quantization_config", None)
    if settings is not None:
        method = settings.get("quant_method") if isinstance(settings, dict) else getattr(settings, "quant_method", None)
        how = f" ({getattr(method, 'value', method)})" if method else ""
        raise InputError(
            f"the weights in {path} are quantized{how}: give the model in 16 or 32 bits that they come from"
        )


def quiet() -> None:
    """Keep transformers' own bars and notices out of our output; errors still show."""
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()


def read_model(
    kind: Any,
    path: str | Path,
    *,
    new: Collection[str] = (),
    spare: Collection[str] = (),
    use_safetensors: bool = True,
    **settings: Any,
) -> PreTrainedModel:
    """The model that `kind`, a class such as `AutoModelForCausalLM`, makes of a folder or hub id.

    `new`: tensors that must not be there yet and begin with random numbers. `spare`: tensors that may be there and
    are left out. Raises InputError that names the tensor where one is missing, has no place, or has another shape.
    """
    quiet()
    refuse_no_model(path)
    try:
        model, info = kind.from_pretrained(
            str(path),
            trust_remote_code=False,
            use_safetensors=use_safetensors,
            output_loading_info=True,
            ignore_mismatched_sizes=True,  # so that they are told by name, below
            **settings,
        )
    except LOAD_ERRORS as error:
        raise InputError(f"the model in {path} cannot be loaded: {first_line(error)}") from None
    _check(path, model, info, frozenset(new), frozenset(spare))
    return cast(PreTrainedModel, model)


def _check(path: str | Path, model: Any, info: Any, new: frozenset[str], spare: frozenset[str]) -> None:
    name = type(model).__name__
    missing = sorted(set(info["missing_keys"]) - new)
    unexpected = sorted(
        key for key in set(info["unexpected_keys"]) - spare if not _CONSTANTS.search(key) and not _computed(model, key)
    )
    if missing:
        raise InputError(
            f"the weights in {path} are not a whole {name}: {missing[0]} is missing{_more(missing)}"
            + (f"; {unexpected[0]}, which is there, has no place in it" if unexpected else "")
        )
    if there := sorted(new - set(info["missing_keys"])):
        raise InputError(f"{path} has {there[0]}, but its config.json tells of a model without it: correct that")
    if unexpected:
        raise InputError(
            f"the weights in {path} are not those of a {name}: {unexpected[0]} has no place in it{_more(unexpected)}; "
            f"config.json must describe the model that the weights were saved from"
        )
    if info["mismatched_keys"]:
        tensor, saved, wanted = sorted(info["mismatched_keys"])[0]
        raise InputError(
            f"the weights in {path} do not fit their config.json: {tensor} has shape {tuple(saved)}, "
            f"not {tuple(wanted)}{_more(info['mismatched_keys'])}"
        )


def _computed(model: Any, key: str) -> bool:
    """Whether the model has a buffer of this name, which it computes itself and does not save."""
    return any(name == key or name.endswith(f".{key}") for name, _ in model.named_buffers())


def _more(tensors: Collection[Any]) -> str:
    return f", and {len(tensors) - 1} more" if len(tensors) > 1 else ""


def read_tensor(path: Path, name: str, width: int) -> Tensor:
    """The one tensor of a safetensors file, (any, width). Raises InputError where the file holds anything else."""
    try:
        tensors = load_file(path)
    except (OSError, SafetensorError) as error:
        raise InputError(f"{path} cannot be read: {first_line(error)}") from None
    if set(tensors) != {name}:
        odd = sorted(set(tensors) ^ {name})
        raise InputError(f"{path} must hold the tensor {name!r} alone: {odd[0]!r} is missing or has no place in it")
    if tensors[name].ndim != 2 or tensors[name].shape[1] != width:
        raise InputError(f"{path}: {name!r} has shape {tuple(tensors[name].shape)}, not (heads, {width})")
    return tensors[name]
