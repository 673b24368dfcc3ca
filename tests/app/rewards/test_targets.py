"""Soft targets by hand: means, and the two-class EM with a reliability per rater."""

from math import isclose

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.models import Outcome
from app.rewards.targets import Pair, Vote, mean_targets, reliability_targets

A, B, TIE, BAD = Outcome.FIRST, Outcome.SECOND, Outcome.TIE, Outcome.BOTH_BAD


def votes(table: dict[int, list[tuple[int, Outcome]]]) -> list[Vote]:
    return [Vote((item, 0, 1), who, said) for item, given in table.items() for who, said in given]


def by_item(targets: dict[Pair, float]) -> dict[int, float]:
    return {item: target for (item, _, _), target in targets.items()}


def test_mean_of_the_raters() -> None:
    table = {1: [(1, A)], 2: [(1, A), (2, B)], 3: [(1, A), (2, A), (3, TIE)], 4: [(1, TIE)], 5: [(1, BAD)]}
    assert by_item(mean_targets(votes(table))) == {1: 1.0, 2: 0.5, 3: pytest.approx(2.5 / 3), 4: 0.5}


def test_both_bad_says_nothing_beside_a_choice() -> None:
    assert by_item(mean_targets(votes({1: [(1, B), (2, BAD)]}))) == {1: 0.0}


def test_without_overlap_every_rater_keeps_the_prior() -> None:
    target, reliability = reliability_targets(votes({1: [(1, A)], 2: [(2, B)], 3: [(1, TIE)]}))
    assert by_item(target) == {1: pytest.approx(0.9), 2: pytest.approx(0.1), 3: 0.5}
    assert reliability == {1: pytest.approx(0.9), 2: pytest.approx(0.9)}


def test_one_step_by_hand() -> None:
    # Raters 1 and 2 say a, 3 says b. At the start p = 2/3. M: r1 = r2 = (9 + 2/3) / 11, r3 = (9 + 1/3) / 11.
    target, reliability = reliability_targets(votes({1: [(1, A), (2, A), (3, B)]}), rounds=1)
    assert reliability == {1: pytest.approx(29 / 33), 2: pytest.approx(29 / 33), 3: pytest.approx(28 / 33)}
    odds = (29 / 4) ** 2 / (28 / 5)
    assert target[1, 0, 1] == pytest.approx(odds / (1 + odds))


def test_a_rater_whom_the_others_contradict_counts_less() -> None:
    table = {item: [(1, A), (2, A), (3, B)] for item in range(20)}
    table[99] = [(1, A), (3, B)]
    target, reliability = reliability_targets(votes(table))
    assert reliability[3] < 0.4 < 0.95 < reliability[1]
    assert target[99, 0, 1] > 0.95
    assert mean_targets(votes(table))[99, 0, 1] == 0.5


def test_the_end_is_a_fixed_point() -> None:
    table = {1: [(1, A), (2, A)], 2: [(1, A), (2, B), (3, B)], 3: [(3, A), (1, TIE)], 4: [(2, B), (3, B)]}
    once = reliability_targets(votes(table), rounds=2000)
    more = reliability_targets(votes(table), rounds=4000)
    assert all(isclose(once[0][item], more[0][item], abs_tol=1e-7) for item in once[0])


VOTES = st.lists(
    st.builds(
        Vote,
        st.tuples(st.integers(1, 6), st.just(0), st.integers(1, 2)),
        st.integers(1, 4),
        st.sampled_from([A, B, TIE, BAD]),
    ),
    max_size=20,
    unique_by=lambda vote: (vote.pair, vote.annotator_id),
)
FLIPPED = {A: B, B: A, TIE: TIE, BAD: BAD}


@given(given=VOTES)
def test_naming_the_answers_the_other_way_round_mirrors_the_targets(given: list[Vote]) -> None:
    mirrored = [Vote(vote.pair, vote.annotator_id, FLIPPED[vote.outcome]) for vote in given]
    for targets in (mean_targets, lambda these: reliability_targets(these)[0]):
        here, there = targets(given), targets(mirrored)
        assert here.keys() == there.keys() == {vote.pair for vote in given if vote.outcome is not BAD}
        for item, p in here.items():
            assert 0 <= p <= 1
            assert p + there[item] == pytest.approx(1, abs=1e-6)
