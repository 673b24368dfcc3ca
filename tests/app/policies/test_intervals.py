"""The anytime interval: by hand for one value, against its definition, and how often it is ever wrong."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.policies.intervals import anytime_interval, bets, log_capital

ALPHA = 0.05
LIMIT = np.log(1 / ALPHA)


def test_before_any_value_nothing_is_known() -> None:
    assert anytime_interval([]) == anytime_interval([])
    assert (anytime_interval([]).low, anytime_interval([]).high) == (0.0, 1.0)


def test_the_first_stake_and_capital_by_hand() -> None:
    # variance before any value 1/4: stake = sqrt(2 ln 40 / (1/4 * 1 * ln 2)) = 6.53; against m = 1/2 capped at 1.
    values = np.array([1.0])
    assert bets(values, ALPHA)[0] == pytest.approx(np.sqrt(2 * np.log(40) / (0.25 * np.log(2))))
    # A win of 1 at m = 1/2: half the money on each side, 1/2 * (1 + 1 * 1/2) = 3/4 and 1/2 * (1 - 1/2) = 1/4.
    assert log_capital(values, np.array([0.5]))[0, 0] == pytest.approx(np.log(0.75))


def test_the_stake_never_looks_ahead() -> None:
    start = [1.0, 1.0, 0.5]
    one, other = bets(np.array([*start, 1.0, 1.0]), ALPHA), bets(np.array([*start, 0.0, 0.5]), ALPHA)
    assert one[:4] == pytest.approx(other[:4])
    assert one[4] != other[4]


def test_a_clear_winner_is_seen_and_a_clear_loser_mirrors_it() -> None:
    wins = [1.0] * 30 + [0.0] * 2
    up, down = anytime_interval(wins), anytime_interval([1 - value for value in wins])
    assert up.low > 0.5
    assert (down.low, down.high) == (pytest.approx(1 - up.high), pytest.approx(1 - up.low))


def test_values_outside_are_refused() -> None:
    with pytest.raises(ValueError, match=r"\[0, 1\]"):
        anytime_interval([0.5, 1.5])


@settings(deadline=None, max_examples=50)
@given(values=st.lists(st.sampled_from([0.0, 0.5, 1.0]), min_size=1, max_size=60))
def test_it_only_ever_shrinks_and_agrees_with_the_capital(values: list[float]) -> None:
    before = anytime_interval(values[:-1])
    now = anytime_interval(values)
    assert now.low >= before.low or now.low == now.high
    assert now.high <= before.high or now.low == now.high
    never_out = bool((log_capital(np.array(values), np.array([0.5])) < LIMIT).all())
    if never_out:
        assert now.low <= 0.5 <= now.high
    elif now.low != now.high:
        assert not now.low + 0.001 < 0.5 < now.high - 0.001


def test_of_2000_evaluations_without_a_difference_at_most_one_in_twenty_ever_crosses() -> None:
    random = np.random.default_rng(20240229)
    for outcomes, chances in (([0.0, 0.5, 1.0], [0.4, 0.2, 0.4]), ([0.0, 0.5, 1.0], [0.5, 0.0, 0.5])):
        wrong = 0
        for _ in range(2000):
            values = random.choice(outcomes, size=300, p=chances)
            wrong += bool((log_capital(values, np.array([0.5]), ALPHA) >= LIMIT).any())  # a look after every label
        assert wrong <= 0.05 * 2000, f"{wrong} of 2000 crossed"


@pytest.mark.parametrize(("prompts", "draws"), [(100, 1), (20, 5), (5, 60)])
def test_a_value_a_prompt_holds_the_truth_over_all_looks(prompts: int, draws: int) -> None:
    """Win rates differ from prompt to prompt. With each of its answers as a value of its own, 20 prompts of 5 answers
    miss the truth 1 time of 10, 5 prompts of 60 more often than not."""
    random, missed, times = np.random.default_rng(prompts), 0, 400
    for _ in range(times):
        values = random.binomial(draws, random.beta(1.2, 0.8, prompts)) / draws
        missed += bool((log_capital(values, np.array([0.6]), ALPHA) >= LIMIT).any())
    assert missed <= 0.05 * times


def test_it_has_power() -> None:
    """Of evaluations that win 70% of 100 comparisons most are decided."""
    random = np.random.default_rng(7)
    decided = sum(anytime_interval(random.choice([1.0, 0.0], size=100, p=[0.7, 0.3])).low > 0.5 for _ in range(100))
    assert decided >= 80
