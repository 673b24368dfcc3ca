"""Packed weights: the same numbers as torch's own product, and those of the weight as it is now."""

import pytest
import torch
from torch import nn
from torch.nn.functional import linear

from rlhf import packed_linear
from rlhf.packed_linear import PackedLinears

GAINS = torch.ops.mkldnn._is_mkldnn_bf16_supported()  # on other processors nothing is packed, and all must hold as well


@pytest.fixture
def model() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(48, 96), nn.Linear(96, 40, bias=False)).bfloat16()


@torch.inference_mode()
@pytest.mark.parametrize("shape", [(1, 48), (3, 1, 48), (1, 33, 48), (64, 1, 48)])
def test_products_are_the_same_to_the_bit(model: nn.Sequential, shape: tuple[int, ...]) -> None:
    inputs = torch.randn(shape).bfloat16()
    expected = model(inputs)
    linears = PackedLinears(model)
    assert len(linears.layers) == (2 if GAINS else 0)
    with linears.used():
        assert all("forward" in layer.__dict__ for layer in linears.layers)
        assert torch.equal(model(inputs), expected)
    assert not any("forward" in layer.__dict__ for layer in model)


def test_a_changed_weight_is_packed_again(model: nn.Sequential) -> None:
    inputs, linears = torch.randn(5, 48).bfloat16(), PackedLinears(model)
    first = model[0]

    def agree() -> None:
        with torch.inference_mode(), linears.used():
            assert torch.equal(first(inputs), linear(inputs, first.weight, first.bias))

    agree()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    model(inputs).square().sum().backward()
    optimizer.step()
    agree()
    first.load_state_dict({name: torch.randn_like(value) for name, value in first.state_dict().items()})
    agree()
    first.weight = nn.Parameter(torch.randn(96, 48).bfloat16())
    agree()
    first.bias = None
    agree()


def test_layers_are_given_back_after_an_error(model: nn.Sequential) -> None:
    linears = PackedLinears(model)
    with pytest.raises(RuntimeError), torch.inference_mode(), linears.used():
        model(torch.randn(2, 47).bfloat16())
    assert not any("forward" in layer.__dict__ for layer in model)


def test_what_cannot_gain_is_left_alone(model: nn.Sequential, monkeypatch: pytest.MonkeyPatch) -> None:
    hooked = model[0]
    hooked.forward = hooked.forward  # as accelerate's hooks do
    assert PackedLinears(model).layers == ([model[1]] if GAINS else [])
    assert PackedLinears(model.float()).layers == []
    with torch.inference_mode():  # its tensors do not tell when they are changed
        assert PackedLinears(nn.Linear(4, 4).bfloat16()).layers == []
    monkeypatch.setattr(packed_linear, "_SHARE", 0.0)
    assert PackedLinears(nn.Sequential(nn.Linear(48, 96)).bfloat16()).layers == []
