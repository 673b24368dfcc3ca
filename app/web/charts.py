"""Line charts that move: what a page says of them, for templates/shared/charts.html and static/charts.js to draw.

Any stage builds a `Panel`, hands it to its template, and there

    {% from "shared/charts.html" import panel, styles, scripts %}
    {% block head %}{{ styles() }}{% endblock %}  {{ panel(view) }}  {% block scripts %}{{ scripts() }}{% endblock %}

A panel holds charts side by side that share one horizontal axis and one crosshair. Its *sources* (runs, people) have
points: `{curve: [[x, ...], [y, ...]]}` with rising x, and None for a y that is not a number. They are in the page where
there are few, or are fetched from `url`, to which `?curve=` is added for each curve that a chart wants. A colour is a
source's, wherever it is drawn, and dashes tell its curves apart; with `by_curve` colours tell curves apart instead.
Without JavaScript nothing is drawn: say the figures in a table as well. Knows no stage.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any, Literal
from urllib.parse import urlencode

COLOURS = 12  # --curve-0 ... in static/charts.css
Points = Mapping[str, tuple[Sequence[float], Sequence[float | None]]]


@dataclass(frozen=True)
class Source:
    """Whose curves they are. `key` is unique in the panel; `colour` counts from 0 and begins anew after `COLOURS`."""

    key: str
    label: str
    colour: int
    url: str | None = None
    points: Points | None = None


@dataclass(frozen=True)
class Curve:
    """A line of each source, by its name in the points. `help`: one line."""

    name: str
    label: str
    help: str = ""


@dataclass(frozen=True)
class Chart:
    """Curves on one vertical axis. `folded`: small, and shown when asked for."""

    title: str
    curves: tuple[Curve, ...]
    unit: str = ""
    help: str = ""
    folded: bool = False


@dataclass(frozen=True)
class Panel:
    """Charts with one horizontal axis. `x` names it; of `time` its values are seconds since 1970, else whole numbers.
    `csv`: an address that answers with all points, to which `curve=` is added."""

    charts: tuple[Chart, ...]
    sources: tuple[Source, ...]
    x: str = "Step"
    scale: Literal["number", "time"] = "number"
    csv: str = ""
    by_curve: bool = False
    smooth: bool = True  # offers to smooth the curves
    waiting: str = "Nothing to draw yet."  # while no source has a point

    @property
    def large(self) -> list[tuple[int, Chart]]:
        """The charts that are seen at once, with their places."""
        return [each for each in enumerate(self.charts) if not each[1].folded]

    @property
    def folded(self) -> list[tuple[int, Chart]]:
        """The charts that are shown when asked for, with their places."""
        return [each for each in enumerate(self.charts) if each[1].folded]

    def csv_of(self, chart: Chart) -> str:
        """Where the points of a chart are downloaded."""
        return with_curves(self.csv, [curve.name for curve in chart.curves])

    @property
    def data(self) -> dict[str, Any]:
        """What charts.js reads."""
        return {
            "x": self.x,
            "time": self.scale == "time",
            "byCurve": self.by_curve,
            "sources": [
                {"key": each.key, "label": each.label, "colour": each.colour % COLOURS, "url": each.url}
                | ({"points": finite(each.points)} if each.points is not None else {})
                for each in self.sources
            ],
            "charts": [
                {
                    "title": chart.title,
                    "unit": chart.unit,
                    "curves": [
                        {"name": curve.name, "label": curve.label, "help": curve.help} for curve in chart.curves
                    ],
                }
                for chart in self.charts
            ],
        }


def with_curves(url: str, names: Sequence[str]) -> str:
    """An address that asks for these curves alone."""
    return url + ("&" if "?" in url else "?") + urlencode([("curve", name) for name in names])


def finite(points: Points) -> dict[str, list[list[float | None]]]:
    """Points as JSON takes them: a value that is not finite is a gap."""
    return {
        name: [list(across), [value if value is not None and isfinite(value) else None for value in up]]
        for name, (across, up) in points.items()
    }
