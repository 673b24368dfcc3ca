"""One decoding step of a model on a slab: the logits of every row's next token.

On a GPU the kernels of a step take less time than their launches from Python; there a step is recorded as a CUDA
graph and replayed. It knows no requests, no settings and no text.
"""

import torch
from torch import Tensor
from transformers import PreTrainedModel

from rlhf.kv_cache import Slab

_LENGTH_STEP = 256  # a graph serves all lengths up to a multiple of this


class DecodeStep:
    """Calls the model, which must be in evaluation mode."""

    def __init__(self, model: PreTrainedModel, slab: Slab) -> None:
        self.model, self.slab = model, slab

    @classmethod
    def on(cls, model: PreTrainedModel, slab: Slab) -> "DecodeStep":
        """The fastest kind for the model's device."""
        return (GraphedStep if slab.device.type == "cuda" else cls)(model, slab)

    def __call__(self, tokens: list[int], positions: list[int]) -> Tensor:
        """Logits, (rows, vocabulary), valid until the next call.

        Row i of the slab is given its token ``tokens[i]`` at column ``positions[i]``.
        """
        inputs = torch.tensor([tokens, positions], device=self.slab.device)
        return self._forward(inputs, max(positions) + 1)

    def _forward(self, inputs: Tensor, length: int) -> Tensor:
        """``inputs``: (2, rows), tokens and positions; no row looks at columns from ``length`` on."""
        tokens, positions = inputs
        self.slab.set_positions(positions, length)
        logits: Tensor = self.model(
            input_ids=tokens[:, None],
            position_ids=positions[:, None],
            attention_mask=self.slab.mask(),
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

    def __init__(self, model: PreTrainedModel, slab: Slab) -> None:
        super().__init__(model, slab)
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
