"""Soft targets by hand: means, reliability, taste, strength, weights; and on planted raters."""

from dataclasses import replace
from typing import get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from app.models import Outcome
from app.rewards.columns import Columns, weights
from app.rewards.counting import Counting, counted, counted_columns
from app.rewards.forms import Aggregation
from app.rewards.reliability import TASTES, reliability_targets
from app.rewards.targets import Checks, Pair, Vote, mean_targets

A, B, TIE, BAD = Outcome.FIRST, Outcome.SECOND, Outcome.TIE, Outcome.BOTH_BAD


NAMES: tuple[Aggregation, ...] = get_args(Aggregation)


def votes(table: dict[int, list[tuple[int, Outcome]]]) -> list[Vote]:
    return [Vote((item, 0, 1), who, said) for item, given in table.items() for who, said in given]


def by_item(targets: dict[Pair, float]) -> dict[int, float]:
    return {item: target for (item, _, _), target in targets.items()}


def test_mean_of_the_raters() -> None:
    table = {1: [(1, A)], 2: [(1, A), (2, B)], 3: [(1, A), (2, A), (3, TIE)], 4: [(1, TIE)], 5: [(1, BAD)]}
    assert by_item(mean_targets(votes(table))) == {1: 1.0, 2: 0.5, 3: pytest.approx(2.5 / 3), 4: 0.5}


def test_both_bad_says_nothing_beside_a_choice() -> None:
    assert by_item(mean_targets(votes({1: [(1, B), (2, BAD)]}))) == {1: 0.0}


def test_a_label_may_count_for_less_or_not_at_all() -> None:
    said = [Vote((1, 0, 1), 1, A), Vote((1, 0, 1), 2, B, weight=0.5), Vote((2, 0, 1), 2, B, weight=0)]
    assert by_item(mean_targets(said)) == {1: pytest.approx(1 / 1.5)}
    assert by_item(reliability_targets(said).targets).keys() == {1}


def test_strength_says_how_much_a_choice_says() -> None:
    said = [Vote((1, 0, 1), 1, A, strength=1), Vote((1, 0, 1), 2, B, strength=2), Vote((2, 0, 1), 1, A)]
    assert by_item(mean_targets(said, {1: 0.8, 2: 0.95})) == {1: pytest.approx((0.8 + 0.05) / 2), 2: 1.0}


# ---- reliability --------------------------------------------------------------------------------------------------


def test_without_overlap_every_rater_keeps_the_prior() -> None:
    found = reliability_targets(votes({1: [(1, A)], 2: [(2, B)], 3: [(1, TIE)]}))
    assert by_item(found.targets) == {1: pytest.approx(0.9), 2: pytest.approx(0.1), 3: pytest.approx(0.5)}
    assert found.reliability == {1: pytest.approx(0.9), 2: pytest.approx(0.9)}
    assert found.taste == 0


def test_attention_checks_inform_reliability() -> None:
    found = reliability_targets(votes({1: [(1, A)], 2: [(2, A)]}), {1: Checks(10, 0), 2: Checks(2, 8)})
    assert found.reliability == {1: pytest.approx(19 / 20), 2: pytest.approx(11 / 20)}
    assert by_item(found.targets) == {1: pytest.approx(19 / 20), 2: pytest.approx(11 / 20)}


def test_five_against_four_is_no_certainty() -> None:
    """Each r the prior's 0.9: 0.996 as the sum of log odds of the best guesses, and 0.9 even with all alike."""
    found = reliability_targets(votes({1: [(who, A if who < 5 else B) for who in range(9)]}))
    assert 0.5 < by_item(found.targets)[1] < 0.6


def test_ties_are_half_votes() -> None:
    one_of_nine = reliability_targets(votes({1: [(0, A), *((who, TIE) for who in range(1, 9))]}))
    assert 0.5 < by_item(one_of_nine.targets)[1] < 0.6  # not 0.9, as if the other eight had said nothing
    halves = [Vote((1, 0, 1), 1, TIE), Vote((1, 0, 1), 2, A)]
    fractions = [Vote((1, 0, 1), 1, A, probability=0.5), Vote((1, 0, 1), 2, A)]
    assert reliability_targets(halves) == reliability_targets(fractions)


def test_the_end_is_where_the_equations_hold() -> None:
    """What is fitted, put into the model's own equations, gives itself."""
    table = {1: [(1, A), (2, A)], 2: [(1, A), (2, B), (3, B)], 3: [(3, A), (1, TIE)], 4: [(2, B), (3, B)]}
    found = reliability_targets(votes(table), {3: Checks(4, 2)}, rounds=20_000, tolerance=1e-13)
    r, points = found.reliability, np.array([0.0, 1.0, *TASTES])
    prior = np.array([(1 - found.taste) / 2] * 2 + [found.taste / len(TASTES)] * len(TASTES))
    right, said, taste = {1: 9.0, 2: 9.0, 3: 13.0}, {1: 10.0, 2: 10.0, 3: 16.0}, 0.1
    for item, choices in table.items():
        posterior = prior.copy()
        for who, choice in choices:
            first = r[who] * points + (1 - r[who]) * (1 - points)
            value = {A: 1.0, TIE: 0.5, B: 0.0}[choice]
            posterior *= first**value * (1 - first) ** (1 - value)
        posterior /= posterior.sum()
        assert by_item(found.targets)[item] == pytest.approx(float(posterior @ points), abs=1e-6)
        taste += float(posterior[2:].sum())
        for who, choice in choices:
            first = r[who] * points + (1 - r[who]) * (1 - points)
            value = {A: 1.0, TIE: 0.5, B: 0.0}[choice]
            own = value * r[who] * points / first + (1 - value) * r[who] * (1 - points) / (1 - first)
            right[who] += float(posterior @ own)
            said[who] += 1
    assert found.reliability == {who: pytest.approx(right[who] / said[who], abs=1e-6) for who in r}
    assert found.taste == pytest.approx(taste / 5, abs=1e-6)


def test_a_rater_whom_the_others_contradict_counts_less() -> None:
    table = {item: [(1, A), (2, A), (3, B)] for item in range(20)}
    table[99] = [(1, A), (3, B)]
    found = reliability_targets(votes(table))
    assert found.reliability[3] < 0.4 < 0.9 < found.reliability[1]
    assert found.targets[99, 0, 1] > 0.9
    assert mean_targets(votes(table))[99, 0, 1] == 0.5


def test_what_a_rater_weighs_by_hand() -> None:
    """Of two, checks alone are known: r is 29/30 and 20/30, their log odds 3.367 and 0.693, known to
    30 r (1 - r) = 0.967 and 6.667. By DerSimonian and Laird the log odds spread by 2.983 around 1.865, towards
    which they are drawn, to 2.980 and 0.749; (2r - 1)^2 is 0.8161 and 0.1282."""
    found = reliability_targets(votes({1: [(1, A)], 2: [(2, A)]}), {1: Checks(20, 0), 2: Checks(11, 9)})
    assert found.shares == {1: pytest.approx(1.728499), 2: pytest.approx(0.271501, abs=1e-6)}


def test_raters_who_differ_by_no_more_than_chance_weigh_the_same() -> None:
    found = reliability_targets(votes({1: [(1, A), (2, A)], 2: [(1, B), (3, B)], 3: [(2, A), (3, A)]}))
    assert found.shares == {1: pytest.approx(1), 2: pytest.approx(1), 3: pytest.approx(1)}
    assert reliability_targets([]).shares == {}


def test_levels_begin_with_the_table_and_follow_the_repeats() -> None:
    strong, slight = Vote((1, 0, 1), 1, A, strength=3), Vote((2, 0, 1), 1, A, strength=1)
    first = reliability_targets([strong, slight], levels=3)
    assert by_item(first.targets) == {1: pytest.approx(0.97), 2: pytest.approx(0.75)}
    assert first.levels == {1: pytest.approx(0.75), 2: pytest.approx(0.9), 3: pytest.approx(0.97)}
    random = np.random.default_rng(0)
    said = []
    for item in range(800):
        for who in random.choice(6, 3, replace=False).tolist():
            level = int(random.integers(1, 4))
            right = random.random() < {1: 0.6, 2: 0.9, 3: 0.97}[level]
            said.append(Vote((item, 0, 1), who, A if right == (item % 2 == 0) else B, strength=level))
    fitted = reliability_targets(said, levels=3).levels
    assert fitted[1] < 0.7  # not the 0.75 that it began with
    assert fitted[1] < fitted[2] < fitted[3]


VOTES = st.lists(
    st.builds(
        Vote,
        st.tuples(st.integers(1, 6), st.just(0), st.integers(1, 2)),
        st.integers(1, 4),
        st.sampled_from([A, B, TIE, BAD]),
        strength=st.sampled_from([None, 1, 2]),
    ),
    max_size=20,
    unique_by=lambda vote: (vote.pair, vote.annotator_id),
)
FLIPPED = {A: B, B: A, TIE: TIE, BAD: BAD}


@given(given=VOTES)
def test_naming_the_answers_the_other_way_round_mirrors_the_targets(given: list[Vote]) -> None:
    mirrored = [Vote(vote.pair, vote.annotator_id, FLIPPED[vote.outcome], strength=vote.strength) for vote in given]
    for targets in (mean_targets, lambda these: reliability_targets(these, levels=2).targets):
        here, there = targets(given), targets(mirrored)
        assert here.keys() == there.keys() == {vote.pair for vote in given if vote.outcome is not BAD}
        for item, p in here.items():
            assert 0 <= p <= 1
            assert p + there[item] == pytest.approx(1, abs=1e-6)


@given(given=VOTES, data=st.data())
def test_the_order_of_labels_changes_nothing(given: list[Vote], data: st.DataObject) -> None:
    other = data.draw(st.permutations(given))
    one, two = reliability_targets(given, levels=2), reliability_targets(other, levels=2)
    assert one.targets == {pair: pytest.approx(p, abs=1e-6) for pair, p in two.targets.items()}
    assert weights(given) == pytest.approx(weights(other))


def _planted(taste: bool, seed: int) -> tuple[NDArray[np.float64], list[Vote]]:
    """(share of people who prefer the first of each pair, votes). Ten raters, three a pair: careful ones who differ by
    taste, or some of whom are careless and one of whom says the contrary."""
    random = np.random.default_rng(seed)
    careful = np.full(10, 0.97) if taste else random.permutation([0.97] * 5 + [0.9, 0.8, 0.65, 0.55, 0.3])
    shares = random.beta(1, 1, 500) if taste else random.beta(0.15, 0.15, 500)
    said = []
    for item, share in enumerate(shares):
        for who in random.choice(10, 3, replace=False).tolist():
            first = (random.random() < share) == (random.random() < careful[who])
            said.append(Vote((item, 0, 1), who, A if first else B))
    return shares, said


@pytest.mark.parametrize("seed", range(5))
def test_reliability_beats_the_average_where_care_differs_and_does_not_lose_where_taste_does(seed: int) -> None:
    """By the squared distance of targets from the share of people who prefer the first."""

    def brier(shares: NDArray[np.float64], said: list[Vote], aggregation: Aggregation) -> float:
        found = counted(said, Counting(aggregation=aggregation), {}).fitted.targets
        return float(np.mean([(found[item, 0, 1] - share) ** 2 for item, share in enumerate(shares)]))

    for taste, most in ((False, {"weighted": 0.95, "reliability": 0.75}), (True, dict.fromkeys(NAMES[1:], 1.02))):
        by = {name: brier(*_planted(taste, seed), name) for name in NAMES}
        assert all(by[name] < least * by["mean"] for name, least in most.items()), by


# ---- weights ------------------------------------------------------------------------------------------------------


def test_a_pair_weighs_more_with_more_raters_and_less_than_as_many_pairs() -> None:
    # Of item 1 three agree: 3 comparisons, all the same, beside 20 that are alike by a half: (10 + 3) / 23.
    found = weights(votes({1: [(1, A), (2, A), (3, A)], 2: [(1, B)], 3: [(1, BAD)]}))
    assert found == {(1, 0, 1): pytest.approx(3 / (1 + 2 * 13 / 23)), (2, 0, 1): 1.0}
    # Two who contradict each other tell that labels are less alike: (10 - 1) / 21.
    found = weights(votes({1: [(1, A), (2, B)]}))
    assert found == {(1, 0, 1): pytest.approx(2 / (1 + 9 / 21))}
    assert weights([Vote((1, 0, 1), 1, A, weight=0.25)]) == {(1, 0, 1): 0.25}


def test_one_ranking_of_k_weighs_k_less_one() -> None:
    ranking = [Vote((1, first, second), 1, A) for first in range(4) for second in range(first + 1, 4)]
    found = weights(ranking)
    assert set(found.values()) == {3 / 6}
    assert sum(found.values()) == pytest.approx(3)


def test_columns_weigh_as_votes_do() -> None:
    """As a live head reads them: the same shares, and the votes of a pair weigh together what it does."""
    draw = np.random.default_rng(0)
    said = [
        Vote((item, 0, second), who, (A, B, TIE)[draw.integers(3)] if who else B, raters=1 + item % 2)
        for item in range(60)
        for second in range(1, 2 + (item % 3 == 0))
        for who in draw.choice(4, 1 + item % 3, replace=False).tolist()
    ]
    checks = {0: Checks(1, 9), 1: Checks(10, 0)}
    how = Counting(aggregation="weighted", weigh_pairs=True)
    for votes_ in (said, [replace(vote, raters=1) for vote in said[::3]]):
        expected = counted(votes_, how, checks)
        shuffled = [votes_[place] for place in draw.permutation(len(votes_))]
        shares, each = counted_columns(Columns.of(shuffled), checks)
        assert shares == pytest.approx(expected.fitted.shares)
        assert shares[0] < 0.5 < shares[1]
        total: dict[Pair, float] = {}
        for vote, weight in zip(shuffled, each.tolist(), strict=True):
            total[vote.pair] = total.get(vote.pair, 0.0) + weight
        assert {pair: weight for pair, weight in total.items() if weight} == pytest.approx(expected.weights)
