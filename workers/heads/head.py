"""One project's live head, in memory: the labels it learned, what it knows by them, what it tells. Knows no database.

A label is predicted before it is learned; those of random order are what says whether the head is any good.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from app.models import Outcome
from app.models.head import HeadReport, HeadState, Measured
from app.rewards.counting import Counting, counted
from app.rewards.targets import Checks, Pair, Vote, weights
from rlhf.live_head import PRECISION, LiveHead, log_losses, right
from workers.heads import measure
from workers.heads.measure import LAG, Floats, Preferences

REFIT_EVERY = 25
REFIT_SHARE = 0.05  # of what was learned, where that is more: an exact fit takes as long as there are labels
FIRST_RANDOM = 50
LEAST_RATERS = 2
WEIGHED = Counting(aggregation="weighted", weigh_pairs=True)
RECENT = 200  # predictions that say whether it is better than a coin


class Stated(Protocol):
    """A preference as it is stored, see `app.rewards.head_queries.preferences_after`."""

    label_id: int
    item_id: int
    rater: int
    prompt_id: int
    held_out: bool
    control: bool
    placed: bool
    chosen: bool
    first: int
    second: int
    outcome: Outcome
    probability: float
    raters: int


class Checked(Protocol):
    """A label of an attention check, see `app.rewards.head_queries.checks_after`."""

    label_id: int
    item_id: int
    rater: int
    passed: bool


@dataclass
class Learned:
    """A preference with its features, what it says, and what that weighs by what is known of its rater now."""

    said: Stated
    z: Floats
    vote: Vote
    weight: float = 0.0


def learned(said: Stated, features: Mapping[int, Floats]) -> Learned:
    """A preference of two responses that have features."""
    vote = Vote((said.item_id, said.first, said.second), said.rater, said.outcome, said.probability, said.raters)
    return Learned(said, features[said.first] - features[said.second], vote)


@dataclass
class Head:
    """Learns preferences in the order of their labels.

    What each weighs is what it would in a training (`app.rewards.counting.counted`): anew with every exact fit, of all
    labels and attention checks until then. Between two fits a label weighs what its rater's did at the last one.
    """

    size: int
    live: LiveHead = field(init=False)
    labels: set[int] = field(default_factory=set)
    raters: set[int] = field(default_factory=set)
    checks: dict[tuple[int, int], bool] = field(default_factory=dict)  # whether they were passed, by item and rater
    shares: dict[int, float] = field(default_factory=dict)  # what a label of each rater weighs; 1 on average
    learned: dict[tuple[int, int], list[Learned]] = field(default_factory=dict)  # by item and rater
    measuring: dict[tuple[int, int], list[Learned]] = field(default_factory=dict)
    unread: set[tuple[int, int]] = field(default_factory=set)  # whose responses have no features
    count: int = 0
    moved: float | None = None
    means: list[Floats] = field(default_factory=list)  # after every 25 preferences, from none on
    random_losses: deque[float] = field(default_factory=lambda: deque(maxlen=RECENT))
    brought: deque[tuple[int, float]] = field(default_factory=lambda: deque(maxlen=measure.WINDOW))
    _next_refit: int = REFIT_EVERY
    _compared: dict[str, tuple[int, Measured | None]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.live = LiveHead(self.size, PRECISION)
        self.means.append(self.live.mean.copy())

    def take(self, stated: Iterable[Stated], features: Mapping[int, Floats], checked: Iterable[Checked] = ()) -> int:
        """Learn from labels that are not known yet, oldest first, and from attention checks among them; features: by
        response. How many preferences had some.

        A label takes the place of the one that the same rater gave to the item before.
        """
        by_label: dict[int, list[Stated]] = {}
        for each in stated:
            if each.label_id not in self.labels:
                by_label.setdefault(each.label_id, []).append(each)
        checks = deque(each for each in checked if each.label_id not in self.labels)
        count = 0
        for label_id, label in by_label.items():
            while checks and checks[0].label_id < label_id:
                self._check(checks.popleft())
            count += self._take(label, features)
        while checks:
            self._check(checks.popleft())
        return count

    def _check(self, checked: Checked) -> None:
        self.labels.add(checked.label_id)
        self.checks[checked.item_id, checked.rater] = checked.passed

    def _take(self, label: list[Stated], features: Mapping[int, Floats]) -> int:
        self.labels.add(label[0].label_id)
        known = [learned(said, features) for said in label if said.first in features and said.second in features]
        key = label[0].item_id, label[0].rater
        self.learned.pop(key, None)
        self.measuring.pop(key, None)
        self.unread.discard(key)
        if not known:
            self.unread.add(key)
            return 0
        self._predict(known)
        if label[0].held_out:
            self.measuring[key] = known
            return len(known)
        self.learned[key] = known
        self.raters.add(label[0].rater)
        share = self.shares.get(label[0].rater, 1.0)
        alone = weights([each.vote for each in known])
        for each in known:
            each.weight = share * alone[each.vote.pair]
            self.live.update(each.z, each.said.probability, each.weight)
        self.count += len(known)
        if self.count >= self._next_refit:
            self.refit()
            self._next_refit = self.count + max(REFIT_EVERY, int(REFIT_SHARE * self.count))
        while len(self.means) <= self.count // REFIT_EVERY:
            self.means.append(self.live.mean.copy())
        return len(known)

    def _predict(self, known: list[Learned]) -> None:
        """Note how well labels of random order are said before they are learned, by this head and by one before it."""
        said = known[0].said
        if said.placed and not (said.control or said.held_out):
            return
        z, targets = np.stack([each.z for each in known]), np.array([each.said.probability for each in known])
        self.random_losses.append(float(log_losses(self.live.probabilities(z), targets).mean()))
        before = self.count // REFIT_EVERY - LAG // REFIT_EVERY
        if before > 0:
            now, then = (right(0.5 + z @ mean, targets).mean() for mean in (self.live.mean, self.means[before]))
            self.brought.append((said.prompt_id, float(now - then)))

    def refit(self) -> None:
        """Fit exactly what was learned and stands, weighed as a training would weigh it now."""
        self._weigh([each for label in self.learned.values() for each in label])
        found = self.preferences()
        if len(found):
            self.moved = self.live.refit(found.z, found.targets, found.weights).moved

    def _weigh(self, rows: Sequence[Learned]) -> None:
        """Divide the weight of each pair among those who judged it, by what each counts."""
        passed = Counter(rater for (_, rater), fine in self.checks.items() if fine)
        missed = Counter(rater for (_, rater), fine in self.checks.items() if not fine)
        checks = {rater: Checks(passed[rater], missed[rater]) for rater in {*passed, *missed}}
        found = counted([each.vote for each in rows], WEIGHED, checks)
        self.shares = found.fitted.shares
        said: dict[Pair, float] = defaultdict(float)
        for vote in found.votes:
            said[vote.pair] += vote.count
        for each in rows:
            counts = each.vote.count * self.shares[each.said.rater]
            each.weight = found.weights[each.vote.pair] * counts / said[each.vote.pair] if counts else 0.0

    def preferences(self, keep: Mapping[tuple[int, int], list[Learned]] | None = None) -> Preferences:
        """What it learned (or measures), oldest first."""
        rows = [each for label in (self.learned if keep is None else keep).values() for each in label]
        return _table(rows, self.size)

    def _share(self, wanted: Iterable[Learned]) -> Preferences:
        return _table(list(wanted), self.size)

    @property
    def state(self) -> HeadState:
        """Whether it may order the queue, or why not."""
        if len(self.learned) < FIRST_RANDOM:
            return HeadState.FEW_LABELS
        if len(self.raters) < LEAST_RATERS:
            return HeadState.ONE_RATER
        return HeadState.ORDERS if measure.better_than_a_coin(self.random_losses) else HeadState.NO_BETTER

    def report(self, state: HeadState) -> HeadReport:
        """What it tells, in this state, without what it does not know of the queue."""
        measuring = self.preferences(self.measuring)
        rows = [each for label in self.learned.values() for each in label]
        placed = (each for each in rows if each.said.placed and not each.said.control)
        control = (each for each in rows if each.said.control)
        since = min((each.said.item_id for each in rows if each.said.chosen), default=math.inf)
        chosen = (each for each in rows if each.said.chosen)
        other = (each for each in rows if not each.said.chosen and each.said.item_id >= since)
        return HeadReport(
            state=state,
            labels=len(self.learned),
            raters=len(self.raters),
            measuring=len(measuring),
            unread=len(self.unread),
            moved=self.moved,
            curve=measure.curve([*self._milestones(), (len(self.learned), self.live.mean)], measuring),
            order=self._compare("order", self._share(placed), self._share(control), measuring),
            choice=self._compare("choice", self._share(chosen), self._share(other), measuring),
            gain=measure.gain(self.brought, self.count),
        )

    def _milestones(self) -> list[tuple[int, Floats]]:
        """Heads from before: of 25 preferences, 50, 100, 200, ..., and of none."""
        found, place = [(0, self.means[0])], 1
        while place < len(self.means):
            found.append((place * REFIT_EVERY, self.means[place]))
            place *= 2
        return found

    def _compare(self, name: str, one: Preferences, other: Preferences, measuring: Preferences) -> Measured | None:
        """Anew where there is a tenth more to compare."""
        count = min(len(one), len(other), measure.MOST_COMPARED) + len(measuring)
        before, found = self._compared.get(name, (0, None))
        if count >= max(before * 1.1, before + 1):
            found = measure.compare(one, other, measuring, PRECISION)
            self._compared[name] = count, found
        return found


def _table(rows: Sequence[Learned], size: int) -> Preferences:
    return Preferences(
        np.stack([each.z for each in rows]) if rows else np.zeros((0, size)),
        np.array([each.said.probability for each in rows], dtype=np.float64),
        np.array([each.weight for each in rows], dtype=np.float64),
        np.array([each.said.prompt_id for each in rows], dtype=np.int64),
    )
