"""How the labels of a snapshot become targets: whose labels count, how much, and what is told of it."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

import numpy as np
from sqlalchemy.orm import Session

from app.models import Snapshot
from app.rewards import snapshot_queries
from app.rewards.columns import Columns, Floats, pair_weights, weights
from app.rewards.forms import Aggregation
from app.rewards.reliability import fit
from app.rewards.targets import Checks, Fitted, Pair, Vote, mean_targets, reweighted, usable
from app.web.filters import percent, plural


@dataclass(frozen=True)
class Counting:
    """What a run was told of it, by the names of its options. Runs from before there was an option count as they did:
    each label in full, each pair alike, without strength."""

    question: str = ""
    aggregation: Aggregation = "mean"
    strength: bool = False
    weigh_pairs: bool = False
    paused: float = 1.0
    late: float = 1.0
    surplus: float = 1.0

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> "Counting":
        """As the options of a run have it."""
        return cls(**{each.name: options[each.name] for each in fields(cls) if each.name in options})

    def weight(self, paused: bool, late: bool, surplus: bool) -> float:
        """How much a label counts."""
        return min(each for each, holds in ((1.0, True), (self.paused, paused), (self.late, late),
                                            (self.surplus, surplus)) if holds)  # fmt: skip


@dataclass(frozen=True)
class Counted:
    """Targets and weights of pairs, and the votes that they are made of, each with what it counts; `less`: labels that
    did not count in full."""

    votes: list[Vote] = field(default_factory=list)
    fitted: Fitted = field(default_factory=Fitted)
    weights: dict[Pair, float] = field(default_factory=dict)
    less: Counter[str] = field(default_factory=Counter)


def count(session: Session, snapshot: Snapshot, how: Counting) -> Counted:
    """The targets of a snapshot: a function of it and of how it is counted alone."""
    votes, less = [], Counter[str]()
    paused = {who for who, known in snapshot.raters.items() if known["paused"]}
    for row in snapshot_queries.snapshot_preferences(session, snapshot.id, how.question):
        marks = {"paused": row.rater in paused, "late": row.late, "surplus": row.surplus}
        less.update(name for name, holds in marks.items() if holds)
        vote = Vote(
            (row.item_id, row.first, row.second), row.rater, row.outcome, row.probability, row.raters, row.strength
        )
        votes.append(reweighted(vote, how.weight(**marks)))
    checks = {who: Checks(note["passed"], note["missed"]) for who, note in snapshot.raters.items()}
    return replace(counted(votes, how, checks, snapshot.levels), less=less)


def counted(votes: Sequence[Vote], how: Counting, checks: Mapping[int, Checks], levels: int = 0) -> Counted:
    """Targets and weights of pairs by what was said of them, with the attention checks of its raters: the one rule, for
    trainings and for live heads."""
    votes = usable(votes)
    levels = levels if how.strength else 0
    if how.aggregation == "mean" and not levels:
        fitted = Fitted(mean_targets(votes))
    else:
        fitted = fit(Columns.of(votes), checks, levels, targets=how.aggregation == "reliability")
    if how.aggregation == "weighted":
        votes = usable([reweighted(vote, vote.weight * fitted.shares[vote.annotator_id]) for vote in votes])
    if how.aggregation != "reliability":
        fitted = replace(fitted, targets=mean_targets(votes, fitted.levels))
    return Counted(votes, fitted, weights(votes) if how.weigh_pairs else {})


def counted_columns(votes: Columns, checks: Mapping[int, Checks]) -> tuple[dict[int, float], Floats]:
    """(what a vote of each rater weighs, what each vote weighs in all), by the rule of `counted` with the aggregation
    "weighted", without strength, where pairs are weighed: the weight of a pair, divided among those who judged it by
    what each counts."""
    shares = fit(votes, checks, targets=False).shares
    raters, rater = np.unique(votes.rater, return_inverse=True)
    factors = np.array([shares[each] for each in raters.tolist()])[rater]
    by_share = votes.times(factors)
    said = np.bincount(by_share.pair, by_share.count, len(votes.pairs))
    each = pair_weights(by_share) / np.where(said > 0, said, 1.0)
    return shares, np.asarray(votes.count * factors * each[votes.pair])


def told(session: Session, snapshot: Snapshot, how: Counting) -> str:
    """How labels became targets, in sentences, for the card of the model."""
    known = count(session, snapshot, how)
    raters = {vote.annotator_id for vote in known.votes}
    said = [f"{plural(len(known.fitted.targets), 'pair')} by {plural(len(raters), 'annotator')}."]
    if how.aggregation == "reliability":
        found = sorted(known.fitted.reliability.values()) or [0.9]
        said.append(
            f"Targets: weighted by reliability, from {percent(found[0])} to {percent(found[-1])} (Dawid and Skene, "
            f"with attention checks); people differ by taste on {percent(known.fitted.taste)} of the pairs."
        )
    elif how.aggregation == "weighted":
        found = sorted(known.fitted.shares.values()) or [1.0]
        said.append(
            "Targets: the average of a pair's labels, ties as half votes, each weighted by the reliability of its "
            f"annotator, from {found[0]:.2f} to {found[-1]:.2f} times the average."
        )
    else:
        said.append("Targets: the average of a pair's labels, ties as half votes.")
    if known.fitted.levels:
        shares = ", ".join(percent(each) for each in known.fitted.levels.values())
        said.append(f"Strength counts: a choice of each level is taken to be right in {shares}.")
    if known.weights:
        said.append("A pair's weight grows with its raters; the preferences of one ranking of K together weigh K - 1.")
    for name, what in (("paused", "of paused people"), ("late", "that came late"), ("surplus", "beyond the overlap")):
        if known.less[name] and (share := getattr(how, name)) < 1:
            kept = "left out" if share == 0 else f"counted {share:g} each"
            said.append(f"{plural(known.less[name], 'preference')} {what}: {kept}.")
    return " ".join(said)
