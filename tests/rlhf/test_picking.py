"""One token from one row of logits: against numbers worked out by hand, and against the distribution itself."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from rlhf.picking import RowSettings, keep_mask, pick, response_seed, uniforms
from rlhf.types import SamplingSettings

# probabilities 0.4, 0.3, 0.2, 0.1 at tokens 2, 0, 3, 1
PROBABILITIES = torch.tensor([0.3, 0.1, 0.4, 0.2])


def draw(settings: SamplingSettings, uniform: list[float], seen: Tensor | None = None) -> tuple[list[int], list[float]]:
    rows = RowSettings.of([settings] * len(uniform), torch.device("cpu"))
    logits = PROBABILITIES.log().repeat(len(uniform), 1) + 3.0  # a constant changes nothing
    tokens, logprobs = pick(logits, rows, torch.tensor(uniform, dtype=torch.float64), seen)
    return tokens.tolist(), logprobs.tolist()


def test_without_truncation_tokens_are_drawn_in_the_order_of_the_vocabulary() -> None:
    tokens, logprobs = draw(SamplingSettings(), [0.0, 0.29, 0.31, 0.39, 0.41, 0.79, 0.81, 0.999])
    assert tokens == [0, 0, 1, 1, 2, 2, 3, 3]
    assert logprobs == pytest.approx([math.log(float(PROBABILITIES[token])) for token in tokens], abs=1e-6)


@pytest.mark.parametrize(
    ("settings", "edges"),
    [
        # truncated draws go through the tokens from the most probable down: 2, 0, 3, 1
        (SamplingSettings(top_k=2), [(2, 0.4 / 0.7), (0, 1.0)]),
        (SamplingSettings(top_p=0.71), [(2, 4 / 9), (0, 7 / 9), (3, 1.0)]),  # 0.4 + 0.3 < 0.71: a third is needed
        (SamplingSettings(top_p=0.69), [(2, 4 / 7), (0, 1.0)]),
        (SamplingSettings(top_p=0.01), [(2, 1.0)]),
        (SamplingSettings(min_p=0.45), [(2, 4 / 9), (0, 7 / 9), (3, 1.0)]),  # 0.2 / 0.4 stays, 0.1 / 0.4 goes
        (SamplingSettings(top_k=3, top_p=0.75), [(2, 4 / 7), (0, 1.0)]),  # top-p of what top-k left: 7/9 >= 0.75
        (SamplingSettings(top_k=4, min_p=0.6), [(2, 4 / 7), (0, 1.0)]),
        (SamplingSettings(temperature=0.5, top_k=2), [(2, 16 / 25), (0, 1.0)]),  # squares: 0.16 against 0.09
    ],
)
def test_truncation_by_hand(settings: SamplingSettings, edges: list[tuple[int, float]]) -> None:
    low = 0.0
    for token, high in edges:
        for uniform in (low + 1e-6, high - 1e-6):
            assert draw(settings, [uniform])[0] == [token]
        low = high


def test_log_probabilities_are_those_of_the_tempered_untruncated_distribution() -> None:
    tokens, logprobs = draw(SamplingSettings(temperature=0.5, top_k=1), [0.5])
    squares = PROBABILITIES**2
    assert tokens == [2]
    assert logprobs == pytest.approx([math.log(float(squares[2] / squares.sum()))], abs=1e-6)


def test_greedy_takes_the_most_probable_token_at_temperature_one() -> None:
    assert draw(SamplingSettings(temperature=0), [0.99]) == ([2], pytest.approx([math.log(0.4)], abs=1e-6))


def test_the_repetition_penalty_divides_positive_and_multiplies_negative_logits() -> None:
    logits = torch.tensor([[2.0, -1.0, 1.9, -5.0]])
    seen = torch.tensor([[True, True, False, True]])
    rows = RowSettings.of([SamplingSettings(repetition_penalty=1.5)], torch.device("cpu"))
    penalised = torch.tensor([2.0 / 1.5, -1.5, 1.9, -7.5]).softmax(0)
    first = float(penalised[0])
    for uniform, token in ((first - 1e-4, 0), (first + 1e-4, 1), (float(penalised[:2].sum()) + 1e-4, 2)):
        sampled, logprob = pick(logits.clone(), rows, torch.tensor([uniform], dtype=torch.float64), seen)
        assert sampled.tolist() == [token]
        assert logprob.item() == pytest.approx(float(logits.log_softmax(1)[0, token]), abs=1e-6)
    greedy = RowSettings.of([SamplingSettings(temperature=0, repetition_penalty=1.5)], torch.device("cpu"))
    assert pick(logits.clone(), greedy, torch.zeros(1, dtype=torch.float64), seen)[0].tolist() == [2]


def test_rows_of_one_batch_keep_their_own_settings() -> None:
    kinds = [SamplingSettings(temperature=0), SamplingSettings(), SamplingSettings(top_k=1), SamplingSettings(top_k=2)]
    rows = RowSettings.of(kinds, torch.device("cpu"))
    tokens, _ = pick(PROBABILITIES.log().repeat(4, 1), rows, torch.full((4,), 0.95, dtype=torch.float64))
    assert tokens.tolist() == [2, 3, 2, 0]


def test_a_wide_nucleus_looks_beyond_the_first_candidates() -> None:
    logits = torch.zeros(1, 1000)  # uniform: top-p 0.9 keeps 900 tokens, more than are sorted at first
    rows = RowSettings.of([SamplingSettings(top_p=0.9)], torch.device("cpu"))
    sampled = {
        pick(logits.clone(), rows, torch.tensor([(i + 0.5) / 900], dtype=torch.float64))[0].item() for i in range(900)
    }
    assert len(sampled) == 900


def test_keep_mask_says_when_the_candidates_do_not_suffice() -> None:
    weights, total = torch.tensor([[0.5, 0.2], [0.8, 0.1]]), torch.ones(2, 1)
    column = torch.ones(2, 1)
    keep, enough = keep_mask(weights, total, 0 * column, 0.75 * column, 0 * column)
    assert keep.tolist() == [[True, True], [True, False]]
    assert enough.tolist() == [False, True]


@given(
    logits=st.lists(st.floats(-30, 30), min_size=2, max_size=400),
    uniform=st.floats(0, 1, exclude_max=True),
    settings=st.sampled_from(
        [SamplingSettings(), SamplingSettings(top_p=0.7), SamplingSettings(top_k=3), SamplingSettings(min_p=0.3)]
    ),
)
def test_the_drawn_token_is_where_the_distribution_function_passes_the_number(
    logits: list[float], uniform: float, settings: SamplingSettings
) -> None:
    rows = RowSettings.of([settings], torch.device("cpu"))
    row = torch.tensor([logits])
    tokens, logprobs = pick(row.clone(), rows, torch.tensor([uniform], dtype=torch.float64))
    token = int(tokens)
    assert 0 <= token < len(logits)
    probabilities = row.double().softmax(1)[0]
    assert float(logprobs) == pytest.approx(float(probabilities[token].log()), abs=1e-3)
    if not settings.truncates:
        before, after = float(probabilities[:token].sum()), float(probabilities[: token + 1].sum())
        assert before - 1e-5 <= uniform <= after + 1e-5
    if settings.min_p:
        assert probabilities[token] >= 0.3 * probabilities.max() * (1 - 1e-5)
    if settings.top_k:
        assert int((probabilities > probabilities[token] * (1 + 1e-5)).sum()) < 3


def test_many_draws_have_the_frequencies_of_the_distribution() -> None:
    count = 20_000
    rows = RowSettings.of([SamplingSettings()] * count, torch.device("cpu"))
    numbers = torch.tensor(uniforms(5, count), dtype=torch.float64)
    tokens, _ = pick(PROBABILITIES.log().repeat(count, 1), rows, numbers)
    observed = tokens.bincount(minlength=4).double()
    chi_square = ((observed - count * PROBABILITIES) ** 2 / (count * PROBABILITIES)).sum()
    assert chi_square < 16.3  # the 0.999 quantile with 3 degrees of freedom


def test_streams_and_seeds_are_fixed_and_differ() -> None:
    assert uniforms(3, 5) == uniforms(3, 9)[:5]
    assert uniforms(3, 5) != uniforms(4, 5)
    seeds = {response_seed(s, p, a, t) for s in range(3) for p in range(20) for a in range(3) for t in range(3)}
    assert len(seeds) == 3 * 20 * 3 * 3
    assert max(seeds) < 2**53  # exact as a number in JSON
    assert response_seed(0, 0, 0) == 33_614_968_305_247  # published responses must stay reproducible


@pytest.mark.parametrize(
    "wrong",
    [
        {"temperature": -1}, {"top_p": 0}, {"top_p": 1.1}, {"top_k": -1}, {"min_p": 2}, {"max_new_tokens": 0},
        {"repetition_penalty": 0}, {"stop": ("",)},
    ],
)  # fmt: skip
def test_settings_out_of_range_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="must"):
        SamplingSettings(**wrong)  # type: ignore[arg-type]


def test_a_row_that_is_not_finite_spoils_no_other():
    settings = [SamplingSettings(), SamplingSettings(repetition_penalty=1.5), SamplingSettings(top_k=3)]
    torch.manual_seed(0)
    logits, seen = torch.randn(3, 300), torch.rand(3, 300) < 0.5
    uniform = torch.tensor([0.3, 0.6, 0.9], dtype=torch.float64)
    rows = RowSettings.of(settings, torch.device("cpu"))
    tokens, logprobs = pick(logits.clone(), rows, uniform, seen)
    for broken in range(3):
        for value in (torch.nan, torch.inf):
            spoilt = logits.clone()
            spoilt[broken, 7] = value
            found, likely = pick(spoilt, rows, uniform, seen)
            others = [row for row in range(3) if row != broken]
            assert found[others].tolist() == tokens[others].tolist()
            assert likely[others].tolist() == logprobs[others].tolist()
            assert likely[broken].isnan()
            assert 0 <= int(found[broken]) < 300
    impossible = logits.clone()
    impossible[0, :] = -torch.inf
    assert pick(impossible, rows, uniform, seen)[1].isnan().tolist() == [True, False, False]
