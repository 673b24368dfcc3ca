"""How each person labels: which side and length they choose, whether they are careful, how that changes. Knows no page.

What is flagged is flagged for good, and by tests that may be looked at after every label: see
`app.statistics.sequential`. The rest are figures to look at, each with what it is to be compared with.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from math import log
from statistics import median
from typing import Any, Literal

import numpy as np

from app.statistics import dawid_skene, sequential
from app.statistics.shares import Tally, wilson

State = Literal["one-sided", "contrary", "careless"]
"""Chooses a side whatever is on it; mostly says the opposite of others; misses checks or disagrees beyond chance."""
Pair = tuple[int, int, int]
"""An item and two of its positions."""
Places = tuple[int, int, int]
"""How many people chose each place of a pair."""
LENGTH_RATIO = 1.1  # how many times as long a response is to be called the longer one
TRACKED = 100  # labels from which on it is told whether time grows with length: with fewer that is mostly chance
PACES = (2, 5, 10, 20, 40, 80)  # seconds; the edges of the histogram


@dataclass(frozen=True)
class Habits:
    """One person. `reliability`: how often they are right, by Dawid and Skene; `repeats`, of which `same` were answered
    alike: pairs of responses that they judged again; `tracks_length`: Pearson's r between log seconds and log length.
    `over_time`: the share of others who say the same, of each `sequential.BLOCK` pairs; `change`: -1 where they
    disagree less often than at first, 1 where more often."""

    state: State | None = None
    change: int = 0
    reliability: float | None = None
    longer: float | None = None
    longer_low: float = 0.0
    longer_high: float = 1.0
    repeats: int = 0
    same: int = 0
    words_per_minute: float | None = None
    tracks_length: float | None = None
    over_time: list[float] = field(default_factory=list)


@dataclass(frozen=True)
class Couple:
    """Two people who judged the same pairs, and the share of those on which they said the same."""

    one: int
    other: int
    pairs: int
    share: float


@dataclass(frozen=True)
class Look:
    """All of them. `paces`: how many labels took so long, between the edges `PACES`."""

    people: Mapping[int, Habits]
    couples: list[Couple]
    paces: list[int]


def look(rows: Sequence[Any]) -> Look:
    """From votes in order of label, as `quality_queries.votes` has them."""
    by_person: dict[int, list[Any]] = defaultdict(list)
    judged: dict[Pair, dict[int, int]] = defaultdict(dict)
    for row in rows:
        by_person[row.who].append(row)
        if row.passed is None:
            judged[row.item_id, row.first, row.second][row.who] = row.place
    plain = {who: _plainly_flagged(given) for who, given in by_person.items()}
    doubtful = {who for who, flagged in plain.items() if flagged}
    reliability = _reliability(judged)
    fair = {pair: _tally(place for who, place in said.items() if who not in doubtful) for pair, said in judged.items()}
    people = {
        who: _habits(given, fair, who not in doubtful, plain[who], reliability.get(who))
        for who, given in by_person.items()
    }
    return Look(people, _couples(judged.values()), _paces(rows))


def _plainly_flagged(given: Sequence[Any]) -> State | None:
    """What sides and attention checks alone say: others have no part in it, so that who is flagged by this can be left
    out when others are compared."""
    labels = list({row.label_id: row for row in reversed(given)}.values())[::-1]  # the first pair of each
    left = [row.chose_left for row in labels if row.chose_left is not None]
    if sequential.flagged(sequential.sides(left), sequential.SIDES):
        return "one-sided"
    checks = [row.passed for row in labels if row.passed is not None]
    return "careless" if sequential.flagged(sequential.care(checks, [0.0] * len(checks)), sequential.CARE) else None


def _habits(
    given: Sequence[Any], fair: Mapping[Pair, Places], among: bool, plainly: State | None, reliability: float | None
) -> Habits:
    """Of one person. `fair`: how many of those who are not flagged plainly chose each place of a pair, `among` them
    this person."""
    passed: list[bool | None] = []
    excess: list[float] = []
    disagrees: list[bool] = []
    agreed: list[float] = []
    seen: set[int] = set()
    for row in given:
        if row.label_id in seen:  # one pair of a label: those of a ranking hang together
            continue
        seen.add(row.label_id)
        if row.passed is not None:
            passed.append(row.passed)
            excess.append(0.0)
            continue
        if not row.complete:
            continue
        apart = _apart(fair[row.item_id, row.first, row.second], row.place, among)
        if apart is None:
            continue
        differ, more = apart
        passed.append(None)
        excess.append(more)
        disagrees.append(differ > 0)
        agreed.append(1 - differ)
    state = plainly or ("careless" if sequential.flagged(sequential.care(passed, excess), sequential.CARE) else None)
    if state == "careless" and wilson(sum(agreed), len(agreed))[1] < 0.5:
        state = "contrary"
    longer = _longer(given)
    low, high = longer.interval
    repeats, same = _repeats(given)
    words, tracks = _speed(given)
    block = sequential.BLOCK
    return Habits(
        state=state,
        change=sequential.drift(disagrees),
        reliability=reliability,
        longer=longer.share,
        longer_low=low,
        longer_high=high,
        repeats=repeats,
        same=same,
        words_per_minute=words,
        tracks_length=tracks,
        over_time=[float(np.mean(agreed[at : at + block])) for at in range(0, len(agreed) - block + 1, block)],
    )


@lru_cache(10_000)  # there are few different tallies
def _apart(fair: Places, place: int, among: bool) -> tuple[float, float] | None:
    """How many of the others say something else than who chose a place, as a share, and how much more that is than the
    mean over all; None without others."""
    counts = fair if among else [n + (each == place) for each, n in enumerate(fair)]
    if (people := sum(counts)) < 2:
        return None
    differ = (people - counts[place]) / (people - 1)
    return differ, differ - sum(n * (people - n) for n in counts) / (people - 1) / people


def _tally(places: Iterable[int]) -> Places:
    counts = [0, 0, 0]
    for place in places:
        counts[place] += 1
    return counts[0], counts[1], counts[2]


def _longer(given: Iterable[Any]) -> Tally:
    """How often the longer response was chosen, of clear choices between two of clearly different length, by prompt."""
    chosen = Tally()
    for row in given:
        lengths = row.first_length, row.second_length
        if row.passed is None and row.place != 1 and max(lengths) > LENGTH_RATIO * min(lengths):
            chosen.add(row.prompt_id, (row.place == 0) == (lengths[0] > lengths[1]))
    return chosen


def _repeats(given: Iterable[Any]) -> tuple[int, int]:
    """How often a pair of responses was judged that had been before, in another item, and how often alike."""
    before: dict[tuple[int, int], tuple[int, int]] = {}
    repeats = same = 0
    for row in given:
        responses, place = (row.first_response, row.second_response), row.place
        if responses[0] > responses[1]:
            responses, place = (responses[1], responses[0]), 2 - place
        earlier = before.get(responses)
        if earlier is not None and earlier[0] != row.item_id:
            repeats += 1
            same += earlier[1] == place
        before[responses] = (row.item_id, place)
    return repeats, same


def _speed(given: Sequence[Any]) -> tuple[float | None, float | None]:
    """(median words read a minute, at six characters a word; how far time grows with length)."""
    timed = [
        (row.seconds, row.first_length + row.second_length)
        for row in given
        if row.seconds and row.seconds > 0 and row.passed is None and row.first_length + row.second_length
    ]
    if len(timed) < 10:
        return None, None
    words = median(length / 6 / seconds * 60 for seconds, length in timed)
    if len(timed) < TRACKED:
        return words, None
    logs = np.array([(log(seconds), log(length)) for seconds, length in timed]).T
    tracks = float(np.corrcoef(logs)[0, 1]) if logs.std(axis=1).min() > 1e-9 else None
    return words, tracks


def _reliability(judged: Mapping[Pair, Mapping[int, int]]) -> dict[int, float]:
    """How often each person is right, of pairs that several people judged."""
    votes = [
        (item, who, place)
        for item, said in enumerate(each for each in judged.values() if len(each) > 1)
        for who, place in said.items()
    ]
    if not votes:
        return {}
    items, who, places = (np.array(column) for column in zip(*votes, strict=True))
    people, number = np.unique(who, return_inverse=True)
    found = dawid_skene.fit(items, number, places, 3, prior=1.0)
    return {int(person): found.right(at) for at, person in enumerate(people)}


def _couples(judged: Iterable[Mapping[int, int]]) -> list[Couple]:
    counted: dict[tuple[int, int], list[int]] = defaultdict(lambda: [0, 0])
    for said in judged:
        people = sorted(said)
        for at, one in enumerate(people):
            for other in people[at + 1 :]:
                counted[one, other][0] += 1
                counted[one, other][1] += said[one] == said[other]
    return [Couple(one, other, pairs, same / pairs) for (one, other), (pairs, same) in sorted(counted.items())]


def _paces(rows: Iterable[Any]) -> list[int]:
    """Labels by seconds: below the first edge, between each two, above the last."""
    found = [0] * (len(PACES) + 1)
    for seconds in {row.label_id: row.seconds for row in rows if row.seconds is not None}.values():
        found[sum(seconds >= edge for edge in PACES)] += 1
    return found
