"""Loading a causal language model from a folder: safetensors only, no code from the folder, errors as sentences."""

from pathlib import Path
from typing import Any, cast

import torch
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedModel

from rlhf.chat_format import first_line
from rlhf.config import InputError
from rlhf.folders import LOAD_ERRORS, refuse_no_model
from rlhf.weights import quiet, read_model


def load_causal_lm(
    path: str | Path, dtype: torch.dtype | str = "auto", device: torch.device | str = "cpu"
) -> PreTrainedModel:
    """The model in evaluation mode on `device`; "auto" keeps the number format it was saved in.

    Raises InputError where the folder holds no complete causal language model in safetensors.
    """
    quiet()
    path = Path(path)
    check_folder(path)
    return cast(PreTrainedModel, read_model(AutoModelForCausalLM, path, dtype=dtype).to(device).eval())


def check_folder(path: Path) -> None:
    """Raise InputError unless the folder describes a causal language model and holds its weights as safetensors."""
    if not path.is_dir():
        raise InputError(f"there is no folder {path}")
    if not (path / "config.json").is_file():
        raise InputError(f"{path} is not a model folder: it has no config.json")
    refuse_no_model(path)
    try:
        config: Any = AutoConfig.from_pretrained(str(path), trust_remote_code=False)
    except LOAD_ERRORS as error:
        raise InputError(f"transformers cannot read {path / 'config.json'}: {first_line(error)}") from None
    if type(config) not in AutoModelForCausalLM._model_mapping:
        raise InputError(f"{path} holds a {config.model_type} model, which is not a causal language model")
    if not any(path.glob("*.safetensors")):
        if any(path.glob("*.bin")) or any(path.glob("*.pt")) or any(path.glob("*.pth")):
            raise InputError(
                f"the weights in {path} are pickled, and a pickle can run code when loaded; save them as safetensors"
            )
        raise InputError(f"{path} has no weights: there is no .safetensors file in it")
