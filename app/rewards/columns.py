"""Many votes as columns, so that what they say is worked out for all at once; and what their pairs weigh. Pure numpy;
knows no database."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from app.rewards.targets import Pair, Vote, usable

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

SIMILARITY, SIMILARITY_PRIOR = 0.5, 20.0  # of two people's labels, before repeats tell; comparisons that it is worth


@dataclass(frozen=True)
class Columns:
    """Usable votes (see `Vote`): of each the number of its pair, its rater, its level of strength (0: none), its value
    and how many votes it is. pairs: (m, 3), the pair of each number; some may have no vote."""

    pairs: Ints
    pair: Ints
    rater: Ints
    level: Ints
    value: Floats
    count: Floats

    @classmethod
    def of(cls, votes: Sequence[Vote]) -> "Columns":
        """Pairs are numbered in their order."""
        given = usable(votes)
        pairs, pair = np.unique(
            np.array([vote.pair for vote in given], np.int64).reshape(-1, 3), axis=0, return_inverse=True
        )
        return cls(
            pairs,
            pair.ravel(),
            np.array([vote.annotator_id for vote in given], np.int64),
            np.array([vote.strength or 0 for vote in given], np.int64),
            np.array([vote.value for vote in given], np.float64),
            np.array([vote.count for vote in given], np.float64),
        )

    def times(self, factors: Floats) -> "Columns":
        """As they are with these factors on how many votes each is; those of 0 are left out."""
        count = self.count * factors
        return replace(self, count=count)._keep(count > 0)

    def _keep(self, wanted: NDArray[np.bool_] | Ints) -> "Columns":
        """Those that are wanted, or in these places."""
        names = ("pair", "rater", "level", "value", "count")
        return replace(self, **{name: getattr(self, name)[wanted] for name in names})

    def in_order(self, several: bool) -> "Columns":
        """In order of pair, without pairs that have no vote, or (`several`) not more than one."""
        votes = np.bincount(self.pair, minlength=len(self.pairs))
        wanted = votes > int(several)
        if several:
            wanted |= np.bincount(self.pair, self.count, len(self.pairs)) > 1
        kept = self if wanted.all() else self._keep(wanted[self.pair])
        number = np.cumsum(wanted) - 1
        kept = replace(kept, pairs=self.pairs[wanted], pair=number[kept.pair])
        if (np.diff(kept.pair) >= 0).all():
            return kept
        return kept._keep(np.argsort(kept.pair, kind="stable"))

    def names(self) -> list[Pair]:
        """The pair of each number."""
        return [(item, first, second) for item, first, second in self.pairs.tolist()]


def pair_weights(votes: Columns) -> Floats:
    """(pairs,): what each weighs, 0 without a vote: k / (1 + (k - 1) rho) of k raters, whose labels are alike by rho
    (of two labels of one pair, 1 the same and 0 unrelated; from the repeats).

    All preferences of one item together weigh one less than the responses that they compare, as if each tied one more
    to those before it: one ranking of K has K (K - 1) / 2 preferences, and weighs K - 1.
    """
    number, side = len(votes.pairs), 2 * votes.value - 1
    people = np.bincount(votes.pair, votes.count, number)
    squares = np.bincount(votes.pair, votes.count * side * side, number)
    alike = (np.bincount(votes.pair, votes.count * side, number) ** 2 - squares).sum() / 2
    compared = (np.maximum(people - 1, 0.0) * squares).sum() / 2
    similarity = (SIMILARITY * SIMILARITY_PRIOR + alike) / (SIMILARITY_PRIOR + compared)
    found = people / (1 + np.maximum(people - 1, 0.0) * min(1.0, max(0.0, similarity)))
    said = np.flatnonzero(people)
    _, item, pairs = np.unique(votes.pairs[said, 0], return_inverse=True, return_counts=True)
    if (pairs > 1).any():
        own = (pairs > 1)[item]
        shown = votes.pairs[said[own]]
        places = np.unique(np.concatenate([shown[:, :2], shown[:, ::2]]), axis=0)
        compared_by = np.unique(places[:, 0], return_counts=True)[1]  # responses, by item in order
        share = np.ones(len(pairs))
        share[pairs > 1] = (compared_by - 1) / pairs[pairs > 1]
        found[said] *= share[item]
    return np.asarray(found)


def weights(votes: Sequence[Vote]) -> dict[Pair, float]:
    """pair -> what it weighs, of pairs that have a usable vote."""
    columns = Columns.of(votes)
    return dict(zip(columns.names(), pair_weights(columns).tolist(), strict=True))
