"""Attention among the spans of one row: each sees itself, causally, and the prefix that it shares, and nothing else.

Nothing is computed to be masked: on a GPU with flash attention over sequences of any length, elsewhere span by span
(`rlhf.span_products`). It knows spans and tensors, and no model.
"""

from __future__ import annotations

from itertools import accumulate
from typing import Any, cast

import torch
from torch import Tensor

from rlhf.batches import Spans
from rlhf.span_products import Sight, SpanProducts, attend


class SpanAttention:
    """Attention for one row of spans; what depends on their lengths alone is made once, for all layers."""

    def __init__(self, spans: Spans, device: torch.device) -> None:
        self.spans, self.device = spans, device
        self._sights: dict[tuple[float | None, int | None], Sight] = {}
        self._flash: dict[str, Any] = {}
        self._columns: Tensor | None = None  # of the keys, span after span, where they are not simply the row's

    def __call__(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        *,
        scale: float | None = None,
        dropout: float = 0.0,
        window: int | None = None,
    ) -> Tensor:
        """(1, length, heads, width) from queries (1, heads, length, width), keys and values of as many heads or fewer.

        `window`: a token sees itself and the `window` - 1 tokens before it; None: all before it.
        """
        if value.is_cuda and value.dtype in (torch.bfloat16, torch.float16) and not dropout:
            return self._all_at_once(query, key, value, scale, window)
        sight = self._sights.setdefault((scale, window), Sight(self.spans, scale, window))
        if value.is_cuda or dropout:
            parts = [*attend(query, key, value, sight, dropout)]
            return torch.cat(parts, dim=2).transpose(1, 2).contiguous()
        found: Tensor = SpanProducts.apply(query.to(value.dtype), key.to(value.dtype), value, sight)  # type: ignore[no-untyped-call]
        return found

    def _all_at_once(
        self, query: Tensor, key: Tensor, value: Tensor, scale: float | None, window: int | None
    ) -> Tensor:
        from torch.nn.attention.varlen import varlen_attn

        if not self._flash:
            self._prepare_flash()
        queries, keys, values = (states[0].transpose(0, 1).to(value.dtype) for states in (query, key, value))
        if self._columns is not None:
            keys, values = keys.index_select(0, self._columns), values.index_select(0, self._columns)
        back = -1 if window is None else window - 1
        found = varlen_attn(queries, keys, values, **self._flash, scale=scale, window_size=(back, 0), enable_gqa=True)
        return cast(Tensor, found)[None]

    def _prepare_flash(self) -> None:
        lengths = self.spans.lengths
        seen = [length + shared for length, (_, shared) in zip(lengths, self.spans.prefixes, strict=True)]

        def ends(counts: list[int]) -> Tensor:
            return torch.tensor([0, *accumulate(counts)], dtype=torch.int32, device=self.device)

        self._flash = {
            "cu_seq_q": ends(lengths), "cu_seq_k": ends(seen), "max_q": max(lengths), "max_k": max(seen)
        }  # fmt: skip
        if seen != lengths:
            starts = [0, *accumulate(lengths)]
            parts = []
            for start, length, (first, shared) in zip(starts, lengths, self.spans.prefixes, strict=False):
                parts += [torch.arange(first, first + shared), torch.arange(start, start + length)]
            self._columns = torch.cat(parts).to(self.device)
