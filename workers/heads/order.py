"""The order of what waits, as a live head wants it: pure functions of numbers.

The head places what is asked next, the front, before everything else, and leaves the rest as it is. Each rank that
changes is a dead entry in the queue's index until the next vacuum, so that as few change as the order allows.
"""

from __future__ import annotations

import math
import random
from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from itertools import pairwise

from app.items.queue import Waiting

FRONT = 64  # items that are placed
GUMBEL = 0.5  # noise of a gap's logarithm, so that what is asked is never quite certain
_LEAST_GAP = 1e-9
_STEP = 1e-9


def drawn(item_id: int) -> float:
    """A number between 0 and 1 that belongs to an item: its rank where nobody places it."""
    return random.Random(item_id).random()  # noqa: S311  no secret


def front(waiting: Sequence[Waiting], unsureness: Mapping[int, float], given: int, size: int = FRONT) -> list[int]:
    """The items to be asked next, in order. unsureness: of items that may be chosen, the greater the sooner; all others
    come in the order of their ranks. given: labels until now.

    Both kinds take turns in the proportion in which they wait, wherever the count stands, so that what is not chosen is
    neither held back nor preferred. Of each prompt one item comes, and others of it after all else.
    """
    chosen = _chosen([item for item in waiting if item.id in unsureness], unsureness)
    others = sorted((item for item in waiting if item.id not in unsureness), key=lambda item: (item.rank, item.id))
    share = len(others) / len(waiting) if waiting else 0.0
    rows = {True: iter(others), False: iter(chosen)}
    found: list[int] = []
    for place in range(given, given + size):
        turn = math.floor((place + 1) * share) > math.floor(place * share)
        item = next(rows[turn], None) or next(rows[not turn], None)
        if item is None:
            break
        found.append(item.id)
    return found


def _chosen(items: Sequence[Waiting], unsureness: Mapping[int, float]) -> list[Waiting]:
    """The most unsure first, with noise, one of each prompt before any second."""
    noisy = {item.id: GUMBEL * _gumbel(item.id) - math.log(max(-unsureness[item.id], _LEAST_GAP)) for item in items}
    times: dict[int, int] = {}
    keyed = []
    for item in sorted(items, key=lambda item: (-noisy[item.id], item.id)):
        keyed.append((times.get(item.prompt_id, 0), item))
        times[item.prompt_id] = times.get(item.prompt_id, 0) + 1
    return [item for _, item in sorted(keyed, key=lambda pair: pair[0])]


@lru_cache(maxsize=8192)  # most of those that wait do so the next time too
def _gumbel(item_id: int) -> float:
    """Noise that belongs to an item, so that the order does not change without a label."""
    return -math.log(-math.log(min(max(drawn(~item_id), 1e-12), 1 - 1e-12)))


def ranks(waiting: Iterable[Waiting], placed: Sequence[int]) -> dict[int, float]:
    """The fewest ranks to change so that these items come first, in this order, and no other has a place."""
    old = {item.id: item.rank for item in waiting}
    places = dict(zip(placed, _places([old[item_id] for item_id in placed]), strict=True))
    changes = {}
    for item_id, rank in old.items():
        wanted = places.get(item_id, drawn(item_id) if rank < 0 else rank)
        if wanted != rank:
            changes[item_id] = wanted
    return changes


def _places(old: Sequence[float]) -> list[float]:
    """Ascending ranks below 0. Those of the longest row that ascends already stay, the others come between them."""
    stay = _ascending(old)
    found: list[float] = []
    for place, after in zip([-1, *stay], [*stay, len(old)], strict=True):
        count = after - place - 1
        least = old[place] if place >= 0 else (old[after] if stay else -1.0) - (count + 1) * _STEP
        most = old[after] if after < len(old) else least + (count + 1) * _STEP
        found += [least + (most - least) * number / (count + 1) for number in range(1, count + 1)]
        found += [most] if after < len(old) else []
    if all(one < other for one, other in pairwise([*found, 0.0])):
        return found
    return [place * _STEP - 1.0 for place in range(len(old))]  # no room between two, or none before 0


def _ascending(old: Sequence[float]) -> list[int]:
    """Where in `old` the longest strictly ascending row of ranks below 0 stands, by patience sorting."""
    last: list[float] = []  # the least rank that a row of each length ends with
    ends: list[int] = []  # and where that is
    before: dict[int, int | None] = {}
    for place, rank in enumerate(old):
        if rank >= 0:
            continue
        length = bisect_left(last, rank)
        before[place] = ends[length - 1] if length else None
        last[length:], ends[length:] = [rank, *last[length + 1 :]], [place, *ends[length + 1 :]]
    row: list[int] = []
    at = ends[-1] if ends else None
    while at is not None:
        row.append(at)
        at = before[at]
    return row[::-1]


Unsure = Callable[[Sequence[int]], float | None]
"""Of the responses that an item shows: how unsure the head is, or None where it cannot say."""


def choosable(waiting: Iterable[Waiting], unsure: Unsure) -> dict[int, float]:
    """Items that the head may place by what it is unsure of: none that is held out or of the random share."""
    found = {}
    for item in waiting:
        if not item.control and not item.held_out and len(item.responses) > 1:
            value = unsure(item.responses)
            if value is not None:
                found[item.id] = value
    return found
