"""How often intervals hold the truth and fair people are flagged, by simulation: `python -m bench.coverage [TIMES]`.

Labels, items and draws of one prompt are alike, as in real projects. The last line on stdout is JSON.
"""

import json
import sys
from collections import Counter

import numpy as np

from app.policies.intervals import log_capital
from app.statistics.agreement import Prompts, agreement_of
from app.statistics.sequential import CARE, FAIR_CHECKS, SIDES, care, flagged, sides
from app.statistics.shares import clustered, wilson


def shares(times: int, raters: int, prompts: int = 100) -> tuple[float, float]:
    """Of how many intervals of a share the truth is in: by prompt, and as if labels were independent."""
    random, held = np.random.default_rng(raters), np.zeros(2)
    for _ in range(times):
        trials = random.integers(1, 4, prompts) * raters
        right = random.binomial(trials, random.beta(0.7, 0.3, prompts))
        by_prompt = clustered(zip(right.tolist(), trials.tolist(), strict=True))
        alone = wilson(float(right.sum()), float(trials.sum()))
        held += [low <= 0.7 <= high for low, high in (by_prompt, alone)]
    return float(held[0] / times), float(held[1] / times)


def alpha(times: int, raters: int, prompts: int = 100) -> float:
    """The same of Krippendorff's alpha, three pairs a prompt."""
    random = np.random.default_rng(raters)

    def judged(count: int) -> dict[Prompts, int]:
        side, ease = random.integers(0, 2, (count, 3)), random.beta(1.5, 0.5, count)
        right = random.binomial(raters, 0.5 + ease[:, None] / 2, (count, 3))
        first = np.where(side == 1, right, raters - right)
        return dict(Counter(tuple((a, 0, raters - a) for a in row) for row in first.tolist()))

    truth = agreement_of(judged(200_000)).alpha
    if truth is None:
        raise RuntimeError("there is nothing to disagree on")
    found = (agreement_of(judged(prompts), seed) for seed in range(times))
    return sum((each.low or 0.0) <= truth <= (each.high or 0.0) for each in found) / times


def anytime(times: int, prompts: int, draws: int) -> float:
    """Of how many evaluations the truth is in the interval at every look: one value a prompt, of so many draws."""
    random, held = np.random.default_rng(prompts), 0
    for _ in range(times):
        values = random.binomial(draws, random.beta(1.2, 0.8, prompts)) / draws
        held += not bool((log_capital(values, np.array([0.6])) >= np.log(20)).any())
    return held / times


def fair(times: int, labels: int = 2000) -> float:
    """The share of fair people who are ever flagged, looked at after every label."""
    random, found = np.random.default_rng(7), 0
    for _ in range(times):
        votes = random.random((3, labels)) < random.beta(4, 0.8, labels)
        differ = np.stack([((votes[a] ^ votes[a - 1]) * 1.0 + (votes[a] ^ votes[a - 2])) / 2 for a in range(3)])
        checks = [bool(random.random() < FAIR_CHECKS) if random.random() < 0.1 else None for _ in range(labels)]
        capital = care(checks, (differ[0] - differ.mean(axis=0)).tolist())
        found += flagged(capital, CARE) or flagged(sides((random.random(labels) < 0.5).tolist()), SIDES)
    return found / times


def main() -> None:
    times = int(sys.argv[1]) if len(sys.argv) > 1 else 4000
    found: dict[str, object] = {"times": times}
    for raters in (1, 3, 5):
        found[f"share_{raters}"], found[f"share_{raters}_as_if_independent"] = shares(times, raters)
        if raters > 1:
            found[f"alpha_{raters}"] = alpha(times, raters)
    for prompts, draws in ((100, 1), (20, 5), (5, 60)):
        found[f"anytime_{prompts}x{draws}"] = anytime(times, prompts, draws)
    found["fair_flagged"] = fair(times // 4)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
