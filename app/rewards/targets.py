"""From what several people say of two responses to one soft target: the probability that the first is the better one.

Pure arithmetic on numbers; knows no database. A tie is half a vote for either side. "Both bad" says nothing about which
of the two is better, so such a label gives no target: a pair with nothing else is left out of training, and counted.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from app.models import Outcome

VALUE = {Outcome.FIRST: 1.0, Outcome.TIE: 0.5, Outcome.SECOND: 0.0}
Pair = tuple[int, int, int]
"""An item and two of its positions."""


@dataclass(frozen=True)
class Vote:
    """What one annotator says now of two responses. One that was imported may speak for several people, and say a
    fraction. `weight`: 1, or less where the label counts for less."""

    pair: Pair
    annotator_id: int
    outcome: Outcome
    probability: float | None = None
    raters: int = 1
    strength: int | None = None
    weight: float = 1.0

    @property
    def value(self) -> float:
        """The probability that the first is the better one, by this vote."""
        return VALUE[self.outcome] if self.probability is None else self.probability

    @property
    def count(self) -> float:
        """How many votes it is."""
        return self.raters * self.weight


@dataclass(frozen=True)
class Checks:
    """A rater's attention checks."""

    passed: int = 0
    missed: int = 0


@dataclass(frozen=True)
class Fitted:
    """Targets, and what they were worked out with: each rater's reliability and what a choice of theirs weighs (1 on
    average), how often a choice of each level of strength is right, and the share of pairs on which people differ by
    taste."""

    targets: dict[Pair, float] = field(default_factory=dict)
    reliability: dict[int, float] = field(default_factory=dict)
    shares: dict[int, float] = field(default_factory=dict)
    levels: dict[int, float] = field(default_factory=dict)
    taste: float = 0.0


def usable(votes: Sequence[Vote]) -> list[Vote]:
    """The votes that prefer something, or call it a tie, and count."""
    return [vote for vote in votes if vote.outcome in VALUE and vote.count > 0]


def mean_targets(votes: Sequence[Vote], levels: Mapping[int, float] | None = None) -> dict[Pair, float]:
    """pair -> the mean of what its raters say (first 1, tie 1/2, second 0); pairs without such a vote are absent.

    levels: how often a choice of each level of strength is right; then such a choice says this much and no more.
    """
    sums: dict[Pair, list[float]] = {}
    for vote in usable(votes):
        sure = (levels or {}).get(vote.strength or 0, 1.0)
        total = sums.setdefault(vote.pair, [0.0, 0.0])
        total[0] += vote.count * (0.5 + (2.0 * sure - 1.0) * (vote.value - 0.5))
        total[1] += vote.count
    return {pair: said / raters for pair, (said, raters) in sums.items()}


def reweighted(vote: Vote, weight: float) -> Vote:
    """The vote, counting for less."""
    return replace(vote, weight=weight) if weight != vote.weight else vote
