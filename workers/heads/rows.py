"""The preferences that a head learned or measures by, as columns that grow at their end: what is worked out for all of
them is worked out at once. Knows no database."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from app.models import Outcome
from app.rewards.columns import Columns
from app.rewards.targets import Pair
from workers.heads.measure import Floats, Preferences

FEWEST = 256  # rows that there is room for at first
Key = tuple[int, int]
"""An item and a rater, who has one label on it."""


class Stated(Protocol):
    """A preference as it is stored, see `app.rewards.head_queries.preferences_after`."""

    label_id: int
    item_id: int
    rater: int
    prompt_id: int
    held_out: bool
    control: bool
    placed: bool
    chosen: bool
    first: int
    second: int
    outcome: Outcome
    probability: float
    raters: int


@dataclass(frozen=True)
class Learned:
    """A preference with the difference of its responses' features, and what it weighs by what is known of its rater."""

    said: Stated
    z: Floats
    weight: float = 1.0


_NUMBERS = np.dtype(
    [
        ("item", "i8"),
        ("rater", "i8"),
        ("prompt", "i8"),
        ("pair", "i8"),
        ("target", "f8"),
        ("raters", "f8"),
        ("weight", "f8"),
        ("stands", "?"),
        ("control", "?"),
        ("placed", "?"),
        ("chosen", "?"),
    ]
)


class Rows:
    """Preferences by item and rater, those of the newest label last."""

    def __init__(self, size: int) -> None:
        self._z: Floats = np.zeros((FEWEST, size))
        self._rows = np.zeros(FEWEST, _NUMBERS)
        self._pairs = np.zeros((FEWEST, 3), np.int64)
        self._number: dict[Pair, int] = {}
        self._places: dict[Key, range] = {}
        self._end = self._gone = 0

    def __len__(self) -> int:
        """Of labels."""
        return len(self._places)

    def raters(self) -> set[int]:
        """Whose they are."""
        return set(np.unique(self._rows["rater"][: self._end][self._standing]).tolist())

    def add(self, key: Key, known: Sequence[Learned]) -> None:
        """A label's preferences; there is none of the same key."""
        self._make_room(len(known))
        self._places[key] = range(self._end, self._end + len(known))
        for place, each in zip(self._places[key], known, strict=True):
            said = each.said
            pair = self._numbered((said.item_id, said.first, said.second))
            self._z[place] = each.z
            self._rows[place] = (
                *(said.item_id, said.rater, said.prompt_id, pair, said.probability, said.raters, each.weight),
                *(True, said.control, said.placed, said.chosen),
            )
        self._end += len(known)

    def drop(self, key: Key) -> None:
        """Forget a label, if it is there."""
        places = self._places.pop(key, None)
        if places is None:
            return
        self._rows["stands"][places.start : places.stop] = False
        self._gone += len(places)
        if 2 * self._gone > self._end:
            self._close_up()

    def weights(self, key: Key) -> list[float]:
        """What a label's preferences weigh."""
        places = self._places[key]
        return list(self._rows["weight"][places.start : places.stop].tolist())

    def weigh(self, weights: Floats) -> None:
        """What each preference weighs from now on, in the order of `columns`."""
        self._rows["weight"][: self._end][self._standing] = weights

    def columns(self) -> Columns:
        """As votes."""
        rows = self._rows[: self._end][self._standing]
        none = np.zeros(len(rows), np.int64)
        pairs = self._pairs[: len(self._number)]
        return Columns(pairs, rows["pair"], rows["rater"], none, rows["target"], rows["raters"])

    def preferences(self) -> Preferences:
        """All, oldest first."""
        return self._of(self._standing)

    def shares(self) -> tuple[Preferences, Preferences]:
        """(what the head had placed, what was asked in random order), of labels that came at random from the first."""
        stands, control, placed = (self._rows[name][: self._end] for name in ("stands", "control", "placed"))
        return self._of(stands & placed & ~control), self._of(stands & control)

    def by_choice(self) -> tuple[Preferences, Preferences]:
        """(those of two responses that a head chose to show, others), since there are such items."""
        stands, chosen, item = (self._rows[name][: self._end] for name in ("stands", "chosen", "item"))
        chose = stands & chosen
        if not chose.any():
            return self._of(chose), self._of(chose)
        return self._of(chose), self._of(stands & ~chosen & (item >= item[chose].min()))

    @property
    def _standing(self) -> slice | NDArray[np.bool_]:
        return self._rows["stands"][: self._end] if self._gone else slice(self._end)

    def _of(self, wanted: slice | NDArray[np.bool_]) -> Preferences:
        z, rows = self._z[: self._end][wanted], self._rows[: self._end][wanted]
        return Preferences(z, rows["target"], rows["weight"], rows["prompt"])

    def _numbered(self, pair: Pair) -> int:
        number = self._number.get(pair)
        if number is None:
            number = self._number[pair] = len(self._number)
            self._pairs[number] = pair
        return number

    def _make_room(self, more: int) -> None:
        while self._end + more > len(self._rows):
            self._z, self._rows, self._pairs = (
                np.concatenate([each, np.zeros_like(each)]) for each in (self._z, self._rows, self._pairs)
            )

    def _close_up(self) -> None:
        """Leave out what is gone, so that revisions take no room."""
        kept = np.flatnonzero(self._rows["stands"][: self._end])
        moved = {int(place): number for number, place in enumerate(kept)}
        self._z[: len(kept)], self._rows[: len(kept)] = self._z[kept], self._rows[kept]
        self._places = {
            key: range(moved[places.start], moved[places.start] + len(places)) for key, places in self._places.items()
        }
        self._end, self._gone = len(kept), 0
        pairs = self._rows["pair"][: self._end]
        used, self._rows["pair"][: self._end] = np.unique(pairs, return_inverse=True)
        self._pairs[: len(used)] = self._pairs[used]
        self._number = {(a, b, c): n for n, (a, b, c) in enumerate(self._pairs[: len(used)].tolist())}
