"""What counting labels one way or the other is worth, by raters with planted care and taste and a head that learns.

    python -m bench.counting

Pairs of responses have 16 features and a share of people who prefer the first (a logistic taste). Ten people, 3 a pair
unless said otherwise, are careful (97% of their choices are what they think), or half of them are not: 90, 80, 65, 55
and 30%. Each way of counting (`app.rewards.counting`) makes targets and weights, a Bayesian logistic layer learns from
them and is asked about 1,000 other pairs. What is told is the squared distance of its probabilities from those shares,
divided by that of the average, with a 95% interval over 30 seeds.
"""

import numpy as np
from rich.console import Console
from rich.table import Table

from app.models import Outcome
from app.rewards.counting import Counting, counted
from app.rewards.forms import Aggregation
from app.rewards.targets import Checks, Vote
from rlhf.live_head import LiveHead, sigmoid

SEEDS, SIZE, OTHERS, CHECKS = 30, 16, 1000, 10
WAYS: tuple[Aggregation, ...] = ("mean", "weighted", "reliability")
TASTE, CARE = [0.97] * 10, [0.97] * 5 + [0.9, 0.8, 0.65, 0.55, 0.3]
WORLDS: list[
    tuple[str, list[float], int, int, bool]
] = [  # name, care, labels a pair, pairs, whether there are attention checks
    ("taste differs", TASTE, 3, 300, False),
    ("taste differs, 1,000 pairs", TASTE, 3, 1000, False),
    ("taste differs, with checks", TASTE, 3, 300, True),
    ("taste differs, one label a pair", TASTE, 1, 500, True),
    ("care differs", CARE, 3, 300, False),
    ("care differs, with checks", CARE, 3, 300, True),
    ("care differs, one label a pair", CARE, 1, 500, True),
]


def errors(seed: int, scale: float, care: list[float], overlap: int, pairs: int, checked: bool) -> list[float]:
    """Squared distance by way of counting, in one world; `scale`: of the taste's log odds."""
    draw = np.random.default_rng(seed)
    care = draw.permutation(care).tolist()
    taste = draw.normal(size=SIZE)
    z = draw.normal(size=(pairs + OTHERS, SIZE)) / np.sqrt(SIZE)
    share = sigmoid(scale * z @ taste / np.linalg.norm(taste) * np.sqrt(SIZE))
    votes = [
        Vote(
            (item, 0, 1),
            who,
            Outcome.FIRST if (draw.random() < share[item]) == (draw.random() < care[who]) else Outcome.SECOND,
        )
        for item in range(pairs)
        for who in draw.choice(len(care), overlap, replace=False).tolist()
    ]
    passed = draw.binomial(CHECKS, care).tolist()
    checks = {who: Checks(n, CHECKS - n) for who, n in enumerate(passed)} if checked else {}
    found = []
    for way in WAYS:
        by = counted(votes, Counting(aggregation=way, weigh_pairs=True), checks)
        names = sorted(by.fitted.targets)
        head = LiveHead(SIZE)
        targets, weights = (np.array([table[name] for name in names]) for table in (by.fitted.targets, by.weights))
        head.refit(z[[item for item, _, _ in names]], targets, weights)
        found.append(float(np.mean((head.probabilities(z[pairs:]) - share[pairs:]) ** 2)))
    return found


def main() -> None:
    """Print the table."""
    table = Table("people", "log odds", *WAYS[1:], title="Squared error of what was learned, by that of the average")
    for name, care, overlap, pairs, checked in WORLDS:
        for scale in (1.0, 3.0):
            found = np.array([errors(seed, scale, care, overlap, pairs, checked) for seed in range(SEEDS)])
            cells = []
            for way in (1, 2):
                ratio = found[:, way].mean() / found[:, 0].mean()
                half = 1.96 * (found[:, way] - ratio * found[:, 0]).std(ddof=1) / np.sqrt(SEEDS) / found[:, 0].mean()
                cells.append(f"{ratio:.3f} ({ratio - half:.3f} to {ratio + half:.3f})")
            table.add_row(name, f"{scale:g}", *cells)
    Console().print(table)


if __name__ == "__main__":
    main()
