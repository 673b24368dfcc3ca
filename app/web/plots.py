"""Still drawings in a page: values to places of an SVG that templates/shared/plots.html draws. Knows no stage."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, floor, log10
from typing import NamedTuple


class Tick(NamedTuple):
    """A mark on an axis: where, and what it says."""

    at: float
    text: str


class Line(NamedTuple):
    """A straight line between two places."""

    x1: float
    y1: float
    x2: float
    y2: float


@dataclass(frozen=True)
class Point:
    """A dot with what it says under the mouse, its name beside it, and the line of its interval or its way. `chosen`:
    what the page is about."""

    x: float
    y: float
    title: str
    whisker: Line
    name: str = ""
    chosen: bool = False


@dataclass(frozen=True)
class Plot:
    """What the template draws, in units of the SVG. `label` is read aloud in place of the picture."""

    width: int
    height: int
    label: str
    across: list[Tick]
    up: list[Tick]
    left: float
    right: float
    points: list[Point]
    caption: str = ""
    caption_up: str = ""
    reference: Line | None = None
    reference_text: str = ""
    way: str = ""  # "x,y x,y ...": a line through the points
    small: bool = False


@dataclass(frozen=True)
class Axes:
    """Where values lie: `across` and `up` are the lowest and highest value at the edges of the drawn area."""

    across: tuple[float, float]
    up: tuple[float, float]
    left: float
    right: float
    top: float
    bottom: float

    def x(self, value: float) -> float:
        """Place of a value on the horizontal axis; values beyond an edge lie on it."""
        return self._place(value, self.across, self.left, self.right)

    def y(self, value: float) -> float:
        """Place of a value on the vertical axis, which grows downwards in an SVG."""
        return self._place(value, self.up, self.bottom, self.top)

    def _place(self, value: float, values: tuple[float, float], start: float, end: float) -> float:
        low, high = values
        share = min(max((value - low) / (high - low), 0.0), 1.0)
        return round(start + (end - start) * share, 1)


def reach(values: Sequence[float], room: float = 0.0) -> tuple[float, float]:
    """The ends of an axis that holds all values, with `room` (a share of their spread) beyond them.

    Values that are equal but for rounding get an axis too, as wide as a number of their size can be read on.
    """
    low, high = min(values), max(values)
    least = 1e-6 * max(abs(low), abs(high), 1e-3)
    spread = high - low
    beyond = spread * room if spread > least else max(least, 0.5 * max(abs(low), abs(high)), 0.5e-3)
    return low - beyond, high + beyond


def steps(low: float, high: float, wanted: int = 5) -> list[float]:
    """Round numbers (1, 2 or 5 times a power of ten apart) from `low` to `high`, about as many as wanted."""
    raw = (high - low) / wanted
    power = 10.0 ** floor(log10(raw))
    step = min((power * factor for factor in (1, 2, 5, 10)), key=lambda each: abs(log10(each / raw)))
    first, last = ceil(low / step - 1e-9), floor(high / step + 1e-9)
    decimals = max(0, 3 - floor(log10(step)))  # what is rounded away is the float's own error
    return [round(number * step, decimals) for number in range(first, last + 1)]


def digits(ticks: list[float]) -> int:
    """How many decimals tell these ticks apart."""
    if len(ticks) < 2:
        return 2
    return max(0, -floor(log10(ticks[1] - ticks[0]) + 1e-9))
