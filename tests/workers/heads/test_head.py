"""A head in memory: what it learns, what it keeps apart, and when it says that it knows too little."""

from dataclasses import dataclass, replace

import numpy as np
import pytest

from app.models import HeadState, Outcome
from app.rewards.counting import Counting, counted
from app.rewards.targets import Checks, Vote
from rlhf.live_head import LiveHead, sigmoid
from workers.heads.head import Head

SIZE = 6
TASTE = 4 * np.array([1.0, -1.0, 0.5, 0.0, 0.0, 0.0])


@dataclass(frozen=True)
class Said:
    label_id: int
    item_id: int
    first: int
    second: int
    probability: float
    rater: int = 1
    prompt_id: int = 0
    held_out: bool = False
    control: bool = False
    placed: bool = False
    chosen: bool = False
    raters: int = 1

    @property
    def outcome(self) -> Outcome:
        return {1.0: Outcome.FIRST, 0.0: Outcome.SECOND}.get(self.probability, Outcome.TIE)


@dataclass(frozen=True)
class Checked:
    label_id: int
    item_id: int
    rater: int
    passed: bool


def labels(count: int, seed: int = 0, careful: bool = True, **over: object) -> tuple[list[Said], dict[int, np.ndarray]]:
    """Two raters who follow a taste, or draw a coin; every fifth prompt is held out."""
    draw = np.random.default_rng(seed)
    features = {id_: draw.normal(size=SIZE) for id_ in range(2 * count)}
    said = []
    for n in range(count):
        p = float(sigmoid(np.asarray((features[2 * n] - features[2 * n + 1]) @ TASTE))) if careful else 0.5
        row = Said(n + 1, n, 2 * n, 2 * n + 1, float(draw.random() < p), n % 2, n, n % 5 == 0, n % 5 == 1)
        said.append(replace(row, **over))
    return said, features


def taught(said: list[Said], features: dict[int, np.ndarray]) -> Head:
    head = Head(SIZE)
    head.take(said, features)
    return head


def test_a_head_learns_and_tells_how_good_it_is() -> None:
    head = taught(*labels(300))
    report = head.report(head.state)
    assert (report.state, report.labels, report.measuring, report.raters) == (HeadState.ORDERS, 240, 60, 2)
    first, *_, last = report.curve
    assert (first.labels, last.labels) == (0, 240)
    assert first.accuracy == 0.5
    assert first.loss == pytest.approx(np.log(2))
    assert last.accuracy > 0.75
    assert last.loss < 0.55
    assert last.low <= last.accuracy <= last.high
    assert report.moved is not None
    assert report.moved < 0.2


def test_what_measures_is_not_learned() -> None:
    said, features = labels(200)
    head = taught(said, features)
    other = taught(
        [replace(each, probability=1 - each.probability) if each.held_out else each for each in said], features
    )
    assert np.array_equal(head.live.mean, other.live.mean)


def test_the_same_labels_at_once_or_one_by_one_and_in_any_order() -> None:
    """After an exact fit a head is that of a restart, which reads them all."""
    said, features = labels(260)
    whole, apart = taught(said, features), Head(SIZE)
    for each in said:
        apart.take([each], features)
    assert np.array_equal(whole.live.mean, apart.live.mean)
    assert whole.report(whole.state) == apart.report(apart.state)
    shuffled = taught([said[place] for place in np.random.default_rng(1).permutation(260)], features)
    whole.refit()
    shuffled.refit()
    assert np.abs(whole.live.mean - shuffled.live.mean).max() < 1e-6
    assert np.abs(whole.live.covariance - shuffled.live.covariance).max() < 1e-6


def test_a_label_is_learned_once_and_a_revision_takes_its_place() -> None:
    said, features = labels(100)
    head = taught(said, features)
    assert head.take(said[:10], features) == 0
    changed = replace(said[2], label_id=1000, probability=1 - said[2].probability)
    assert head.take([changed], features) == 1
    head.refit()
    fresh = taught([changed if each is said[2] else each for each in said], features)
    fresh.refit()
    assert len(head.learned) == 80
    assert np.abs(head.live.mean - fresh.live.mean).max() < 1e-6


def test_a_ranking_weighs_one_less_than_it_has_responses() -> None:
    """Of 4 responses 6 preferences, each a half; of a pair one whole; one that 3 people gave 3 / (1 + 2 * 13 / 23)."""
    features = {id_: np.eye(SIZE)[id_] for id_ in range(4)}
    ranking = [Said(1, 1, a, b, 1.0) for a in range(4) for b in range(a + 1, 4)]
    for said, weight in (([Said(1, 1, 0, 1, 1.0)], 1.0), (ranking, 0.5), ([Said(1, 1, 0, 1, 1.0, raters=3)], 69 / 49)):
        head = taught(said, features)
        assert head.learned.weights((1, 1)) == pytest.approx([weight] * len(said))


def by_several(seed: int, wrong: float = 0.5) -> tuple[list[Said], dict[int, np.ndarray], list[Checked]]:
    """150 pairs judged by three of five people each, of whom the last is wrong that often; and ten checks of each."""
    draw = np.random.default_rng(seed)
    features = {id_: draw.normal(size=SIZE) for id_ in range(300)}
    said, number = [], 0
    for item in range(150):
        p = float(sigmoid(np.asarray((features[2 * item] - features[2 * item + 1]) @ TASTE)))
        better = draw.random() < p
        for who in draw.choice(5, 3, replace=False).tolist():
            number += 1
            flipped = who == 4 and draw.random() < wrong
            said.append(Said(10 * number, item, 2 * item, 2 * item + 1, float(better != flipped), who, item))
    checked = [Checked(100 * n + who + 1, 1000 + n, who, who < 4 or n % 2 == 0) for n in range(10) for who in range(5)]
    return said, features, checked


def test_it_learns_what_a_training_would_with_the_same_weights() -> None:
    """The exact fit is that of the targets and weights of pairs that a training counts with."""
    said, features, checked = by_several(0)
    head = Head(SIZE)
    head.take(said, features, checked)
    head.refit()
    votes = [Vote((each.item_id, each.first, each.second), each.rater, each.outcome) for each in said]
    checks = {who: Checks(10, 0) if who < 4 else Checks(5, 5) for who in range(5)}
    found = counted(votes, Counting(aggregation="weighted", weigh_pairs=True), checks)
    pairs = sorted(found.fitted.targets)
    z = np.stack([features[first] - features[second] for _, first, second in pairs])
    direct = LiveHead(SIZE)
    direct.refit(
        z, np.array([found.fitted.targets[pair] for pair in pairs]), np.array([found.weights[p] for p in pairs])
    )
    assert np.abs(head.live.mean - direct.mean).max() < 1e-6


def test_who_is_not_reliable_weighs_less_and_teaches_less() -> None:
    for seed in range(3):
        said, features, checked = by_several(seed)
        head = Head(SIZE)
        head.take(said, features, checked)
        head.refit()
        assert head.shares[4] < 0.3
        assert all(head.shares[who] > 1 for who in range(4))
        without = taught([each for each in said if each.rater != 4], features)
        without.refit()
        adversary = Head(SIZE)
        adversary.take(*by_several(seed, wrong=1.0))
        adversary.refit()
        assert adversary.shares[4] < 0.05
        for other in (head, adversary):
            closeness = other.live.mean @ without.live.mean
            assert closeness > 0.97 * np.linalg.norm(other.live.mean) * np.linalg.norm(without.live.mean)


def test_weights_are_the_same_at_once_or_one_by_one_and_in_any_order() -> None:
    said, features, checked = by_several(1)
    whole, apart, shuffled = Head(SIZE), Head(SIZE), Head(SIZE)
    whole.take(said, features, checked)
    events = sorted([*said, *checked], key=lambda each: each.label_id)
    for each in events:
        apart.take(*([[], features, [each]] if isinstance(each, Checked) else [[each], features]))
    assert np.array_equal(whole.live.mean, apart.live.mean)
    assert whole.report(whole.state) == apart.report(apart.state)
    draw = np.random.default_rng(0)
    shuffled.take([said[place] for place in draw.permutation(len(said))], features, checked)
    for head in (whole, shuffled):
        head.refit()
    assert np.abs(whole.live.mean - shuffled.live.mean).max() < 1e-6


def test_a_check_that_was_answered_again_counts_once() -> None:
    said, features, _ = by_several(0)
    head, other = Head(SIZE), Head(SIZE)
    head.take(said, features, [Checked(1, 500, 0, False), Checked(2, 500, 0, True)])
    other.take(said, features, [Checked(2, 500, 0, True)])
    assert head.checks == other.checks
    head.take([], features, [Checked(2, 500, 0, False)])  # known
    assert head.checks == other.checks


@pytest.mark.parametrize(
    ("state", "count", "over"),
    [
        (HeadState.FEW_LABELS, 10, {}),
        (HeadState.ONE_RATER, 100, {"rater": 7}),
        (HeadState.NO_BETTER, 100, {"probability": 0.5}),
        (HeadState.ORDERS, 100, {}),
    ],
)
def test_when_it_may_order(state: HeadState, count: int, over: dict[str, object]) -> None:
    assert taught(*labels(count, **over)).state is state


def test_coins_and_adversaries_order_nothing() -> None:
    assert taught(*labels(300, careful=False)).state is HeadState.NO_BETTER
    said, features = labels(400)
    turned = [replace(each, probability=1 - each.probability) if each.rater else each for each in said]
    assert taught(turned, features).state is HeadState.NO_BETTER


def test_labels_without_features_teach_nothing() -> None:
    said, _ = labels(100)
    head = taught(said, {})
    assert (head.state, head.count) == (HeadState.FEW_LABELS, 0)
    assert head.report(head.state).curve == []


def test_the_newest_labels_are_held_in_whole_and_the_exact_fit_knows_no_others() -> None:
    said, features = labels(300)
    ranking = [Said(1000, 1000, a, b, 1.0, prompt_id=9) for a in range(4) for b in range(a + 1, 4)]
    head = Head(SIZE, most=100)
    for each in said:
        head.take([each], features)
    assert (len(head.labels), head.oldest) == (100, 200)
    assert (len(head.learned), len(head.measuring)) == (80, 20)
    head.take(ranking, features)
    assert (len(head.labels), head.oldest) == (95, 206)
    head.take([replace(said[205], label_id=1001)], features)  # of those that are held no more: one again, and one goes
    assert (len(head.labels), head.oldest) == (95, 207)
    fresh = Head(SIZE)
    fresh.take([*said[207:], *ranking, replace(said[205], label_id=1001)], features)
    for one in (head, fresh):
        one.refit()
    assert np.abs(head.live.mean - fresh.live.mean).max() < 1e-6
    assert np.abs(head.live.covariance - fresh.live.covariance).max() < 1e-6
    points = [point.labels for point in head.report(head.state).curve]
    assert points == sorted(points)
    assert points[-1] == len(head.learned)
    head.keep(set())
    head.refit()
    assert (head.labels, head.raters, head.report(head.state).labels) == (set(), set(), 0)
    assert not head.live.mean.any()


def test_many_revisions_leave_what_stands_and_no_more() -> None:
    """Every label is given anew three times, in another order: rows that are gone are closed up on the way."""
    said, features = labels(300)
    head, draw = taught(said, features), np.random.default_rng(3)
    for turn in range(1, 4):
        for number, place in enumerate(draw.permutation(300).tolist()):
            said[place] = replace(said[place], label_id=1000 * turn + number, probability=float(draw.random() < 0.5))
            head.take([said[place]], features)
    fresh = taught(sorted(said, key=lambda each: each.label_id), features)
    for one in (head, fresh):
        one.refit()
    assert (len(head.learned), len(head.measuring)) == (240, 60)
    assert np.abs(head.live.mean - fresh.live.mean).max() < 1e-9
    kept, made = head.learned.preferences(), fresh.learned.preferences()
    assert np.array_equal(kept.z, made.z)
    assert kept.prompts.tolist() == made.prompts.tolist()
    assert kept.weights == pytest.approx(made.weights)
    assert len(head.learned._rows) <= 512  # of 960 that were given
