"""A transformers trunk on batches in which several sequences stand side by side, each computed as if it were alone.

It knows neither what the sequences are nor what is read off their states.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from rlhf.batches import Batch, added_mask, tree_mask
from rlhf.rotary import rotate_fast
from rlhf.span_attention import SpanAttention

ATTENTION = "sdpa_by_span"  # what `attend` is called in a model's config while it is in memory


def attend(
    module: Any,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    *,
    dropout: float = 0.0,
    scaling: float | None = None,
    sliding_window: int | None = None,
    span_attention: SpanAttention | None = None,
    **kwargs: Any,
) -> tuple[Tensor, None]:
    """transformers' sdpa, and for a row of spans the attention among those."""
    if span_attention is not None:
        found = span_attention(query, key, value, scale=scaling, dropout=dropout, window=sliding_window)
        return found, None
    output: Tensor
    output, _ = sdpa_attention_forward(
        module, query, key, value, attention_mask, dropout, scaling, sliding_window=sliding_window, **kwargs
    )
    return output, None


AttentionInterface.register(ATTENTION, attend)
AttentionMaskInterface.register(ATTENTION, sdpa_mask)


def attend_by_span(model: Any, yes: bool) -> bool:
    """Gives a model that has sdpa, as models have where they can, the attention of this module, or takes it back.

    Returns whether the model can be given rows of spans now.
    """
    old, new = ("sdpa", ATTENTION) if yes else (ATTENTION, "sdpa")
    if model.config._attn_implementation == old:
        model.set_attn_implementation(new)
        rotate_fast(model)
    return bool(model.config._attn_implementation == ATTENTION)


def last_states(trunk: Any, batch: Batch) -> Tensor:
    """Hidden states of the last layer, (rows, length, width); spans are for a trunk that attends by them."""
    arguments: dict[str, Any] = {}
    if batch.spans is not None:
        device = batch.input_ids.device
        arguments = {
            "position_ids": batch.position_ids,
            "attention_mask": torch.empty((1, 1, 0, 0), dtype=torch.bool, device=device),  # so that none is made
            "span_attention": SpanAttention(batch.spans, device),
        }
    elif batch.segments is not None:
        mask = added_mask(tree_mask(batch.segments), trunk.dtype)
        arguments = {"position_ids": batch.position_ids, "attention_mask": mask}
    # otherwise causal attention alone is right: padding comes after all that counts
    states: Tensor = trunk(input_ids=batch.input_ids, use_cache=False, **arguments).last_hidden_state
    return states


def states_alone(trunk: Any, sequence: Sequence[int]) -> Tensor:
    """Hidden states of the last layer, (length, width), of one sequence as transformers computes it."""
    ids = torch.tensor([sequence], device=trunk.device)
    states: Tensor = trunk(input_ids=ids, use_cache=False).last_hidden_state[0]
    return states
