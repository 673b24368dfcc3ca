"""Attention among spans on a CPU, with gradients from products of matrices.

The backward pass of torch's attention on a CPU takes some ten times its forward pass, and autograd fills a row of zeros
for each span that it slices out of one. Here each span writes into its place, and its weights are computed again from
queries and keys, a block of queries at a time. It knows spans and tensors, and no model.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from rlhf.batches import Spans

_BLOCK = 1 << 18  # weights of one head that are in memory at once


@dataclass(frozen=True, slots=True)
class Sight:
    """What the tokens of a row of spans see, and by how much their products are scaled.

    window: a token sees itself and so many before it less one; None: all before it.
    """

    spans: Spans
    scale: float | None
    window: int | None
    _seen: dict[tuple[range, range], Tensor] = field(default_factory=dict)

    def __iter__(self) -> Iterator[tuple[slice, slice | None]]:
        """Where each span is, and where the prefix that it shares."""
        start = 0
        for length, (first, shared) in zip(self.spans.lengths, self.spans.prefixes, strict=True):
            yield slice(start, start + length), slice(first, first + shared) if shared else None
            start += length

    def seen(self, queries: range, keys: range, device: torch.device) -> Tensor:
        """(queries, keys), True for what is seen. Both are places among a span's keys; made once for all layers."""
        wanted = queries, keys
        if wanted not in self._seen:
            row = torch.arange(queries.start, queries.stop, device=device)[:, None]
            column = torch.arange(keys.start, keys.stop, device=device)
            seen = column <= row
            self._seen[wanted] = seen if self.window is None else seen & (column > row - self.window)
        return self._seen[wanted]


def attend(query: Tensor, key: Tensor, value: Tensor, sight: Sight, dropout: float = 0.0) -> Iterator[Tensor]:
    """Of each span (1, heads, length, width), by torch's own attention."""
    for own, prefix in sight:
        keys, values = _joined(key, prefix, own), _joined(value, prefix, own)
        count, shown = own.stop - own.start, keys.shape[2]
        causal = prefix is None and (sight.window is None or sight.window >= count)
        yield scaled_dot_product_attention(
            query[:, :, own],
            keys,
            values,
            attn_mask=None if causal else sight.seen(range(shown - count, shown), range(shown), query.device),
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
        ctx.save_for_backward(query, key, value)
        found = query.new_empty(1, query.shape[2], query.shape[1], value.shape[-1])
        for (own, _), part in zip(sight, attend(query, key, value, sight), strict=True):
            found[:, own] = part.transpose(1, 2)
        return found

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        """The gradients, summed in float32 where tokens of a prefix have several."""
        (grad,) = grads
        query, key, value = ctx.saved_tensors
        sight: Sight = ctx.sight
        sums = torch.promote_types(query.dtype, torch.float32)
        to_query = torch.empty_like(query)
        to_key, to_value = (torch.zeros(states.shape[1:], dtype=sums) for states in (key, value))
        groups = key.shape[1]
        for own, prefix in sight:
            keys, values = _joined(key, prefix, own)[0], _joined(value, prefix, own)[0]
            shown, queries = keys.shape[1], own.stop - own.start
            key_parts, value_parts = torch.zeros_like(keys, dtype=sums), torch.zeros_like(values, dtype=sums)
            size = max(1, _BLOCK // shown)
            for start in range(0, queries, size):
                rows = range(shown - queries + start, shown - queries + min(start + size, queries))
                columns = range(0 if sight.window is None else max(0, rows.start + 1 - sight.window), rows.stop)
                here = slice(own.start + start, own.start + start + len(rows))
                of_query, of_grad = (
                    states.reshape(groups, -1, states.shape[-1])
                    for states in (query[0, :, here], grad[0, here].transpose(0, 1))
                )
                there = slice(columns.start, columns.stop)
                parts = _gradients(of_query, keys[:, there], values[:, there], of_grad, rows, columns, sight)
                to_query[0, :, here] = parts[0].view(query.shape[1], len(rows), -1)
                key_parts[:, there] += parts[1]
                value_parts[:, there] += parts[2]
            for whole, part in ((to_key, key_parts), (to_value, value_parts)):
                if prefix is not None:
                    whole[:, prefix] += part[:, :-queries]
                whole[:, own] += part[:, -queries:]
        return to_query, to_key.to(key.dtype)[None], to_value.to(value.dtype)[None], None


def _joined(states: Tensor, prefix: slice | None, own: slice) -> Tensor:
    return states[:, :, own] if prefix is None else torch.cat([states[:, :, prefix], states[:, :, own]], dim=2)


def _gradients(
    query: Tensor, key: Tensor, value: Tensor, grad: Tensor, rows: range, columns: range, sight: Sight
) -> tuple[Tensor, Tensor, Tensor]:
    """To queries, keys and values. query, grad: (groups, heads of a group x rows, width), the others (groups, columns,
    width). Of attention O = P V with P = softmax(S), S = scale Q K': dV = P' dO, dP = dO V', dS = P (dP - sum(P dP)),
    dQ = scale dS K, dK = scale dS' Q."""
    sums = torch.promote_types(query.dtype, torch.float32)
    scale = query.shape[-1] ** -0.5 if sight.scale is None else sight.scale
    weights = torch.bmm(query.to(sums), key.to(sums).transpose(1, 2)).mul_(scale)  # bfloat16 has too few digits
    seen = sight.seen(rows, columns, query.device)
    weights.view(len(key), -1, len(rows), len(columns)).masked_fill_(~seen, float("-inf"))
    weights = torch.softmax(weights, dim=-1)
    to_value = torch.bmm(weights.to(grad.dtype).transpose(1, 2), grad)
    change = torch.bmm(grad, value.transpose(1, 2)).to(sums)
    change.sub_((change * weights).sum(dim=-1, keepdim=True)).mul_(weights).mul_(scale)
    change = change.to(query.dtype)
    return torch.bmm(change, key), torch.bmm(change.transpose(1, 2), query), to_value
