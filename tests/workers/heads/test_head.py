"""A head in memory: what it learns, what it keeps apart, and when it says that it knows too little."""

from dataclasses import dataclass, replace

import numpy as np
import pytest

from app.models import HeadState
from rlhf.live_head import sigmoid
from workers.heads.head import Head, weights

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
    """Of 4 responses 6 preferences, each a half; of a pair one whole. One that 3 people gave counts three times."""
    one = Said(1, 1, 0, 1, 1.0)
    assert weights([one]) == [1.0]
    assert weights([one] * 6) == [0.5] * 6
    assert weights([replace(one, raters=3)]) == [3.0]


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
