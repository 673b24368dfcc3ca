import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from rlhf.reward_metrics import expected_calibration_error, pair_metrics, wilson_interval


def test_wilson_by_hand() -> None:
    # 8 of 10, z = 1.96: centre (0.8 + 0.19208) / 1.38416, half 1.96 / 1.38416 * sqrt(0.016 + 0.009604)
    low, high = wilson_interval(8, 10, z=1.96)
    assert low == pytest.approx(0.716738 - 0.226577, abs=1e-4)
    assert high == pytest.approx(0.716738 + 0.226577, abs=1e-4)
    assert wilson_interval(0, 0) == (0.0, 1.0)


@given(st.integers(0, 200), st.integers(1, 200))
def test_wilson_holds_the_share(successes: int, more: int) -> None:
    trials = successes + more
    low, high = wilson_interval(successes, trials)
    assert 0 <= low <= successes / trials <= high <= 1


def test_calibration_by_hand() -> None:
    # Favoured sides: 0.9 (right), 0.9 (wrong), 0.6 (right). Bins 0.9: |1.8 - 1|, 0.6: |0.6 - 1|.
    probability = torch.tensor([0.9, 0.1, 0.6], dtype=torch.float64)
    target = torch.tensor([1.0, 1.0, 1.0])
    assert expected_calibration_error(probability, target) == pytest.approx((0.8 + 0.4) / 3)


def test_a_model_that_says_what_the_raters_say_is_calibrated() -> None:
    target = torch.linspace(0, 1, 21, dtype=torch.float64)
    assert expected_calibration_error(target, target) == pytest.approx(0, abs=1e-12)


def test_pairs_by_hand() -> None:
    difference = torch.tensor([2.0, -1.0, -1.0, 0.3])
    preference = torch.tensor([1.0, 1.0, 0.0, 0.5])
    tokens = torch.tensor([[30, 10], [10, 10], [10, 100], [5, 6]])
    found = pair_metrics(difference, preference, tokens)
    assert (found["pairs"], found["ties"]) == (4, 1)
    assert found["accuracy"] == pytest.approx(2 / 3)  # the third is right: its second answer was preferred
    assert found["margin"] == pytest.approx((2 - 1 + 1) / 3)
    tie = 0.5 * math.log1p(math.exp(-0.3)) + 0.5 * math.log1p(math.exp(0.3))
    expected = (math.log1p(math.exp(-2)) + math.log1p(math.exp(1)) + math.log1p(math.exp(-1)) + tie) / 4
    assert found["loss"] == pytest.approx(expected)
    assert found["length_only_accuracy"] == 1.0  # 30 beats 10, 100 beats 10; equal lengths decide nothing
    by_length = {(row["from"], row["to"]): (row["pairs"], row["accuracy"]) for row in found["accuracy_by_length"]}
    assert by_length == {
        (None, -50): (0, None),
        (-49, -10): (0, None),
        (-9, 10): (1, 0.0),
        (11, 50): (1, 1.0),
        (51, None): (1, 1.0),
    }


def test_a_model_that_counts_tokens_is_seen() -> None:
    tokens = torch.randint(1, 300, (200, 2), generator=torch.Generator().manual_seed(0))
    difference = (tokens[:, 0] - tokens[:, 1]) / 100
    found = pair_metrics(difference, torch.ones(200), tokens)
    assert found["length_correlation"] == pytest.approx(1.0)
    assert found["accuracy"] == pytest.approx(found["length_only_accuracy"], abs=0.02)


def test_ties_alone_have_no_accuracy() -> None:
    found = pair_metrics(torch.tensor([1.0, 2.0]), torch.tensor([0.5, 0.5]), torch.tensor([[1, 2], [3, 4]]))
    assert found["accuracy"] is None
    assert (found["accuracy_low"], found["accuracy_high"]) == (0.0, 1.0)
