"""The products of decoding steps on a CPU, with weights that are laid out once.

oneDNN multiplies bfloat16 weights in blocks of its own layout. For the few rows of a decoding step, laying a weight out
takes about as long as the product, and torch does it at every call. Here it is done once, and again after the weight
has changed. It knows no model and no decoding.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from weakref import WeakKeyDictionary

import psutil
import torch
from torch import Tensor, nn

_ROWS = 32  # that the layout is made for; it serves any number
_SHARE = 0.25  # of the free memory, which the second copy of the weights may take


class _Packed:
    """The forward of a layer, from its packed weight."""

    def __init__(self, layer: nn.Linear) -> None:
        self.made_of = _state_of(layer)
        self.weight: Tensor = _operators()._reorder_linear_weight(layer.weight.detach(), _ROWS)
        self.bias = layer.bias

    def __call__(self, inputs: Tensor) -> Tensor:
        product: Tensor = _operators()._linear_pointwise(inputs, self.weight, self.bias, "none", [], "")
        return product


_packed: WeakKeyDictionary[nn.Linear, _Packed] = WeakKeyDictionary()


class PackedLinears:
    """A model's linear layers, to be computed from packed weights while it is asked for."""

    def __init__(self, model: nn.Module) -> None:
        """Takes none where it is no gain, or where the copies would take more than a quarter of the free memory."""
        self.layers = [layer for layer in model.modules() if type(layer) is nn.Linear and _gains(layer)]
        size = sum(layer.weight.nbytes for layer in self.layers if layer not in _packed)
        if size > _SHARE * psutil.virtual_memory().available:
            self.layers = []

    @contextmanager
    def used(self) -> Iterator[None]:
        """Within it, and in inference mode, the layers use them; results are the same to the bit."""
        try:
            for layer in self.layers:
                kept = _packed.get(layer)
                if kept is None or kept.made_of != _state_of(layer):
                    _packed[layer] = kept = _Packed(layer)
                vars(layer)["forward"] = kept  # before the class's
            yield
        finally:
            for layer in self.layers:
                vars(layer).pop("forward", None)


def _gains(layer: nn.Linear) -> bool:
    weight = layer.weight
    return (
        type(weight.data) is Tensor  # not a part of one that is sharded
        and weight.device.type == "cpu"
        and weight.dtype == torch.bfloat16
        and not weight.is_inference()  # such a tensor does not tell when it is changed
        and _operators()._is_mkldnn_bf16_supported()
        and "forward" not in vars(layer)  # accelerate and the like have put one of their own there
    )


def _state_of(layer: nn.Linear) -> tuple[int, int, int]:
    """Another one after the weight was changed in place, or one of the two replaced."""
    return layer.weight.data_ptr(), layer.weight._version, id(layer.bias)


def _operators() -> Any:
    return torch.ops.mkldnn
