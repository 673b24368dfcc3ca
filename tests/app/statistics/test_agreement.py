"""Krippendorff's alpha: by hand, as published, as the package has it; and how often its interval holds the truth."""

from collections import Counter
from collections.abc import Mapping

import krippendorff
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.statistics.agreement import Prompts, agreement_of

AA, BB, AB = (2, 0, 0), (0, 0, 2), (1, 0, 1)  # tallies of a, neither, b


def alone(tallies: Mapping[tuple[int, ...], int]) -> dict[Prompts, int]:
    """Each pair on a prompt of its own."""
    return {(tally,): times for tally, times in tallies.items()}


def test_alpha_as_published() -> None:
    # Krippendorff (2011), "Computing Krippendorff's Alpha-Reliability", E: four observers, twelve units, 0.815.
    observers = ["123321412***", "1233224125*3", "*3332342251*", "12332441251*"]
    units = list(zip(*observers, strict=True))
    tallies = [tuple(unit.count(str(value)) for value in range(1, 6)) for unit in units]
    assert agreement_of(alone(Counter(tallies))).alpha == pytest.approx(0.815, abs=5e-4)


def test_perfect_agreement_is_one() -> None:
    found = agreement_of(alone({AA: 1, BB: 1}))
    assert (found.items, found.comparisons, found.percent, found.alpha) == (2, 2, 1.0, pytest.approx(1.0))


def test_alpha_by_hand() -> None:
    # Two raters, four items: aa, bb, ab, aa. With a and b only, the ordinal distance is the nominal one up to a factor.
    # Coincidences: aa 4, bb 2, ab 1, ba 1; n = 8, n_a = 5, n_b = 3. Do = 2/8; De = 2 * 5 * 3 / (8 * 7) = 30/56.
    found = agreement_of(alone({AA: 2, BB: 1, AB: 1}))
    assert found.alpha == pytest.approx(1 - (2 / 8) / (30 / 56))
    assert found.percent == 0.75
    assert found.low is not None
    assert found.high is not None
    assert found.low <= found.alpha <= found.high


def test_a_tie_against_a_choice_disagrees_less_than_two_opposite_choices() -> None:
    mild = agreement_of(alone({AA: 1, BB: 1, (1, 1, 0): 1})).alpha
    strong = agreement_of(alone({AA: 1, BB: 1, AB: 1})).alpha
    assert mild is not None
    assert strong is not None
    assert mild > strong


@given(st.lists(st.tuples(*[st.integers(0, 4)] * 3).filter(lambda tally: sum(tally) > 1), min_size=1, max_size=20))
def test_alpha_is_that_of_the_package(tallies: list[tuple[int, int, int]]) -> None:
    found = agreement_of(alone(Counter(tallies))).alpha
    if (np.sum(tallies, axis=0) > 0).sum() < 2:
        assert found is None
    else:
        wanted = krippendorff.alpha(
            value_counts=np.array(tallies), value_domain=[0, 1, 2], level_of_measurement="ordinal"
        )
        assert found == pytest.approx(wanted)


def test_without_shared_items_or_without_variation_there_is_no_alpha() -> None:
    assert agreement_of(alone({(1, 0, 0): 3, (0, 0, 1): 2})).alpha is None
    found = agreement_of(alone({AA: 1}))
    assert (found.percent, found.alpha, found.low) == (1.0, None, None)


def test_pairs_of_one_prompt_are_drawn_together() -> None:
    """The same pairs, each on its own prompt or five to a prompt: as sure of the latter as of a fifth of them."""
    apart = agreement_of({(AA,): 50, (BB,): 25, (AB,): 25})
    together = agreement_of({(AA,) * 5: 10, (BB,) * 5: 5, (AB,) * 5: 5})
    assert together.alpha == pytest.approx(apart.alpha)
    assert (together.items, together.comparisons, together.percent) == (100, 100, 0.75)
    assert together.high - together.low > 1.6 * (apart.high - apart.low)
    assert together.percent_high - together.percent_low > 1.6 * (apart.percent_high - apart.percent_low)
    assert apart.low < apart.alpha < apart.high


def test_the_interval_of_alpha_holds_the_truth_where_pairs_of_a_prompt_are_alike() -> None:
    """100 prompts of three pairs and three raters; how easy a prompt is all its labels share."""
    random = np.random.default_rng(11)

    def judged(prompts: int) -> dict[Prompts, int]:
        side, ease = random.integers(0, 2, (prompts, 3)), random.beta(1.5, 0.5, prompts)
        right = random.binomial(3, 0.5 + ease[:, None] / 2, (prompts, 3))
        first = np.where(side == 1, right, 3 - right)
        return dict(Counter(tuple((a, 0, 3 - a) for a in row) for row in first.tolist()))

    truth = agreement_of(judged(100_000)).alpha
    found = [agreement_of(judged(100), seed) for seed in range(300)]
    assert 0.92 <= np.mean([each.low <= truth <= each.high for each in found]) <= 0.98
