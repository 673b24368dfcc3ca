"""Every layout that is known, the most specific first, and which of them rows are of."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from formats.layouts import (
    argilla,
    helpsteer,
    hone,
    judged,
    labelstudio,
    numbered,
    oasst,
    openai,
    pairs,
    scored,
    trl,
    written,
)
from formats.layouts.base import Layout
from formats.records import Row, Unreadable

LAYOUTS: dict[str, Layout] = {
    layout.name: layout
    for module in (hone, labelstudio, argilla, oasst, openai, pairs, helpsteer, scored, judged, trl, numbered, written)
    for layout in module.LAYOUTS
}
WRITTEN: dict[str, Layout] = {layout.name: layout for layout in written.LAYOUTS}


@dataclass(frozen=True, slots=True)
class Match:
    """A layout, and the share of the rows that are of it."""

    layout: Layout
    certainty: float


def register(layout: Layout) -> None:
    """Know one more layout; it is tried before the others. ValueError where its name is taken."""
    if layout.name in LAYOUTS:
        raise ValueError(f"there is a layout {layout.name!r} already")
    others = dict(LAYOUTS)
    LAYOUTS.clear()
    LAYOUTS.update({layout.name: layout, **others})


def named(name: str) -> Layout:
    """The layout of this name. Raises Unreadable."""
    try:
        return LAYOUTS[name]
    except KeyError:
        raise Unreadable(f"There is no layout {name!r}. There are: {', '.join(sorted(LAYOUTS))}.") from None


def detect(rows: Sequence[Row], among: Mapping[str, Layout] = LAYOUTS) -> Match | None:
    """The most specific layout that half of the rows or more are of; None where there is none. Labels among which one
    row is a prompt alone are labels: what they say would else be lost without a word."""
    for layout in among.values():
        share = sum(layout.knows(row.values) for row in rows) / len(rows) if rows else 0.0
        if share >= 0.5:
            return Match(layout, share)
    return None
