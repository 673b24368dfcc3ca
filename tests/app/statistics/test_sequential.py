"""Tests that may be looked at after every label: by hand, and how many fair people they ever flag."""

from math import comb, log

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.statistics.sequential import CARE, FAIR_CHECKS, MARGIN, SIDES, care, drift, flagged, sides


def test_sides_by_hand() -> None:
    # The first choice is a coin's, the second predicted with (1 + 1/2) / 2 where it is the same: 2 * 3/4.
    assert sides([True, True]) == pytest.approx([0.0, log(1.5)])
    assert sides([True, False]) == pytest.approx([0.0, log(0.5)])
    assert len(sides([])) == 0


@given(st.lists(st.booleans(), max_size=60))
def test_sides_depend_on_counts_alone(left: list[bool]) -> None:
    """And both sides are alike."""
    if left:
        assert sides(left)[-1] == pytest.approx(sides(sorted(left))[-1])
        assert sides(left) == pytest.approx(sides([not each for each in left]))


def test_care_by_hand() -> None:
    shares = [(place + 0.5) / 20 for place in range(18)]
    missed = sum((1 - share) / (1 - FAIR_CHECKS) for share in shares) / 18
    assert care([False], [0.0]) == pytest.approx([log(missed)])
    won = [1 + bet * (1 / 3 - MARGIN) for bet in (0.25, 0.5, 1, 2, 3.5)]
    assert care([None], [1 / 3]) == pytest.approx([log(sum(won) / 5)])
    assert care([False, None], [0.0, 1 / 3])[1] == pytest.approx(log(missed) + log(sum(won) / 5))


def test_what_is_lost_in_the_end_was_flagged_all_the_same() -> None:
    assert flagged(np.array([0.0, log(40), -5.0]), 1 / 40)
    assert not flagged(np.array([log(40) - 0.01]), 1 / 40)
    assert not flagged(np.array([]), 1 / 40)


def test_drift_by_hand() -> None:
    steady = [False, True] * 50
    assert drift(steady) == 0
    assert drift([True] * 50 + [False] * 50) == -1
    assert drift([False] * 50 + [True] * 50) == 1
    assert drift([True] * 50 + [False] * 49) == 0  # not two whole blocks yet
    # Of 50 and 50, 15 disagreements that all fall into one half: C(50, 15) / C(100, 15); 5: 0.028.
    assert comb(50, 15) / comb(100, 15) == pytest.approx(8.9e-6, rel=0.05)
    assert drift([True] * 15 + [False] * 85) == -1
    assert drift([True] * 5 + [False] * 95) == 0


def test_of_fair_people_at_most_one_in_twenty_is_ever_flagged() -> None:
    """2,000 labels each, looked at after each one: sides are drawn, nine of ten checks are passed (no fair person
    passes fewer), and three people differ on a pair as its clarity has it."""
    random, people, labels, found = np.random.default_rng(7), 200, 2000, 0
    for _ in range(people):
        clear = random.beta(4, 0.8, labels)
        votes = random.random((3, labels)) < clear
        differ = np.stack([((votes[a] ^ votes[a - 1]).astype(float) + (votes[a] ^ votes[a - 2])) / 2 for a in range(3)])
        checks = [bool(random.random() < FAIR_CHECKS) if random.random() < 0.1 else None for _ in range(labels)]
        capital = care(checks, (differ[0] - differ.mean(axis=0)).tolist())
        found += flagged(capital, CARE) or flagged(sides((random.random(labels) < 0.5).tolist()), SIDES)
    assert found <= 0.05 * people


def test_who_is_careless_or_one_sided_is_flagged_soon() -> None:
    random = np.random.default_rng(3)
    assert flagged(sides([True] * 12), SIDES)
    assert flagged(sides((random.random(300) < 0.7).tolist()), SIDES)
    assert flagged(care((random.random(60) < 0.6).tolist(), [0.0] * 60), CARE)
