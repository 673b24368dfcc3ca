"""The order of what waits, as a live head wants it: pure functions of numbers.

The head places what is asked next, the front, before everything else, and leaves the rest as it is. A place is a rank
that grows with the labels that were given, so that while people work through the front in its order no rank changes.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache

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


def ranks(waiting: Iterable[Waiting], placed: Sequence[int], given: int) -> dict[int, float]:
    """The ranks that have to change so that these items come first, in this order, and no other has a place."""
    wanted = {item_id: (given + place) * _STEP - 1.0 for place, item_id in enumerate(placed)}
    changes = {}
    for item in waiting:
        rank = wanted.get(item.id, drawn(item.id) if item.rank < 0 else item.rank)
        if rank != item.rank:
            changes[item.id] = rank
    return changes


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
