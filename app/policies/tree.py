"""The family tree of policies as a list that a template can draw, and their rewards against their KL."""

from collections.abc import Sequence
from dataclasses import dataclass

from app.models import Model
from app.web.filters import decimal
from app.web.plots import Axes, Line, Plot, Point, Tick, digits, reach, steps


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


def reward_against_kl(policies: Sequence[Model], chosen: Model | None = None) -> Plot | None:
    """Holdout reward of each policy by its KL to the reference, a line from before the training to after; None
    without any."""
    points: list[tuple[Model, float, float, float]] = []
    for policy in policies:
        said = policy.metrics
        kl, before, after = said.get("kl"), said.get("reward_before"), said.get("reward_after")
        if kl is not None and before is not None and after is not None:
            points.append((policy, kl, before, after))
    if not points:
        return None
    axes = Axes(
        reach([0.0, *(kl * 1.1 for _, kl, _, _ in points)]),  # an estimate of a small KL can be below 0
        reach([value for _, _, before, after in points for value in (before, after)], room=0.1),
        left=60,
        right=630,
        top=28,
        bottom=260,
    )
    across, up = steps(*axes.across), steps(*axes.up)
    return Plot(
        640,
        300,
        "Holdout reward of each policy against its KL to the reference; the table has the figures",
        across=[Tick(axes.x(kl), decimal(kl, digits(across))) for kl in across],
        up=[Tick(axes.y(reward), decimal(reward, digits(up))) for reward in up],
        left=60,
        right=630,
        caption="KL to the reference, nats an answer",
        caption_up="Holdout reward",
        points=[
            Point(
                x := axes.x(kl),
                y := axes.y(after),
                f"{policy.name}: reward {decimal(after, 2)} at KL {decimal(kl, 2)}",
                Line(axes.left, axes.y(before), x, y),
                policy.name,
                policy is chosen,
            )
            for policy, kl, before, after in points
        ],
    )
