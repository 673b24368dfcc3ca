"""The family tree of policies as a list that a template can draw, and their rewards against their KL."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from app.models import Model


@dataclass(frozen=True)
class Branch:
    """A model in its place: how deep below the base model."""

    model: Model
    depth: int


def branches(base: Model, policies: Sequence[Model]) -> list[Branch]:
    """The base model and its descendants, each below its parent; one whose parent is not shown hangs on the base."""
    shown = {base.id, *(policy.id for policy in policies)}
    children: dict[int, list[Model]] = {}
    for policy in policies:
        parent = policy.parent_id if policy.parent_id in shown else base.id
        children.setdefault(parent or base.id, []).append(policy)
    found: list[Branch] = []
    waiting = [Branch(base, 0)]
    while waiting:
        branch = waiting.pop()
        found.append(branch)
        waiting.extend(Branch(child, branch.depth + 1) for child in reversed(children.get(branch.model.id, [])))
    return found


def reward_against_kl(policies: Sequence[Model]) -> dict[str, Any] | None:
    """Points (model, kl, reward before, reward after) with the bounds of their plot; None without any."""
    points: list[tuple[Model, float, float, float]] = []
    for policy in policies:
        said = policy.metrics
        kl, before, after = said.get("kl"), said.get("reward_before"), said.get("reward_after")
        if kl is not None and before is not None and after is not None:
            points.append((policy, kl, before, after))
    if not points:
        return None
    rewards = [value for _, _, before, after in points for value in (before, after)]
    low, high = min(rewards), max(rewards)
    room = (high - low) * 0.1 or 0.5
    return {
        "points": points,
        "kl": max(point[1] for point in points) * 1.1 or 1.0,
        "low": low - room,
        "high": high + room,
    }
