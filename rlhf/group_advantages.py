"""Advantages of responses beside the others to the same prompt: pure tensor functions, without a value model.

Rewards and advantages are (prompts, responses), two responses or more to each prompt.
"""

from typing import Literal

from torch import Tensor

SMALL = 1e-4  # added to spreads, as in TRL

Scale = Literal["group", "batch", "none"]


def leave_one_out(rewards: Tensor) -> Tensor:
    """Each reward less the mean of the other responses' (Ahmadian et al. 2024, eq. 8). Shape kept."""
    others = (rewards.sum(dim=1, keepdim=True) - rewards) / (rewards.shape[1] - 1)
    return rewards - others


def group_relative(rewards: Tensor, *, scale: Scale = "group") -> Tensor:
    """Each reward less its group's mean, divided by a standard deviation (Shao et al. 2024, sec. 4.1.2). Shape kept.

    scale: of the group, of the whole batch, or "none": as Dr. GRPO has it (Liu et al. 2025).
    """
    centred = rewards - rewards.mean(dim=1, keepdim=True)
    if scale == "none":
        return centred
    spread = rewards.std(dim=1, keepdim=True) if scale == "group" else rewards.std()
    return centred / (spread + SMALL)


def standardised(advantages: Tensor) -> Tensor:
    """Mean 0 and variance 1 over all of them. Shape kept."""
    return (advantages - advantages.mean()) / (advantages.std() + SMALL)
