"""How many labels a rule of choosing needs beside chance: replays on features that are there, without any model.

A live head learns one label after the other. After every 25 it is measured on held-out prompts, so that each rule has
a curve of accuracy and one of log-loss by what was spent. The ratio is what it had to spend until it was as good as
chance was after so much, by what chance had spent. Pure numpy.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from bench.worth_features import Features
from rlhf.feature_space import FeatureSpace
from rlhf.live_head import PRECISION, LiveHead, log_losses, right, sigmoid
from workers.heads.order import GUMBEL

REFIT_EVERY = 25
FIRST_RANDOM = 50
HOLDOUT = 0.3
FLIPPED = 0.25  # of the labels of every other rater


@dataclass(frozen=True)
class Curve:
    """spent, accuracy, loss: (looks,)."""

    spent: np.ndarray
    accuracy: np.ndarray
    loss: np.ndarray


@dataclass(frozen=True)
class Split:
    """Prompts on two sides: z and targets of the pairs to learn from, with each one's prompt; of those to measure."""

    z: np.ndarray
    targets: np.ndarray
    prompt: np.ndarray
    test_z: np.ndarray
    test_targets: np.ndarray


def vectors_of(found: Features, directions: int) -> np.ndarray:
    """The head's features. Their space is learned from all responses: it needs no label."""
    return FeatureSpace.fit(found.states, found.lengths, directions)(found.states, found.lengths)


def split(found: Features, vectors: np.ndarray, seed: int) -> Split:
    """By prompt."""
    draw = np.random.default_rng(seed)
    first, second = found.pairs.T
    flip = draw.random(len(first)) < 0.5  # the same side first would be a feature of its own
    first, second = np.where(flip, second, first), np.where(flip, first, second)
    targets = np.where(flip, 1 - found.targets, found.targets)
    prompts = np.unique(found.prompt[first])
    held_out = np.isin(found.prompt[first], draw.permutation(prompts)[: round(HOLDOUT * len(prompts))])
    z = vectors[first] - vectors[second]
    return Split(z[~held_out], targets[~held_out], found.prompt[first][~held_out], z[held_out], targets[held_out])


def noisy(targets: np.ndarray, draw: np.random.Generator) -> np.ndarray:
    """As two groups of raters say it, of which one says the opposite in a quarter of its labels."""
    careless = draw.random(len(targets)) < 0.5
    return np.where(careless & (draw.random(len(targets)) < FLIPPED), 1 - targets, targets)


class Learner:
    """A head with what it has seen, measured as it goes."""

    def __init__(self, size: int, test_z: np.ndarray, test_targets: np.ndarray, updated_every: int = 1) -> None:
        self.head = LiveHead(size, PRECISION)
        self.test_z, self.test_targets = test_z, test_targets
        self.updated_every = updated_every
        self.seen: list[tuple[np.ndarray, float, float]] = []
        self.looks: list[tuple[float, float, float]] = []

    def learn(self, z: np.ndarray, target: float, weight: float = 1.0) -> None:
        self.seen.append((z, target, weight))
        if self.updated_every == 1:
            self.head.update(z, target, weight)

    def refit(self) -> None:
        z, targets, weights = (np.array(each) for each in zip(*self.seen, strict=True))
        self.head.refit(z, targets, weights)

    def look(self, spent: float) -> None:
        """Measure, after a fit on all that was seen, whatever the head itself is used for."""
        measured = LiveHead(self.head.size, PRECISION)
        measured.mean = self.head.mean
        z, targets, weights = (np.array(each) for each in zip(*self.seen, strict=True))
        measured.refit(z, targets, weights)
        p = measured.probabilities(self.test_z)
        decided = self.test_targets != 0.5
        accuracy = right(p, self.test_targets)[decided].mean()
        self.looks.append((spent, float(accuracy), float(log_losses(p, self.test_targets).mean())))

    def curve(self) -> Curve:
        return Curve(*(np.array(each) for each in zip(*self.looks, strict=True)))


@dataclass(frozen=True)
class Order:
    """A rule of the next item. score(head, z), above 0: what is asked first has the most; None: chance alone.
    updated_every: how many labels pass until the head knows of them."""

    score: Callable[[LiveHead, np.ndarray], np.ndarray] | None
    random_share: float = 0.25
    updated_every: int = 1


def unsure(head: LiveHead, z: np.ndarray) -> np.ndarray:
    """Smallest gap first."""
    return np.asarray(1.0 / np.maximum(np.abs(head.scores(z)), 1e-9))


def spread(head: LiveHead, z: np.ndarray) -> np.ndarray:
    """Greatest variance of the gap first, as D-optimal designs have it (ARM-FI)."""
    return np.sqrt(head.variances(z))


def doubt(head: LiveHead, z: np.ndarray) -> np.ndarray:
    """What a label is expected to tell of the weights (BALD, Houlsby et al. 2011), by the normal approximation."""
    p = head.probabilities(z)
    mean, variance = head.scores(z), head.variances(z)
    nodes, weights = np.polynomial.hermite_e.hermegauss(9)
    inner = sigmoid(mean[:, None] + np.sqrt(variance)[:, None] * nodes)
    return np.asarray(np.maximum(entropy(p) - entropy(inner) @ (weights / weights.sum()), 1e-12))


def entropy(p: np.ndarray) -> np.ndarray:
    """Of a coin, in nats."""
    return log_losses(p, p)


ORDERS = {
    "random": Order(None),
    "uncertain": Order(unsure),
    "uncertain, no random share": Order(unsure, random_share=0.0),
    "uncertain, told every 25": Order(unsure, updated_every=25),
    "uncertain, told every 100": Order(unsure, updated_every=100),
    "greatest variance": Order(spread),
    "BALD": Order(doubt),
}


def replay_order(data: Split, order: Order, labels: int, seed: int) -> Curve:
    """Labels in the order of a rule, of each prompt no second item while it has one that comes before."""
    draw = np.random.default_rng(seed)
    said = noisy(data.targets, draw)
    learner = Learner(data.z.shape[1], data.test_z, data.test_targets, order.updated_every)
    waiting = draw.permutation(len(said))
    for count in range(1, min(labels, len(said)) + 1):
        place = 0
        if order.score is not None and count > FIRST_RANDOM and draw.random() >= order.random_share:
            score = order.score(learner.head, data.z[waiting])
            place = int(np.argmax(np.log(score) + GUMBEL * draw.gumbel(size=len(score))))
        item, waiting = waiting[place], np.delete(waiting, place)
        learner.learn(data.z[item], said[item])
        if count % max(REFIT_EVERY, order.updated_every) == 0:
            learner.refit()
        if count % 25 == 0:
            learner.look(count)
    return learner.curve()


@dataclass(frozen=True)
class Tasted:
    """Several responses to each prompt with a planted taste, in points of a logistic scale: vectors (prompts,
    responses, size), taste and length (prompts, responses)."""

    vectors: np.ndarray
    taste: np.ndarray
    length: np.ndarray


RULES = ("random pairs", "widest gap (DeltaUCB)", "greatest variance", "smallest gap", "rankings of four")
READING = 1.0  # of a label's cost: tokens read; and so many for the choice itself:
CHOICE = 40.0


def replay_several(data: Tasted, rule: str, budget: float, seed: int) -> Curve:
    """Which of several responses are shown, by a rule. What is spent is what people read, the choice counted too."""
    draw = np.random.default_rng(seed)
    prompts = draw.permutation(len(data.taste))
    held_out, asked = np.split(prompts, [round(HOLDOUT * len(prompts))])
    test = [(p, a, b) for p in held_out for a, b in zip(*np.triu_indices(data.taste.shape[1], 1), strict=True)]
    z = np.array([data.vectors[p, a] - data.vectors[p, b] for p, a, b in test])
    gap = np.array([data.taste[p, a] - data.taste[p, b] for p, a, b in test])
    learner = Learner(data.vectors.shape[2], z, (draw.random(len(gap)) < sigmoid(gap)).astype(float))
    spent, next_look = 0.0, budget / 16
    for labels, prompt in enumerate(endless(asked, draw)):
        shown = choose(learner.head, data.vectors[prompt], rule if labels >= FIRST_RANDOM else rule.split()[0], draw)
        spent += CHOICE + READING * data.length[prompt, shown].sum()
        pairs = list(zip(*np.triu_indices(len(shown), 1), strict=True))
        # One person ranks by what they perceive: the taste with noise for each response (Gumbel: Plackett and Luce).
        perceived = data.taste[prompt, shown] + draw.gumbel(size=len(shown))
        if draw.random() < 0.5 and draw.random() < FLIPPED:
            perceived = -perceived
        for one, other in pairs:
            difference = data.vectors[prompt, shown[one]] - data.vectors[prompt, shown[other]]
            learner.learn(difference, float(perceived[one] > perceived[other]), (len(shown) - 1) / len(pairs))
        if (labels + 1) % REFIT_EVERY == 0:
            learner.refit()
        if spent >= next_look:
            learner.look(spent)
            next_look += budget / 16
        if spent >= budget:
            return learner.curve()
    raise AssertionError("endless")


def endless(prompts: np.ndarray, draw: np.random.Generator) -> Iterator[int]:
    """All prompts in random order, again and again."""
    while True:
        yield from draw.permutation(prompts)


def choose(head: LiveHead, vectors: np.ndarray, rule: str, draw: np.random.Generator) -> list[int]:
    """The places of the responses that are shown."""
    count = len(vectors)
    if rule.startswith("rankings"):
        return [int(each) for each in draw.choice(count, 4, replace=False)]
    if rule.startswith("widest gap ("):
        return list(head.widest_gap(vectors))
    first, second = np.triu_indices(count, 1)
    z = vectors[first] - vectors[second]
    if rule == "greatest variance":
        best = int(np.argmax(head.variances(z)))
    elif rule == "smallest gap":
        best = int(np.argmax(unsure(head, z)))
    else:
        best = int(draw.integers(len(z)))
    return [int(first[best]), int(second[best])]


def until(curve: np.ndarray, spent: np.ndarray, goal: float) -> float:
    """How much is spent until a curve that should rise reaches a goal, between looks in proportion; where it never
    does, twice what was spent. The curve is made to rise first (isotonic regression, by pooling neighbours)."""
    rising = isotonic(curve)
    reached = np.flatnonzero(rising >= goal)
    if not len(reached):
        return 2.0 * float(spent[-1])
    at = int(reached[0])
    if at == 0:
        return float(spent[0])
    low, high = rising[at - 1], rising[at]
    return float(spent[at - 1] + (spent[at] - spent[at - 1]) * (goal - low) / (high - low))


def isotonic(values: np.ndarray) -> np.ndarray:
    """The rising sequence nearest to these values in squares."""
    blocks: list[list[float]] = []
    for value in values:
        blocks.append([float(value), 1.0])
        while len(blocks) > 1 and blocks[-2][0] >= blocks[-1][0]:
            mean, count = blocks.pop()
            before, more = blocks[-1]
            blocks[-1] = [(mean * count + before * more) / (count + more), count + more]
    return np.concatenate([np.full(int(count), mean) for mean, count in blocks])


@dataclass(frozen=True)
class Ratio:
    """What an arm spends by what chance spends, and its interval."""

    ratio: float
    low: float
    high: float


def ratio(chance: list[Curve], arm: list[Curve], measure: str, at: float, checks: int = 1) -> Ratio:
    """What the arm spends until it is as good as chance is after `at`, by what chance spends until it is; both are read
    off their rising mean curves. chance, arm: one curve for each split. The interval is the percentile bootstrap's over
    splits, at 95% for all of `checks` such figures together."""
    sign = 1.0 if measure == "accuracy" else -1.0
    grid = arm[0].spent
    ours, theirs = (sign * np.array([getattr(each, measure) for each in curves]) for curves in (arm, chance))

    def found(rows: np.ndarray) -> float:
        goal = float(np.interp(at, grid, isotonic(theirs[rows].mean(axis=0))))
        return until(ours[rows].mean(axis=0), grid, goal) / until(theirs[rows].mean(axis=0), grid, goal)

    draw = np.random.default_rng(0)
    tries = [found(draw.integers(0, len(arm), len(arm))) for _ in range(1000)]
    low, high = np.quantile(tries, [0.025 / checks, 1 - 0.025 / checks])
    return Ratio(found(np.arange(len(arm))), float(low), float(high))


def on(grid: np.ndarray, curves: list[Curve]) -> Curve:
    """The mean of curves, at these places."""
    return Curve(
        grid,
        np.mean([np.interp(grid, each.spent, each.accuracy) for each in curves], axis=0),
        np.mean([np.interp(grid, each.spent, each.loss) for each in curves], axis=0),
    )
