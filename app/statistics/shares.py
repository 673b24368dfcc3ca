"""Intervals of shares. What is said of one prompt is alike: many labels of a few prompts tell less than of many."""

from collections import defaultdict
from collections.abc import Hashable, Iterable
from math import sqrt

_Z95 = 1.959964


def wilson(successes: float, trials: float) -> tuple[float, float]:
    """Wilson's 95% interval of a share; (0, 1) without trials."""
    if not trials:
        return 0.0, 1.0
    share, z = successes / trials, _Z95
    middle = (share + z * z / (2 * trials)) / (1 + z * z / trials)
    half = z * sqrt(share * (1 - share) / trials + z * z / (4 * trials**2)) / (1 + z * z / trials)
    return max(0.0, middle - half), min(1.0, middle + half)


def clustered(counts: Iterable[tuple[float, float]]) -> tuple[float, float]:
    """The 95% interval of a share over trials that come in clusters: (successes, trials) of each, a prompt mostly.

    Wilson's, with as many trials as n independent ones would have to be: n / deff (Kish 1965, "Survey Sampling"), deff
    the variance of the share by clusters over that of independent trials, 1 at least. It is what drawing clusters again
    and again comes to, and it has a width where all trials succeed: then each cluster counts as one.
    """
    known = [(successes, trials) for successes, trials in counts if trials]
    total = sum(trials for _, trials in known)
    if not total:
        return 0.0, 1.0
    share = sum(successes for successes, _ in known) / total
    alone = total * share * (1 - share)
    if alone <= 0 or len(known) < 2:
        return wilson(share * len(known), len(known))
    between = sum((successes - share * trials) ** 2 for successes, trials in known) * len(known) / (len(known) - 1)
    independent = total / max(1.0, between / alone)
    return wilson(share * independent, independent)


class Tally:
    """Successes and trials by cluster, as they are counted."""

    def __init__(self) -> None:
        self._clusters: defaultdict[Hashable, list[float]] = defaultdict(lambda: [0, 0])

    def add(self, cluster: Hashable, successes: float, trials: float = 1) -> None:
        counted = self._clusters[cluster]
        counted[0] += successes
        counted[1] += trials

    @property
    def trials(self) -> float:
        return sum(trials for _, trials in self._clusters.values())

    @property
    def share(self) -> float | None:
        """Of all trials; None without any."""
        trials = self.trials
        return sum(successes for successes, _ in self._clusters.values()) / trials if trials else None

    @property
    def interval(self) -> tuple[float, float]:
        """95%, by cluster."""
        return clustered((successes, trials) for successes, trials in self._clusters.values())
