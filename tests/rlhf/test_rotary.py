"""Rotary embeddings against transformers' own functions: the same to the bit, and gradients nearer to the truth."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import PreTrainedModel
from transformers.models.glm import modeling_glm
from transformers.models.llama import modeling_llama

from rlhf.rotary import Faster, Rotation, rotate_fast


@pytest.fixture
def theirs(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Llama's own function, given back to its module first and at the end."""
    found = modeling_llama.apply_rotary_pos_emb
    own = found.theirs if isinstance(found, Faster) else found
    monkeypatch.setattr(modeling_llama, "apply_rotary_pos_emb", own)
    return own


def angles(length: int, width: int, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    angle = torch.arange(length)[:, None] / 100 ** (torch.arange(width // 2) * 2 / width)
    both = torch.cat([angle, angle], dim=-1)[None]
    return both.cos().to(dtype), both.sin().to(dtype)


def test_a_quarter_turn_by_hand() -> None:
    states = torch.tensor([[1.0, 2.0, 3.0, 4.0]], requires_grad=True)
    turned = Rotation.apply(states, torch.zeros(4), torch.ones(4))
    assert turned.tolist() == [[-3, -4, 1, 2]]
    turned.backward(torch.tensor([[1.0, 10.0, 100.0, 1000.0]]))
    assert states.grad is not None
    assert states.grad.tolist() == [[100, 1000, -1, -10]]


def test_gradients_are_those_of_the_formula_also_where_the_halves_angles_differ() -> None:
    drawn = torch.Generator().manual_seed(1)
    states, cos, sin = (torch.randn(2, 3, 6, dtype=torch.float64, generator=drawn) for _ in range(3))
    assert torch.autograd.gradcheck(lambda x: Rotation.apply(x, cos, sin), states.requires_grad_())


@pytest.mark.parametrize("states", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("table", [torch.float32, torch.bfloat16])
def test_it_is_the_same_to_the_bit_and_gradients_are_as_good(
    theirs: Any, states: torch.dtype, table: torch.dtype
) -> None:
    drawn = torch.Generator().manual_seed(2)
    queries, keys = (torch.randn(1, 40, heads, 16, generator=drawn).to(states).transpose(1, 2) for heads in (6, 2))
    cos, sin = angles(40, 16, table)
    wanted = torch.randn(1, 6, 40, 16, generator=drawn)
    gradients = {}
    for name, function in (("theirs", theirs), ("ours", Faster(theirs))):
        query = queries.clone().requires_grad_()
        found = function(query, keys.clone().requires_grad_(), cos, sin)
        (found[0].float() * wanted).sum().backward()
        gradients[name] = (found, query.grad)
    for one, other in zip(gradients["theirs"][0], gradients["ours"][0], strict=True):
        assert one.dtype == other.dtype
        assert torch.equal(one, other)
    exact = queries.double().requires_grad_()
    (theirs(exact, keys.double(), cos.double(), sin.double())[0] * wanted).sum().backward()
    errors = {name: (grad.double() - exact.grad).norm() for name, (_, grad) in gradients.items()}
    assert errors["ours"] <= errors["theirs"] * 1.001
    assert gradients["ours"][1].dtype == states


def test_a_model_is_given_it_once_and_computes_the_same(theirs: Any, llama: PreTrainedModel) -> None:
    ids = torch.tensor([[5, 6, 7, 8, 9, 10]])

    def learned() -> tuple[Tensor, dict[str, Tensor]]:
        llama.zero_grad()
        logits = llama(input_ids=ids).logits
        logits.logsumexp(-1).sum().backward()
        return logits, {name: each.grad.clone() for name, each in llama.named_parameters() if each.grad is not None}

    before, plain = learned()
    rotate_fast(llama)
    rotate_fast(llama)
    given = modeling_llama.apply_rotary_pos_emb
    assert isinstance(given, Faster)
    assert given.theirs is theirs
    after, faster = learned()
    assert torch.equal(before, after)
    assert plain.keys() == faster.keys()
    for name, grad in plain.items():
        torch.testing.assert_close(faster[name], grad, rtol=1e-4, atol=1e-6, msg=name)


def test_what_rotates_otherwise_is_left_alone(theirs: Any) -> None:
    own = modeling_glm.apply_rotary_pos_emb  # neighbours in place of halves

    class Part(torch.nn.Module):
        pass

    Part.__module__ = modeling_glm.__name__
    rotate_fast(Part())
    assert modeling_glm.apply_rotary_pos_emb is own


def test_where_nothing_is_learned_and_for_a_part_of_the_width_theirs_is_asked(theirs: Any) -> None:
    asked: list[int] = []

    def counted(q: Tensor, k: Tensor, cos: Tensor, sin: Tensor, **more: Any) -> tuple[Tensor, Tensor]:
        asked.append(len(more))
        return q, k

    function, (cos, sin) = Faster(counted), angles(3, 4, torch.float32)
    states = torch.ones(1, 2, 3, 4, requires_grad=True)
    with torch.no_grad():
        function(states, states, cos, sin)
    function(states, states, cos[..., :2], sin[..., :2])
    function(states, states, cos, sin, unsqueeze_dim=1)
    function(states.detach(), states.detach(), cos, sin)
    assert asked == [0, 0, 1, 0]
    turned, _ = function(states, states, cos, sin)
    assert len(asked) == 4
    assert turned[0, 0, 1].tolist() == pytest.approx(
        [
            math.cos(1) - math.sin(1),
            math.cos(0.1) - math.sin(0.1),
            math.cos(1) + math.sin(1),
            math.cos(0.1) + math.sin(0.1),
        ]
    )
