"""Attention among spans on a CPU, with gradients from products of matrices.

The backward pass of torch's attention on a CPU takes some ten times its forward pass, and autograd fills a row of zeros
for each span that it slices out of one. Here each span writes into its place, and its weights are computed again from
queries and keys, a block of queries at a time. It knows spans and tensors, and no model.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from rlhf.batches import Spans

_BLOCK = 1 << 16  # weights of one head that are computed at once


@dataclass(frozen=True, slots=True)
class Sight:
    """What the tokens of a row of spans see, and by how much their products are scaled.

    window: a token sees itself and so many before it less one; None: all before it.
    """

    spans: Spans
    scale: float | None
    window: int | None
    _hidden: dict[tuple[int, int, torch.dtype], Tensor] = field(default_factory=dict)

    def __iter__(self) -> Iterator[tuple[slice, slice | None]]:
        """Where each span is, and where the prefix that it shares."""
        start = 0
        for length, (first, shared) in zip(self.spans.lengths, self.spans.prefixes, strict=True):
            yield slice(start, start + length), slice(first, first + shared) if shared else None
            start += length

    def hidden(self, queries: int, keys: int, dtype: torch.dtype, device: torch.device) -> Tensor:
        """(queries, keys), to be added to products: 0 for what the last tokens of so many see, otherwise minus
        infinity. Made once for all layers."""
        wanted = queries, keys, dtype
        if wanted not in self._hidden:
            row = torch.arange(keys - queries, keys, device=device)[:, None]
            column = torch.arange(keys, device=device)
            hidden = column > row if self.window is None else (column > row) | (column <= row - self.window)
            nothing = torch.zeros(queries, keys, dtype=dtype, device=device)
            self._hidden[wanted] = nothing.masked_fill_(hidden, -torch.inf)
        return self._hidden[wanted]

    def scale_of(self, query: Tensor) -> float:
        return float(query.shape[-1]) ** -0.5 if self.scale is None else self.scale

    def blocks(self) -> Iterator[tuple[slice, list[slice]]]:
        """Queries that are worked on at once, and where in the row the keys are that any of them sees."""
        for own, prefix in self:
            shared = prefix.stop - prefix.start if prefix else 0
            shown = shared + own.stop - own.start
            size = max(1, _BLOCK // shown)
            for start in range(own.start, own.stop, size):
                stop = min(start + size, own.stop)
                first = 0 if self.window is None else max(0, shown - own.stop + start + 1 - self.window)
                places = [slice(own.start + max(0, first - shared), stop)]
                if prefix and first < shared:
                    places.insert(0, slice(prefix.start + first, prefix.stop))
                yield slice(start, stop), places


def attend(query: Tensor, key: Tensor, value: Tensor, sight: Sight, dropout: float = 0.0) -> Iterator[Tensor]:
    """Of each span (1, heads, length, width), by torch's own attention."""
    for own, prefix in sight:
        places = [prefix, own] if prefix else [own]
        keys, values = _seen(key, places), _seen(value, places)
        count, shown = own.stop - own.start, keys.shape[2]
        causal = prefix is None and (sight.window is None or sight.window >= count)
        yield scaled_dot_product_attention(
            query[:, :, own],
            keys,
            values,
            attn_mask=None if causal else sight.hidden(count, shown, query.dtype, query.device),
            dropout_p=dropout,
            is_causal=causal,
            scale=sight.scale,
            enable_gqa=True,
        )


class SpanProducts(torch.autograd.Function):
    """(1, length, heads, width) from queries (1, heads, length, width), keys and values of as many heads or fewer."""

    @staticmethod
    def forward(ctx: Any, query: Tensor, key: Tensor, value: Tensor, sight: Sight) -> Tensor:
        ctx.sight = sight
        found = query.new_empty(1, query.shape[2], query.shape[1], value.shape[-1])
        for (own, _), part in zip(sight, attend(query, key, value, sight), strict=True):
            found[:, own] = part.transpose(1, 2)
        ctx.save_for_backward(query, key, value, found)
        return found

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        """Of attention O = P V with P = softmax(S), S = scale Q K': dV = P' dO, dP = dO V', dS = P (dP - sum(P dP)),
        where sum(P dP) = sum(dO O) (Dao et al. 2022, appendix B.2), dQ = scale dS K, dK = scale dS' Q. Summed in
        float32 where tokens of a prefix have several."""
        query, key, value, found = ctx.saved_tensors
        sight: Sight = ctx.sight
        sums = torch.promote_types(query.dtype, torch.float32)
        to_query = torch.empty_like(query)
        to_key, to_value = (torch.zeros(states.shape[1:], dtype=sums) for states in (key, value))
        grad, longer_value = _less_paid(grads[0], found, value)
        for here, places in sight.blocks():
            keys = _seen(key[0], places)
            of_query, of_grad = (_grouped(states[:, here], len(keys)) for states in (query[0], grad))
            weights = _weights(of_query, keys, here, sight)
            change = torch.bmm(of_grad, _seen(longer_value[0], places).transpose(1, 2)).mul_(weights)
            to_query[0, :, here] = torch.bmm(change, keys).view(query.shape[1], -1, query.shape[-1])
            _add(to_key, torch.bmm(change.transpose(1, 2), of_query), places)
            _add(to_value, torch.bmm(weights.transpose(1, 2), of_grad[..., : value.shape[-1]]), places)
        scale = sight.scale_of(query)
        return to_query.mul_(scale), to_key.mul_(scale).to(key.dtype)[None], to_value.to(value.dtype)[None], None


def _seen(states: Tensor, places: list[slice]) -> Tensor:
    """(..., groups, seen, width) from (..., groups, length, width)."""
    parts = [states[..., place, :] for place in places]
    return torch.cat(parts, dim=-2) if len(parts) > 1 else parts[0]


def _add(sums: Tensor, part: Tensor, places: list[slice]) -> None:
    """Adds `part` (groups, seen, width) to `sums` (groups, length, width) where it belongs."""
    parts = torch.split(part, [place.stop - place.start for place in places], dim=1)
    for place, one in zip(places, parts, strict=True):
        sums[:, place] += one


def _grouped(states: Tensor, groups: int) -> Tensor:
    """(groups, heads of a group x length, width) from (heads, length, width)."""
    return states.reshape(groups, -1, states.shape[-1])


@contextmanager
def _factors_in(dtype: torch.dtype) -> Iterator[None]:
    """Products in float32 of factors that are of `dtype` by themselves: of bfloat16 two times as fast, and as exact."""
    matmul = torch.backends.mkldnn.matmul  # type: ignore[attr-defined]
    before = matmul.fp32_precision
    if dtype == torch.bfloat16:
        matmul.fp32_precision = "bf16"
    try:
        yield
    finally:
        matmul.fp32_precision = before


def _weights(query: Tensor, key: Tensor, here: slice, sight: Sight) -> Tensor:
    """(groups, heads of a group x count, seen), in the queries' format: what each of the tokens of `here`, the last of
    `key` (groups, seen, width), takes of those. query: (groups, heads of a group x count, width)."""
    sums = torch.promote_types(query.dtype, torch.float32)  # bfloat16 has too few digits for a product
    count, seen = here.stop - here.start, key.shape[1]
    weights = query.new_empty(len(key), query.shape[1], seen, dtype=sums)
    factors = query.to(sums), key.to(sums).transpose(1, 2)
    with _factors_in(query.dtype):
        torch.baddbmm(weights, *factors, beta=0, alpha=sight.scale_of(query), out=weights)
    hides = count if sight.window is None else seen  # the last of the keys, of which some are hidden from some
    weights.view(len(key), -1, count, seen)[..., seen - hides :] += sight.hidden(count, hides, sums, query.device)
    return torch.softmax(weights, dim=-1).to(query.dtype)


def _less_paid(grad: Tensor, found: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
    """(heads, length, width + 2) and (1, groups, length, width + 2), whose product is dP - sum(P dP), rounded once."""
    sums = torch.promote_types(grad.dtype, torch.float32)
    paid = (grad[0].to(sums) * found[0]).sum(dim=-1, keepdim=True)  # (length, heads, 1)
    most = paid.to(grad.dtype)
    longer = torch.cat([grad[0], most, (paid - most).to(grad.dtype)], dim=-1).transpose(0, 1)
    return longer, torch.cat([value, value.new_full((*value.shape[:-1], 2), -1)], dim=-1)
