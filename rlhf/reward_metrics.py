"""How good is a reward model on pairs it has not seen? Pure functions of score differences and labels."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from rlhf.losses import preference_loss

LENGTH_EDGES = (-50, -10, 10, 50)  # chosen minus rejected, in tokens


def wilson_interval(successes: float, trials: float, z: float = 1.959964) -> tuple[float, float]:
    """The interval of a proportion after Wilson (1927), 95% by default; (0, 1) without a trial."""
    if trials <= 0:
        return 0.0, 1.0
    share = successes / trials
    centre = (share + z * z / (2 * trials)) / (1 + z * z / trials)
    half = z / (1 + z * z / trials) * math.sqrt(share * (1 - share) / trials + z * z / (4 * trials * trials))
    return max(0.0, min(centre - half, share)), min(1.0, max(centre + half, share))  # exact at 0 and 1


def expected_calibration_error(probability: Tensor, target: Tensor, bins: int = 10) -> float:
    """Mean gap between confidence and outcome (Naeini et al. 2015), weighted by the bins' sizes.

    probability: (pairs,), the model's that the first response is better. target: (pairs,), the raters', in 0..1.
    Both are read from the side that the model favours, so confidence runs from 0.5 to 1, in `bins` equal bins.
    """
    confidence = torch.maximum(probability, 1 - probability).double()
    outcome = torch.where(probability >= 0.5, target, 1 - target).double()
    index = ((confidence - 0.5) * 2 * bins).long().clamp(0, bins - 1)
    gaps = torch.zeros(bins, dtype=torch.float64).index_add_(0, index, confidence - outcome)
    return float(gaps.abs().sum() / max(len(probability), 1))


def share_interval(right: Tensor, prompts: Sequence[Any]) -> tuple[float, float]:
    """Wilson's 95% interval of a share of pairs, of which those of one prompt say less than as many of several would.

    The pairs count as n / deff (Kish 1965), deff the variance of the mean by prompts over that of independent pairs, 1
    at least. right: (pairs,) in 0..1; prompts: what tells which pairs share one.
    """
    count = len(right)
    if not count:
        return wilson_interval(0, 0)
    share = float(right.double().mean())
    sums: dict[Any, float] = {}
    for value, prompt in zip(right.double().tolist(), prompts, strict=True):
        sums[prompt] = sums.get(prompt, 0.0) + value - share
    alone, groups = count * share * (1 - share), len(sums)
    if alone <= 0 or groups < 2:
        return wilson_interval(share * groups, groups)
    between = sum(each * each for each in sums.values()) * groups / (groups - 1)
    effect = max(1.0, between / alone)
    return wilson_interval(share * count / effect, count / effect)


def calibration_error_if_perfect(probability: Tensor, bins: int = 10, draws: int = 200) -> float:
    """What `expected_calibration_error` would be, on average, if each pair were decided with just this probability.

    Few pairs leave a gap in every bin by chance alone: a model is to be judged beside this, not beside 0. Simulated,
    with the same seed each time. probability: (pairs,), for labels of one rater each.
    """
    generator = torch.Generator().manual_seed(0)
    probability = probability.double().cpu()
    found = [
        expected_calibration_error(probability, torch.bernoulli(probability, generator=generator), bins)
        for _ in range(draws)
    ]
    return math.fsum(found) / draws


def _share(right: Tensor) -> float | None:
    return float(right.double().mean()) if len(right) else None


def _by_length(right: Tensor, longer_by: Tensor) -> list[dict[str, Any]]:
    """Accuracy where the better response is much shorter, shorter, alike, longer, much longer."""
    edges = (-math.inf, *LENGTH_EDGES, math.inf)
    rows: list[dict[str, Any]] = []
    for low, high in itertools.pairwise(edges):
        inside = (longer_by > low) & (longer_by <= high)
        bounds = {"from": None if low == -math.inf else int(low) + 1, "to": None if high == math.inf else int(high)}
        rows.append({**bounds, "pairs": int(inside.sum()), "accuracy": _share(right[inside])})
    return rows


def _correlation(a: Tensor, b: Tensor) -> float | None:
    if len(a) < 2 or a.std() == 0 or b.std() == 0:
        return None
    return float(torch.corrcoef(torch.stack([a, b]))[0, 1])


def pair_metrics(
    difference: Tensor, preference: Tensor, response_tokens: Tensor, prompts: Sequence[Any]
) -> dict[str, Any]:
    """Everything known about a model from its score differences on labelled pairs.

    difference: (pairs,), score of the first response minus that of the second. preference: (pairs,) in 0..1.
    response_tokens: (pairs, 2). prompts: what tells which pairs share a prompt, for the accuracy's interval. Ties
    (preference 0.5) count for loss and calibration, not for accuracy. By-length figures are from the better response's
    side; `length_only_accuracy` is that of the rule "the longer one is better", and `length_correlation` (Pearson's) is
    between score and length differences: near 1, the model counts tokens.
    """
    difference, preference = difference.double(), preference.double()
    decided = preference != 0.5
    side = torch.sign(preference[decided] - 0.5)
    ahead = side * difference[decided]
    token_difference = (response_tokens[:, 0] - response_tokens[:, 1]).double()
    longer_by = side * token_difference[decided]
    right = ahead > 0
    count = len(right)
    low, high = share_interval(right, [prompts[place] for place in decided.nonzero().flatten().tolist()])
    probability = torch.sigmoid(difference)
    return {
        "pairs": len(difference),
        "ties": len(difference) - count,
        "loss": float(preference_loss(difference, torch.zeros_like(difference), preference).mean()),
        "accuracy": _share(right),
        "accuracy_low": low,
        "accuracy_high": high,
        "ece": expected_calibration_error(probability, preference),
        "ece_if_perfect": calibration_error_if_perfect(probability),
        "margin": float(ahead.mean()) if count else None,
        "length_only_accuracy": _share(longer_by[longer_by != 0] > 0),
        "length_correlation": _correlation(difference, token_difference),
        "accuracy_by_length": _by_length(right, longer_by),
    }
