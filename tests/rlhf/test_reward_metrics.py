import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from rlhf.reward_bench import SECTIONS, bench_scores
from rlhf.reward_metrics import (
    calibration_error_if_perfect,
    expected_calibration_error,
    pair_metrics,
    share_interval,
    wilson_interval,
)


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
    found = pair_metrics(difference, preference, tokens, range(4))
    assert (found["pairs"], found["ties"]) == (4, 1)
    assert found["accuracy"] == pytest.approx(2 / 3)  # the third is right: its second response was preferred
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
    found = pair_metrics(difference, torch.ones(200), tokens, range(200))
    assert found["length_correlation"] == pytest.approx(1.0)
    assert found["accuracy"] == pytest.approx(found["length_only_accuracy"], abs=0.02)


def test_ties_alone_have_no_accuracy() -> None:
    found = pair_metrics(torch.tensor([1.0, 2.0]), torch.tensor([0.5, 0.5]), torch.tensor([[1, 2], [3, 4]]), range(2))
    assert found["accuracy"] is None
    assert (found["accuracy_low"], found["accuracy_high"]) == (0.0, 1.0)


# ---- intervals by prompt ------------------------------------------------------------------------------------------


def test_an_interval_by_prompts_by_hand() -> None:
    right = torch.tensor([1, 1, 0, 0, 1, 1, 1, 1])
    # A pair a prompt: (6 / 16 + 2 * 9 / 16) * 8 / 7 = 12 / 7 by prompts, over 8 * 3 / 16 of pairs: 8 / 7.
    assert share_interval(right, range(8)) == pytest.approx(wilson_interval(6 * 7 / 8, 7))
    # Two pairs a prompt that agree: by prompts 1.5 once and 0.5 thrice, (9 / 4 + 3 / 4) * 4 / 3 = 4, over 3 / 2: 8 / 3.
    together = share_interval(right, [0, 0, 1, 1, 2, 2, 3, 3])
    assert together == pytest.approx(wilson_interval(0.75 * 3, 3))
    assert share_interval(torch.ones(8), [0, 0, 1, 1, 2, 2, 3, 3]) == pytest.approx(wilson_interval(4, 4))
    assert share_interval(torch.tensor([1, 0, 1, 0]), [0, 0, 1, 1]) == pytest.approx(wilson_interval(2, 4))  # not less
    assert share_interval(torch.empty(0), []) == (0.0, 1.0)


def test_an_interval_by_prompts_holds_the_truth_where_pairs_of_a_prompt_agree() -> None:
    generator = torch.Generator().manual_seed(3)
    held = {"prompts": 0, "pairs": 0}
    for _ in range(300):
        right = (torch.rand(40, generator=generator) < 0.7).repeat_interleave(5)
        for name, groups in (("prompts", [i // 5 for i in range(200)]), ("pairs", list(range(200)))):
            low, high = share_interval(right, groups)
            held[name] += low <= 0.7 <= high
    assert held["prompts"] / 300 > 0.92
    assert held["pairs"] / 300 < 0.75


def test_what_a_perfect_model_is_off_by_chance() -> None:
    """Of 50 pairs with differences of N(0, 1.5) a perfect model is off by about 0.14, of 5000 by a tenth of that."""
    generator = torch.Generator().manual_seed(1)
    few, many = (torch.sigmoid(1.5 * torch.randn(count, generator=generator)) for count in (50, 5000))
    assert calibration_error_if_perfect(few) == pytest.approx(0.14, abs=0.02)
    assert calibration_error_if_perfect(many) == pytest.approx(0.014, abs=0.003)
    # One pair of probability p is off by |p - 1| with p and by p otherwise: 2 p (1 - p).
    assert calibration_error_if_perfect(torch.tensor([0.75]), draws=4000) == pytest.approx(2 * 0.75 * 0.25, abs=0.01)
    assert calibration_error_if_perfect(few) == calibration_error_if_perfect(few)


# ---- RewardBench -------------------------------------------------------------------------------------------------


def test_sections_by_hand() -> None:
    subsets = ["alpacaeval-easy"] * 4 + ["mt-bench-med"] * 2 + ["hep-go"] * 2
    difference = torch.tensor([1.0, 2.0, -1.0, 1.0, 1.0, 0.0, 3.0, 3.0])  # equal scores are wrong
    found = bench_scores(difference, range(8), subsets)
    assert found["sections"] == pytest.approx({"Chat": (0.75 * 100 + 0.5 * 40) / 140, "Reasoning": 1.0})
    assert found["score"] == pytest.approx((found["sections"]["Chat"] + 1.0) / 2)
    rows = {row["subset"]: (row["section"], row["pairs"], row["accuracy"]) for row in found["subsets"]}
    assert rows == {
        "alpacaeval-easy": ("Chat", 4, 0.75), "hep-go": ("Reasoning", 2, 1.0), "mt-bench-med": ("Chat", 2, 0.5),
    }  # fmt: skip
    assert (found["subsets"][0]["accuracy_low"], found["subsets"][0]["accuracy_high"]) == wilson_interval(0.75 * 3, 3)


def test_the_benchmark_is_whole() -> None:
    assert [sum(counts.values()) for counts in SECTIONS.values()] == [358, 456, 740, 1968]
    assert len({name for counts in SECTIONS.values() for name in counts}) == 23


def test_subsets_of_ones_own_have_no_section() -> None:
    found = bench_scores(torch.tensor([1.0, -1.0, 1.0]), range(3), ["ours", "ours", "theirs"])
    assert found["sections"] == {}
    assert found["score"] == pytest.approx((0.5 + 1.0) / 2)
