"""LoRA's adapters: put into a model, beside their frozen weights for sampling, merged where a model is saved.

Merged into bfloat16, a small update is mostly rounded away; beside the weights it is computed as in training.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import linear
from transformers.pytorch_utils import Conv1D

from rlhf.chat_format import first_line
from rlhf.config import InputError
from rlhf.trial import FAILURES, texts


def linear_layers(model: Any, last_layers: int | None = None) -> list[str]:
    """Names of the layers that get adapters: all linear ones but heads, GPT-2's transposed ones among them.

    Experts of a mixture that lie in one tensor are not among them, nor is what chooses between them, nor layers that a
    text does not pass through (those for pictures and sound, say) or that are read by their weights, past any adapter,
    as a recurrent state's are; nor those that peft takes for others when it reads an adapter.
    `last_layers`: only those in so many layers at the end. Raises InputError where the model cannot be computed.
    """
    heads = {id(model.get_output_embeddings()), id(getattr(model, "score", None))}
    linear = [
        name
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear | Conv1D)
        and id(module) not in heads
        and not hasattr(model.get_submodule(name.rpartition(".")[0]), "A_log")
    ]
    linear = _that_peft_reads_back(model, _that_are_products(model, linear))
    if last_layers is None:
        return linear
    first = model.config.get_text_config().num_hidden_layers - last_layers
    return [name for name in linear if _layer(name) >= first]


@torch.no_grad()
def _that_are_products(model: Any, names: list[str]) -> list[str]:
    """The names of layers that give their product when a text passes: routers of experts give a choice, some none.

    Experts, of which a text meets few, are taken as they are.
    """
    giving = {name for name in names if "experts." in name}

    def look(name: str) -> Callable[..., None]:
        def hook(layer: Any, given: tuple[Tensor, ...], found: Any) -> None:
            plain = Conv1D.forward if isinstance(layer, Conv1D) else nn.Linear.forward
            if type(layer).forward is plain or _same(found, lambda: plain(layer, *given)):
                giving.add(name)

        return hook

    hooks = [model.get_submodule(name).register_forward_hook(look(name)) for name in names]
    try:
        model(input_ids=torch.tensor([texts([model])[-1]], device=model.device), use_cache=False)
    except FAILURES as error:
        kind = type(model).__name__
        raise InputError(f"{kind} cannot be used with LoRA: {first_line(error)}; train all weights") from error
    finally:
        for hook in hooks:
            hook.remove()
    return [name for name in names if name in giving]


def _same(found: Any, product: Callable[[], Tensor]) -> bool:
    try:
        expected = product()
    except RuntimeError:  # another shape: groups of columns, each with weights of its own
        return False
    return isinstance(found, Tensor) and found.shape == expected.shape and torch.allclose(found, expected)


def _that_peft_reads_back(model: Any, names: list[str]) -> list[str]:
    """The names whose adapters peft puts where they were, both when it makes them and when it reads their file.

    In models whose experts once were layers of their own it reads `gate_proj`, wherever it stands, as the tensor that
    all experts share now, and it renames tensors as the model's oldest files do, so that adapters made by older
    versions load. Then it would adapt another part of the model than was asked for, or none.
    """
    from peft import LoraConfig
    from peft.utils.transformers_weight_conversion import (
        convert_peft_adapter_state_dict_for_transformers,
        convert_peft_config_for_transformers,
    )

    settings = LoraConfig(target_modules=names)
    convert_peft_config_for_transformers(settings, model, conversions=None)
    keys = {name: f"base_model.model.{name}.lora_A.weight" for name in names if name in settings.target_modules}
    file = {key: torch.full((1, 1), float(place)) for place, key in enumerate(keys.values())}
    read = convert_peft_adapter_state_dict_for_transformers(model, settings, file)
    return [name for name, key in keys.items() if key in read and torch.equal(read[key], file[key])]


def _layer(name: str) -> int:
    """The number of the layer that a module (`model.layers.17.mlp.up_proj`) is in; -1: in none."""
    return next((int(part) for part in name.split(".") if part.isdigit()), -1)


def add_lora(model: Any, rank: int, alpha: int, *, last_layers: int | None = None, head: str | None = None) -> Any:
    """The model with LoRA adapters (Hu et al. 2021), in float32, in its `linear_layers`; base frozen.

    `last_layers`: adapt only so many layers at the end, so that no gradient flows below them. `head`: the name of a
    classifier's head, which is then trained in full. Raises InputError where peft adapts something else.
    """
    from peft import LoraConfig, get_peft_model

    names = linear_layers(model, last_layers)
    kind = type(model).__name__
    if not names:
        raise InputError(f"{kind} cannot be used with LoRA: it has no layer to put an adapter on; train all weights")
    settings = LoraConfig(
        task_type="SEQ_CLS" if head else None,
        r=rank,
        lora_alpha=alpha,
        lora_dropout=0.0,
        target_modules=names,
        modules_to_save=[head] if head else None,
    )
    wrapped = get_peft_model(model, settings)
    if sorted(name for name, _ in _adapted_layers(wrapped.get_base_model())) != sorted(names):
        raise InputError(
            f"{kind} cannot be used with LoRA: peft adapts other layers than it was told; train all weights"
        )
    for parameter in wrapped.parameters():
        if parameter.requires_grad:
            parameter.data = parameter.data.float()
    return wrapped


def _adapted_layers(model: nn.Module) -> Iterator[tuple[str, Any]]:
    """(name of the layer in the plain model, the layer) of each linear layer that has an adapter."""
    from peft.tuners.lora import Linear

    for name, layer in model.named_modules():
        if isinstance(layer, Linear):
            yield name, layer


@torch.no_grad()
def add_adapters(trained: nn.Module, plain: nn.Module) -> None:
    """Adds what the adapters of `trained` add to their frozen weights to those weights in `plain`."""
    target = dict(plain.named_parameters())
    for name, layer in _adapted_layers(trained):
        weight = target[f"{name}.weight"]
        weight.add_(layer.get_delta_weight("default").to(weight.device))


class SideProducts:
    """The adapters of a model in the number format of its products, as they were at the last `refresh`.

    While `active`, the model's layers compute what they compute under autocast in training, without casting anew for
    every token. The copies stay where they are in memory, so that recorded steps read the present ones.
    """

    def __init__(self, model: nn.Module, dtype: torch.dtype) -> None:
        self._layers = [layer for _, layer in _adapted_layers(model)]
        self._factors = [[factor.detach().to(dtype, copy=True) for factor in _factors(each)] for each in self._layers]
        self._forwards = [_forward(layer, *both) for layer, both in zip(self._layers, self._factors, strict=True)]

    @torch.no_grad()
    def refresh(self) -> None:
        for layer, copies in zip(self._layers, self._factors, strict=True):
            for copy, factor in zip(copies, _factors(layer), strict=True):
                copy.copy_(factor)

    @contextmanager
    def active(self) -> Iterator[None]:
        for layer, forward in zip(self._layers, self._forwards, strict=True):
            layer.forward = forward
        try:
            yield
        finally:
            for layer in self._layers:
                del layer.forward  # the class's own again


def _factors(layer: Any) -> tuple[Tensor, Tensor]:
    return layer.lora_A["default"].weight, layer.lora_B["default"].weight


def _forward(layer: Any, down: Tensor, up: Tensor) -> Callable[[Tensor], Tensor]:
    base, scaling = layer.get_base_layer(), layer.scaling["default"]

    def forward(x: Tensor) -> Tensor:
        product: Tensor = base(x)
        return product.add_(linear(linear(x, down), up).mul_(scaling))

    return forward
