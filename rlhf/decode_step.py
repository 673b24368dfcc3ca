"""One decoding step of a model on a slab: the logits of every row's next token.

On a GPU the kernels of a step take less time than their launches from Python; there a step is recorded as a CUDA
graph and replayed. It knows no requests, no settings and no text.
"""

from collections.abc import Sequence
from typing import Literal
from weakref import WeakKeyDictionary

import torch
from torch import Tensor
from transformers import DynamicCache, PreTrainedModel

from rlhf.config import InputError
from rlhf.kv_cache import Slab
from rlhf.packed_linear import PackedLinears
from rlhf.trial import first_right, narrow_windows, texts

_LENGTH_STEP = 256  # a graph serves all lengths up to a multiple of this
_TRIED_STEPS = 4

# How a model is told which columns a row may look at: by a mask added to its attention scores, or by the columns that
# hold the row's tokens, from which models with ALiBi compute positions.
MaskKind = Literal["added", "columns"]
_found: WeakKeyDictionary[PreTrainedModel, MaskKind] = WeakKeyDictionary()


class DecodeStep:
    """Calls the model, which must be in evaluation mode."""

    def __init__(self, model: PreTrainedModel, slab: Slab, mask: MaskKind) -> None:
        self.model, self.slab, self.mask = model, slab, mask
        self.linears = PackedLinears(model)

    @classmethod
    def on(cls, model: PreTrainedModel, slab: Slab) -> "DecodeStep":
        """The fastest kind for the model's device. Raises InputError for a model that `mask_kind` refuses."""
        return (GraphedStep if slab.device.type == "cuda" else cls)(model, slab, mask_kind(model))

    def __call__(self, tokens: list[int], positions: list[int]) -> Tensor:
        """Logits, (rows, vocabulary), valid until the next call.

        Row i of the slab is given its token `tokens[i]` at column `positions[i]`.
        """
        inputs = torch.tensor([tokens, positions], device=self.slab.device)
        return self._forward(inputs, max(positions) + 1)

    def _forward(self, inputs: Tensor, length: int) -> Tensor:
        """`inputs`: (2, rows), tokens and positions; no row looks at columns from `length` on."""
        tokens, positions = inputs
        self.slab.set_positions(positions, length)
        with self.linears.used():
            logits: Tensor = self.model(
                input_ids=tokens[:, None],
                position_ids=positions[:, None],
                attention_mask=self.slab.filled() if self.mask == "columns" else self.slab.mask(),
                past_key_values=self.slab.cache,
                use_cache=True,
                logits_to_keep=1,
            ).logits[:, -1]
        return logits


class GraphedStep(DecodeStep):
    """Replays CUDA graphs: one for each number of rows, rounded up to a power of two, and length, rounded up as well.

    Rows beyond the real ones compute a token that nobody reads, in rows of the slab that hold nothing. Graphs are
    bound to the slab's memory and are made anew when it has grown. A model whose step cannot be recorded is called.
    """

    def __init__(self, model: PreTrainedModel, slab: Slab, mask: MaskKind) -> None:
        super().__init__(model, slab, mask)
        self._graphs: dict[tuple[int, int], tuple[torch.cuda.CUDAGraph, Tensor]] = {}
        self._pool = torch.cuda.graph_pool_handle()  # the memory that the graphs share
        self._moves = slab.moves
        self._inputs = torch.empty(0)
        self._recordable = True

    def __call__(self, tokens: list[int], positions: list[int]) -> Tensor:
        rows, length = len(tokens), max(positions) + 1
        if self._moves != self.slab.moves:
            self._moves = self.slab.moves
            self._graphs.clear()
            self._inputs = torch.zeros((2, self.slab.rows), dtype=torch.long, device=self.slab.device)
        shape = (1 << (rows - 1).bit_length(), min(-(-length // _LENGTH_STEP) * _LENGTH_STEP, self.slab.columns))
        self._inputs[:, :rows] = torch.tensor([tokens, positions])
        self._inputs[:, rows : shape[0]] = 0
        if self._recordable and shape not in self._graphs:
            self._record(*shape)
        if not self._recordable:
            return self._forward(self._inputs[:, :rows], length)
        graph, logits = self._graphs[shape]
        graph.replay()
        return logits[:rows]

    def _record(self, rows: int, length: int) -> None:
        inputs = self._inputs[:, :rows]
        if not self._graphs:  # libraries choose and allocate what they need at the first call, which cannot be recorded
            self._forward(inputs, length)
        graph = torch.cuda.CUDAGraph()
        try:
            with torch.cuda.graph(graph, pool=self._pool, capture_error_mode="thread_local"):
                logits = self._forward(inputs, length)
        except RuntimeError:
            self._recordable = False
            self._graphs.clear()
            return
        self._graphs[rows, length] = (graph, logits)


def prefill(model: PreTrainedModel, rows: Sequence[Sequence[int]]) -> DynamicCache:
    """Keys and values of rows of token ids.

    Padding stands on the right, where no real token of a causal model sees it, so no mask is needed. The trunk is
    enough: the head would be copied for every row where its weights are frozen (torch's matmul does not fold then).
    """
    ids = torch.zeros(len(rows), max(map(len, rows)), dtype=torch.long)
    for i, row in enumerate(rows):
        ids[i, : len(row)] = torch.tensor(list(row))
    cache = DynamicCache()
    model.base_model(input_ids=ids.to(model.device), past_key_values=cache, use_cache=True)
    return cache


@torch.inference_mode()
def mask_kind(model: PreTrainedModel) -> MaskKind:
    """The kind of mask with which rows of unequal length are decoded together as each would be alone.

    Tried once for a model in memory. Raises InputError where there is none.
    """
    found = _found.get(model)
    if found is None:
        rows = texts([model])
        kinds: tuple[MaskKind, ...] = ("added", "columns")
        with narrow_windows([model]):
            found = _found[model] = first_right(
                model,
                kinds,
                lambda kind: [_decode(model, rows, kind)],
                lambda: [torch.cat([_read_alone(model, row) for row in rows])],
                exact=model.dtype == torch.float32,
                purpose="for responses",
            )
    return found


def _read_alone(model: PreTrainedModel, row: Sequence[int]) -> Tensor:
    """Logits of the last steps of a row, read whole."""
    ids = torch.tensor([row], device=model.device)
    logits: Tensor = model(input_ids=ids, use_cache=False).logits[0, -_TRIED_STEPS:]
    return logits


def _decode(model: PreTrainedModel, rows: Sequence[Sequence[int]], mask: MaskKind) -> Tensor:
    """Logits of the last steps of each row, row after row, which are decoded together."""
    known = [len(row) - _TRIED_STEPS for row in rows]
    slab = Slab(model.config, model.device)
    cache = prefill(model, [row[:count] for row, count in zip(rows, known, strict=True)])
    if not all(layer.is_initialized for layer in cache.layers) or not cache.layers:
        raise InputError(
            f"{type(model).__name__} cannot be used for responses: it keeps no keys and values of what it has read; "
            "take a model that does"
        )
    slab.reserve(len(rows), max(map(len, rows)), cache, 0)
    slab.put(0, cache, list(range(len(rows))), max(known))
    step = DecodeStep(model, slab, mask)
    steps = []
    for i in range(_TRIED_STEPS):
        positions = [count + i for count in known]
        tokens = [row[position] for row, position in zip(rows, positions, strict=True)]
        steps.append(step(tokens, positions).clone())
    return torch.stack(steps, dim=1).flatten(0, 1)
