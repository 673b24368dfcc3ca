"""A transformers trunk on rows in which several sequences stand side by side, each computed as if it were alone.

It knows neither what the sequences are nor what is read off their states.
"""

from typing import Any

import torch
from torch import Tensor

from rlhf.reward_batches import tree_mask


def last_states(trunk: Any, input_ids: Tensor, position_ids: Tensor, segments: Tensor | None) -> Tensor:
    """Hidden states of the last layer, (rows, length, width); the arguments are those of `reward_batches.Batch`."""
    if segments is None:  # causal attention alone is right: padding comes after all that counts
        states: Tensor = trunk(input_ids=input_ids, use_cache=False).last_hidden_state
        return states
    mask = tree_mask(segments)
    if trunk.config._attn_implementation == "eager":  # adds its mask to the attention scores
        mask = torch.zeros(mask.shape, device=mask.device).masked_fill_(~mask, torch.finfo(torch.float32).min)
    states = trunk(
        input_ids=input_ids, attention_mask=mask, position_ids=position_ids, use_cache=False
    ).last_hidden_state
    return states
