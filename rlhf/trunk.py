"""A transformers trunk on rows in which several sequences stand side by side, each computed as if it were alone.

It knows neither what the sequences are nor what is read off their states.
"""

from typing import Any

import torch
from torch import Tensor
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from rlhf.reward_batches import Batch, tree_mask

ATTENTION = "sdpa_by_sequence"  # the attention in which `Batch.lengths` saves work; any other gives the same states


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
    sequence_lengths: list[int] | None = None,
    **kwargs: Any,
) -> tuple[Tensor, None]:
    """transformers' sdpa, and for the sequences of one row sdpa one by one: nothing is computed to be masked."""
    if sequence_lengths is None or sliding_window is not None:
        found: tuple[Tensor, None] = sdpa_attention_forward(
            module, query, key, value, attention_mask, dropout, scaling, sliding_window=sliding_window, **kwargs
        )
        return found
    parts = zip(*(torch.split(states, sequence_lengths, dim=2) for states in (query, key, value)), strict=True)
    options: dict[str, Any] = {"dropout_p": dropout, "is_causal": True, "scale": scaling, "enable_gqa": True}
    outputs = [torch.nn.functional.scaled_dot_product_attention(*part, **options) for part in parts]
    return torch.cat(outputs, dim=2).transpose(1, 2).contiguous(), None


AttentionInterface.register(ATTENTION, attend)
AttentionMaskInterface.register(ATTENTION, sdpa_mask)


def attend_by_sequence(model: Any) -> None:
    """Gives a model that was loaded with sdpa, as models are, the attention of this module."""
    if model.config._attn_implementation == "sdpa":
        model.set_attn_implementation(ATTENTION)


def last_states(trunk: Any, batch: Batch) -> Tensor:
    """Hidden states of the last layer, (rows, length, width)."""
    arguments: dict[str, Any] = {}
    if batch.lengths is not None:  # transformers sees by the positions where a sequence begins
        arguments = {"position_ids": batch.position_ids, "sequence_lengths": batch.lengths}
    elif batch.segments is not None:
        mask = tree_mask(batch.segments)
        if trunk.config._attn_implementation == "eager":  # adds its mask to the attention scores
            mask = torch.zeros(mask.shape, device=mask.device).masked_fill_(~mask, torch.finfo(torch.float32).min)
        arguments = {"position_ids": batch.position_ids, "attention_mask": mask}
    # otherwise causal attention alone is right: padding comes after all that counts
    states: Tensor = trunk(input_ids=batch.input_ids, use_cache=False, **arguments).last_hidden_state
    return states
