"""Rotary position embeddings with fewer passes over memory, where gradients are computed on a CPU.

As transformers writes them, autograd makes two tensors of zeros and two copies for each half that is turned, and sums
them in the layers' number format. It knows tensors and what a model's module calls its function, and no model.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

_NAME = "apply_rotary_pos_emb"
Apply = Callable[..., tuple[Tensor, Tensor]]


class Rotation(torch.autograd.Function):
    """States (..., width) times `cos`, and their halves, the second one negated and first, times `sin` (Su et al. 2021,
    eq. 34, halves as GPT-NeoX has them); `cos` and `sin` (..., width) are constants. As exact as the plain sum, to the
    bit; gradients are rounded once."""

    @staticmethod
    def forward(ctx: Any, states: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        """In the wider of both formats."""
        ctx.save_for_backward(cos, sin)
        ctx.dtype, half = states.dtype, states.shape[-1] // 2
        states = states.to(torch.promote_types(states.dtype, cos.dtype))
        turned = states * cos
        turned[..., :half] -= states[..., half:] * sin[..., :half]
        turned[..., half:] += states[..., :half] * sin[..., half:]
        return turned

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        """The same angles, the other way."""
        (cos, sin), half = ctx.saved_tensors, grad.shape[-1] // 2
        back = grad * cos
        back[..., half:] -= grad[..., :half] * sin[..., :half]
        back[..., :half] += grad[..., half:] * sin[..., half:]
        return back.to(ctx.dtype), None, None


def _ours(queries: Tensor, keys: Tensor, cos: Tensor, sin: Tensor) -> tuple[Tensor, Tensor]:
    cos, sin = cos.unsqueeze(1), sin.unsqueeze(1)  # the same for all heads
    turned: tuple[Tensor, Tensor] = tuple(Rotation.apply(states, cos, sin) for states in (queries, keys))  # type: ignore[no-untyped-call]
    return turned


def rotate_fast(model: Any) -> None:
    """Have the modules that `model` was written in use `Rotation`, where what they have computes the same."""
    for name in {type(part).__module__ for part in model.modules()}:
        module = sys.modules[name]
        theirs = getattr(module, _NAME, None)
        if theirs is not None and not isinstance(theirs, Faster) and _same(theirs):
            setattr(module, _NAME, Faster(theirs))


def _same(theirs: Apply) -> bool:
    drawn = torch.Generator().manual_seed(0)
    queries, keys = (torch.randn(2, heads, 5, 8, generator=drawn) for heads in (4, 2))
    cos, sin = (torch.randn(2, 5, 8, generator=drawn) for _ in range(2))
    try:
        found = theirs(queries, keys, cos, sin)
        return all(torch.equal(a, b) for a, b in zip(found, _ours(queries, keys, cos, sin), strict=True))
    except (TypeError, ValueError, RuntimeError, IndexError, AttributeError):  # one with other arguments
        return False


class Faster:
    """A module's own function, and ours in its place where gradients are computed on a CPU."""

    def __init__(self, theirs: Apply) -> None:
        self.theirs = theirs

    def __call__(self, q: Tensor, k: Tensor, cos: Tensor, sin: Tensor, **more: Any) -> tuple[Tensor, Tensor]:
        """As transformers' functions of this name, whose words for the arguments these are."""
        learned = torch.is_grad_enabled() and q.requires_grad and not cos.requires_grad
        if learned and not q.is_cuda and q.shape[-1] == cos.shape[-1] and not more:
            return _ours(q, k, cos, sin)
        return self.theirs(q, k, cos, sin, **more)
