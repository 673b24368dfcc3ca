"""Soft targets by hand: means, and the two-class EM with a reliability per rater."""

from math import isclose

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.models import Choice
from app.rewards.targets import Vote, mean_targets, reliability_targets

A, B, TIE, BAD = Choice.A, Choice.B, Choice.TIE, Choice.BOTH_BAD


def votes(table: dict[int, list[tuple[int, Choice]]]) -> list[Vote]:
    return [Vote(pair, who, choice) for pair, given in table.items() for who, choice in given]


def test_mean_of_the_raters() -> None:
    table = {1: [(1, A)], 2: [(1, A), (2, B)], 3: [(1, A), (2, A), (3, TIE)], 4: [(1, TIE)], 5: [(1, BAD)]}
    assert mean_targets(votes(table)) == {1: 1.0, 2: 0.5, 3: pytest.approx(2.5 / 3), 4: 0.5}


def test_both_bad_says_nothing_beside_a_choice() -> None:
    assert mean_targets(votes({1: [(1, B), (2, BAD)]})) == {1: 0.0}


def test_without_overlap_every_rater_keeps_the_prior() -> None:
    target, reliability = reliability_targets(votes({1: [(1, A)], 2: [(2, B)], 3: [(1, TIE)]}))
    assert target == {1: pytest.approx(0.9), 2: pytest.approx(0.1), 3: 0.5}
    assert reliability == {1: pytest.approx(0.9), 2: pytest.approx(0.9)}


def test_one_step_by_hand() -> None:
    # Raters 1 and 2 say a, 3 says b. At the start p = 2/3. M: r1 = r2 = (9 + 2/3) / 11, r3 = (9 + 1/3) / 11.
    target, reliability = reliability_targets(votes({1: [(1, A), (2, A), (3, B)]}), rounds=1)
    assert reliability == {1: pytest.approx(29 / 33), 2: pytest.approx(29 / 33), 3: pytest.approx(28 / 33)}
    odds = (29 / 4) ** 2 / (28 / 5)
    assert target[1] == pytest.approx(odds / (1 + odds))


def test_a_rater_whom_the_others_contradict_counts_less() -> None:
    table = {pair: [(1, A), (2, A), (3, B)] for pair in range(20)}
    table[99] = [(1, A), (3, B)]
    target, reliability = reliability_targets(votes(table))
    assert reliability[3] < 0.4 < 0.95 < reliability[1]
    assert target[99] > 0.95
    assert mean_targets(votes(table))[99] == 0.5


def test_the_end_is_a_fixed_point() -> None:
    table = {1: [(1, A), (2, A)], 2: [(1, A), (2, B), (3, B)], 3: [(3, A), (1, TIE)], 4: [(2, B), (3, B)]}
    once = reliability_targets(votes(table), rounds=2000)
    more = reliability_targets(votes(table), rounds=4000)
    assert all(isclose(once[0][pair], more[0][pair], abs_tol=1e-7) for pair in once[0])


VOTES = st.lists(
    st.builds(Vote, st.integers(1, 6), st.integers(1, 4), st.sampled_from([A, B, TIE, BAD])),
    max_size=20,
    unique_by=lambda vote: (vote.pair_id, vote.annotator_id),
)
FLIPPED = {A: B, B: A, TIE: TIE, BAD: BAD}


@given(given=VOTES)
def test_naming_the_answers_the_other_way_round_mirrors_the_targets(given: list[Vote]) -> None:
    mirrored = [Vote(vote.pair_id, vote.annotator_id, FLIPPED[vote.choice]) for vote in given]
    for targets in (mean_targets, lambda these: reliability_targets(these)[0]):
        here, there = targets(given), targets(mirrored)
        assert here.keys() == there.keys() == {vote.pair_id for vote in given if vote.choice is not BAD}
        for pair, p in here.items():
            assert 0 <= p <= 1
            assert p + there[pair] == pytest.approx(1, abs=1e-6)
