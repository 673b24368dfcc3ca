"""One project's live head, in memory: the labels it learned, what it knows by them, what it tells. Knows no database.

A label is predicted before it is learned; those of random order are what says whether the head is any good. It holds
the newest labels alone, as many as a restart would read.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from app.models.head import HeadReport, HeadState, Measured
from app.rewards.columns import weights
from app.rewards.counting import counted_columns
from app.rewards.targets import Checks, Vote
from rlhf.live_head import PRECISION, LiveHead, log_losses, right
from workers.heads import measure
from workers.heads.measure import LAG, Floats, Preferences
from workers.heads.rows import Key, Learned, Rows, Stated

MOST_LABELS = 20_000  # preferences that are held, the newest, in whole labels
REFIT_EVERY = 25  # labels
REFIT_SHARE = 0.05  # of what is learned, where that is more: an exact fit takes as long as there are labels
FIRST_RANDOM = 50
LEAST_RATERS = 2
RECENT = 200  # predictions that say whether it is better than a coin


class Checked(Protocol):
    """A label of an attention check, see `app.rewards.head_queries.checks_after`."""

    label_id: int
    item_id: int
    rater: int
    passed: bool


@dataclass
class Head:
    """Learns preferences in the order of their labels.

    What each weighs is what it would in a training (`app.rewards.counting`): anew with every exact fit, of all
    labels and attention checks until then. Between two fits a label weighs what its rater's did at the last one.
    """

    size: int
    most: int = MOST_LABELS
    live: LiveHead = field(init=False)
    held: dict[Key, tuple[int, int]] = field(default_factory=dict)  # (label, how many preferences it has)
    labels: set[int] = field(default_factory=set)  # that are held
    oldest: int = 0  # up to this one labels are too old
    given: int = 0  # labels that ever came
    checks: dict[Key, tuple[int, bool]] = field(default_factory=dict)  # (label, whether it was passed)
    shares: dict[int, float] = field(default_factory=dict)  # what a label of each rater weighs; 1 on average
    learned: Rows = field(init=False)
    measuring: Rows = field(init=False)
    unread: set[Key] = field(default_factory=set)  # whose responses have no features
    count: int = 0  # labels that were ever learned
    exact: bool = True  # fitted, and nothing has come or gone since
    moved: float | None = None
    means: list[Floats] = field(default_factory=list)  # after every 25 labels, from none on
    random_losses: deque[float] = field(default_factory=lambda: deque(maxlen=RECENT))
    brought: deque[tuple[int, float]] = field(default_factory=lambda: deque(maxlen=measure.WINDOW))
    _next_refit: int = REFIT_EVERY
    _compared: dict[str, tuple[int, Measured | None]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.live = LiveHead(self.size, PRECISION)
        self.learned, self.measuring = Rows(self.size), Rows(self.size)
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
        checks = deque(checked)
        count = 0
        for label_id, label in by_label.items():
            while checks and checks[0].label_id < label_id:
                self._check(checks.popleft())
            count += self._take(label, features)
        while checks:
            self._check(checks.popleft())
        self._let_go()
        return count

    def _check(self, checked: Checked) -> None:
        key = checked.item_id, checked.rater
        if checked.label_id > self.checks.get(key, (0, False))[0]:
            self.checks[key] = checked.label_id, checked.passed
            self.given += 1
            self.exact = False

    def _let_go(self) -> None:
        """Forget the oldest labels beyond `most` preferences."""
        over = sum(count for _, count in self.held.values()) - self.most
        if over <= 0:
            return
        for key, (label_id, count) in sorted(self.held.items(), key=lambda each: each[1]):
            if over <= 0:
                break
            self._drop(key)
            self.oldest = max(self.oldest, label_id)
            over -= count

    def keep(self, standing: set[int]) -> None:
        """Forget all labels but these."""
        for key in [key for key, (label_id, _) in self.held.items() if label_id not in standing]:
            self._drop(key)

    def _drop(self, key: Key) -> None:
        label_id, _ = self.held.pop(key, (0, 0))
        self.labels.discard(label_id)
        self.learned.drop(key)
        self.measuring.drop(key)
        self.unread.discard(key)
        self.exact = False

    def _take(self, label: list[Stated], features: Mapping[int, Floats]) -> int:
        newest = label[0]
        key = newest.item_id, newest.rater
        self._drop(key)
        self.held[key] = newest.label_id, len(label)
        self.labels.add(newest.label_id)
        self.given += 1
        known = [said for said in label if said.first in features and said.second in features]
        if not known:
            self.unread.add(key)
            return 0
        z = np.stack([features[said.first] - features[said.second] for said in known])
        self._predict(newest, z, np.array([said.probability for said in known]))
        if newest.held_out:
            self.measuring.add(key, [Learned(said, each) for said, each in zip(known, z, strict=True)])
            return len(known)
        share = self.shares.get(newest.rater, 1.0)
        read = [Learned(said, each, share * alone) for said, each, alone in zip(known, z, _alone(known), strict=True)]
        self.learned.add(key, read)
        for row in read:
            self.live.update(row.z, row.said.probability, row.weight)
        self.count += 1
        if self.count >= self._next_refit:
            self._let_go()
            self.refit()
            self._next_refit = self.count + max(REFIT_EVERY, int(REFIT_SHARE * len(self.learned)))
        while len(self.means) <= self.count // REFIT_EVERY:
            self.means.append(self.live.mean.copy())
        return len(known)

    def _predict(self, said: Stated, z: Floats, targets: Floats) -> None:
        """Note how well labels of random order are said before they are learned, by this head and by one before it."""
        if said.placed and not (said.control or said.held_out):
            return
        self.random_losses.append(float(log_losses(self.live.probabilities(z), targets).mean()))
        before = self.count // REFIT_EVERY - LAG // REFIT_EVERY
        if before > 0:
            gaps = z @ np.stack([self.live.mean, self.means[before]], axis=1)
            now, then = right(0.5 + gaps, targets[:, None]).mean(axis=0)
            self.brought.append((said.prompt_id, float(now - then)))

    def refit(self) -> None:
        """Fit exactly what is learned, weighed as a training would weigh it now."""
        self.exact = True
        if not len(self.learned):
            self.live = LiveHead(self.size, PRECISION)
            return
        passed = Counter(rater for (_, rater), (_, fine) in self.checks.items() if fine)
        missed = Counter(rater for (_, rater), (_, fine) in self.checks.items() if not fine)
        checks = {rater: Checks(passed[rater], missed[rater]) for rater in {*passed, *missed}}
        self.shares, each = counted_columns(self.learned.columns(), checks)
        self.learned.weigh(each)
        found = self.learned.preferences()
        self.moved = self.live.refit(found.z, found.targets, found.weights).moved

    @property
    def raters(self) -> set[int]:
        """Whose labels are learned."""
        return self.learned.raters()

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
        measuring = self.measuring.preferences()
        return HeadReport(
            state=state,
            labels=len(self.learned),
            raters=len(self.raters),
            measuring=len(measuring),
            unread=len(self.unread),
            moved=self.moved,
            curve=measure.curve([*self._milestones(), (len(self.learned), self.live.mean)], measuring),
            order=self._compare("order", *self.learned.shares(), measuring),
            choice=self._compare("choice", *self.learned.by_choice(), measuring),
            gain=measure.gain(self.brought, len(self.learned)),
        )

    def _milestones(self) -> list[tuple[int, Floats]]:
        """Heads from before: of 25 labels, 50, 100, 200, ..., and of none."""
        found, place = [(0, self.means[0])], 1
        while place < len(self.means) and place * REFIT_EVERY <= len(self.learned):
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


def _alone(label: list[Stated]) -> list[float]:
    """What each preference of a label weighs where nothing else was said of the item."""
    if len(label) == 1 and label[0].raters == 1:
        return [1.0]
    pairs = [(said.item_id, said.first, said.second) for said in label]
    found = weights([Vote(pair, said.rater, said.outcome, said.probability, said.raters)
                     for pair, said in zip(pairs, label, strict=True)])  # fmt: skip
    return [found[pair] for pair in pairs]
