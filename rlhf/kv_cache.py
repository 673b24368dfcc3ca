"""Keys and values of many responses of different lengths, in one block of memory per layer.

Row r of a slab holds its tokens in columns 0 … length-1. A decoding step writes each row's new token at that row's
own length, so rows of any length share a batch, join it and leave it without anything being shifted or concatenated.
This module knows no tokens and no sampling.
"""

import math
import mmap
from typing import Any

import torch
from torch import Tensor
from transformers import Cache, DynamicCache
from transformers.cache_utils import CacheLayerMixin, DynamicLayer, DynamicSlidingWindowLayer

from rlhf.batches import added_mask
from rlhf.config import InputError

_COLUMN_STEP = 128  # columns are allocated in multiples of this


class SlabLayer(CacheLayerMixin):  # type: ignore[misc]
    """One layer of a Slab, (rows, heads, columns, width): what transformers' attention asks for keys and values."""

    is_sliding = False

    def __init__(self, slab: "Slab") -> None:
        super().__init__()
        self.keys: Tensor = torch.empty(0)
        self.values: Tensor = torch.empty(0)
        self.slab = slab

    def lazy_initialization(self, key_states: Tensor, value_states: Tensor) -> None:
        raise RuntimeError("a slab is filled by Slab.put before it is decoded from")

    def update(self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any) -> tuple[Tensor, Tensor]:
        """Store one new token a row, (rows, heads, 1, width), and return all keys and values up to the longest row."""
        rows, columns, length = self.slab.row_index, self.slab.positions, self.slab.length
        self.keys[rows, :, columns] = key_states[:, :, 0]
        self.values[rows, :, columns] = value_states[:, :, 0]
        return self.keys[: len(rows), :, :length], self.values[: len(rows), :, :length]

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        return self.slab.length, 0

    def get_seq_length(self) -> int:
        return self.slab.length - 1  # without the token now being decoded

    def get_max_length(self) -> int:
        return -1

    def reserve(self, rows: int, columns: int, like: DynamicLayer, length: int) -> None:
        """Allocate that many rows and columns, shaped as a layer of a cache; the first `length` columns stay."""
        self.keys = _grown(self.keys, rows, columns, like.keys, length)
        self.values = _grown(self.values, rows, columns, like.values, length)


def _grown(old: Tensor, rows: int, columns: int, like: Tensor, length: int) -> Tensor:
    new = _zeros((rows, like.shape[1], columns, like.shape[3]), like)
    if old.numel():
        new[: old.shape[0], :, :length] = old[:, :, :length]
    return new


def _zeros(shape: tuple[int, ...], like: Tensor) -> Tensor:
    """Zeros, because a masked column still multiplies its values by zero, and zero times garbage may be NaN. On a CPU
    they take memory where something is written only: most rows end long before the last column."""
    if like.device.type != "cpu":
        return like.new_zeros(shape)
    pages = mmap.mmap(-1, math.prod(shape) * like.element_size())
    return torch.frombuffer(pages, dtype=like.dtype).view(shape)


class Slab:
    """The cache of a batch under decoding. `cache` is what a model's forward takes as `past_key_values`."""

    def __init__(self, config: Any, device: torch.device) -> None:
        """Raises InputError for models whose state is not keys and values alone (Mamba, linear attention)."""
        self.device = device
        template = DynamicCache(config=config).layers
        for layer in template:
            if type(layer) not in (DynamicLayer, DynamicSlidingWindowLayer):
                raise InputError(
                    f"a model of the kind {config.model_type} cannot be used for responses: what it keeps of a text is "
                    f"more than keys and values ({type(layer).__name__}); take a model with attention alone"
                )
        self.windows = {getattr(layer, "sliding_window", None) for layer in template}
        self.layers = [SlabLayer(self) for _ in template]
        self.cache = Cache(layers=list(self.layers))
        self.rows = self.columns = 0
        self.moves = 0  # how often the memory has moved to another place
        self.set_positions(torch.zeros(0, dtype=torch.long, device=device), 1)

    def set_positions(self, positions: Tensor, length: int) -> None:
        """State at which column each row's next token is written, (rows,), and that all lie before column `length`."""
        self.positions, self.length = positions, length
        self.row_index = torch.arange(len(positions), device=self.device)

    def reserve(self, rows: int, columns: int, source: DynamicCache, length: int) -> None:
        """Make room for at least that many, rows in powers of two; the first `length` columns keep what they hold."""
        if rows > self.rows or columns > self.columns:
            self.rows = max(1 << (rows - 1).bit_length(), self.rows)
            self.columns = max(-(-columns // _COLUMN_STEP) * _COLUMN_STEP, self.columns)
            self.moves += 1
            for layer, like in zip(self.layers, source.layers, strict=True):
                layer.reserve(self.rows, self.columns, like, length)

    def put(self, first_row: int, source: DynamicCache, source_rows: list[int], length: int) -> None:
        """Copy the first `length` tokens of prefilled rows, in this order, into row `first_row` and those after it."""
        rows = slice(first_row, first_row + len(source_rows))
        index = torch.tensor(source_rows, device=self.device)
        for layer, filled in zip(self.layers, source.layers, strict=True):
            layer.keys[rows, :, :length] = filled.keys[:, :, :length].index_select(0, index)
            layer.values[rows, :, :length] = filled.values[:, :, :length].index_select(0, index)

    def move(self, source_row: int, row: int, length: int) -> None:
        """Copy the first `length` tokens of one row over another one."""
        for layer in self.layers:
            layer.keys[row, :, :length] = layer.keys[source_row, :, :length]
            layer.values[row, :, :length] = layer.values[source_row, :, :length]

    def filled(self) -> Tensor:
        """Which columns hold a row's own tokens, the one now being decoded among them, (rows, length) of 0 and 1."""
        return self._visible(None).long()

    def mask(self) -> Tensor | dict[str, Tensor]:
        """What is added to each row's attention scores, (rows, 1, 1, length); by kind of layer where there are both."""
        masks = {}
        for window in self.windows:
            kind = "full_attention" if window is None else "sliding_attention"
            masks[kind] = added_mask(self._visible(window)[:, None, None], self.layers[0].keys.dtype)
        return next(iter(masks.values())) if len(masks) == 1 else masks

    def _visible(self, window: int | None) -> Tensor:
        columns = torch.arange(self.length, device=self.device)
        visible = columns <= self.positions[:, None]
        return visible if window is None else visible & (columns > self.positions[:, None] - window)
