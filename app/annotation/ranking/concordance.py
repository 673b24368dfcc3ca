"""How far people agree on whole orders. Pure arithmetic; knows no label."""

from collections.abc import Sequence

Ranks = Sequence[float]
"""The rank of each thing by one person, from 1 on; those that are tied have the mean of the ranks they share."""


def ranks_of(tiers: Sequence[Sequence[int]]) -> list[float]:
    """The rank of each thing, from tiers of things numbered from 0 on, best first."""
    ranks, before = [0.0] * sum(map(len, tiers)), 0
    for tier in tiers:
        for thing in tier:
            ranks[thing] = before + (len(tier) + 1) / 2
        before += len(tier)
    return ranks


def kendalls_w(people: Sequence[Ranks]) -> float | None:
    """Kendall's coefficient of concordance W of m people who ranked the same n things, corrected for ties (Kendall and
    Gibbons, "Rank Correlation Methods", 1990, ch. 6): 12 S / (m^2 (n^3 - n) - m sum T), with S the squared deviations
    of the things' rank sums from their mean, and T the sum of t^3 - t over the groups of t ties of a person. 1 where
    all agree, 0 where the rank sums are all the same; None where there are not two people, or all called all equal."""
    m = len(people)
    if m < 2:
        return None
    n = len(people[0])
    sums = [sum(person[thing] for person in people) for thing in range(n)]
    deviations = sum((total - m * (n + 1) / 2) ** 2 for total in sums)
    ties = sum(person.count(rank) ** 2 - 1 for person in map(list, people) for rank in person)  # each of t adds t^2 - 1
    most = m * m * (n**3 - n) - m * ties
    return 12 * deviations / most if most else None
