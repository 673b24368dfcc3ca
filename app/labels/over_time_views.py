"""What the page of labels over time draws, and the same as a file."""

import csv
import io
from dataclasses import dataclass

from app.labels.over_time import Bucket, OverTime
from app.web.charts import COLOURS, Chart, Curve, Panel, Points, Source
from app.web.filters import count, plural
from app.web.plots import Axes, Tick, steps

_AGREED = "Of two people's choices on one pair, by when the later one was made."
WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 760, 240, 50, 750, 12, 205


@dataclass(frozen=True)
class Segment:
    """A rectangle, and what it says under the mouse."""

    x: float
    y: float
    width: float
    height: float
    title: str


@dataclass(frozen=True)
class Bars:
    """A chart of columns. `label` is read aloud in place of the picture."""

    label: str
    segments: list[Segment]
    across: list[Tick]
    up: list[Tick]
    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT
    right: int = RIGHT


def name(bucket: Bucket, unit: str) -> str:
    """A bucket as the axis and the table call it: `14:00`, `3 Nov`, `week of 3 Nov`."""
    if unit == "hour":
        return f"{bucket.at:%H:%M}"
    day = f"{bucket.at.day} {bucket.at:%b}"
    return f"week of {day}" if unit == "week" else day


def curves(found: OverTime) -> Panel:
    """Labels of each person and of all together, and the share of equal choices with its interval, as charts with one
    axis of time. People who labelled least have no line of their own where there are more than colours."""
    across = [bucket.at.timestamp() for bucket in found.buckets]
    last = len(found.buckets) - 1  # both ends have a place, so that both charts have one axis of time
    told = [each for place, each in enumerate(found.buckets) if each.agreement.comparisons or place in (0, last)]
    times = [bucket.at.timestamp() for bucket in told]
    everybody: Points = {
        "labels": (across, [bucket.labels for bucket in found.buckets]),
        "agreement": (times, [_percent(bucket.agreement.percent) for bucket in told]),
        "low": (times, [_percent(each.agreement.percent_low) if each.agreement.comparisons else None for each in told]),
        "high": (
            times,
            [_percent(each.agreement.percent_high) if each.agreement.comparisons else None for each in told],
        ),
    }
    sources = [Source("all", "Everybody", 0, points=everybody)]
    for each in found.people[: COLOURS - 1]:
        given: Points = {"labels": (across, [bucket.by.get(each.id, 0) for bucket in found.buckets])}
        sources.append(Source(str(each.id), each.name, len(sources), points=given))
    charts = [Chart("Labels", (Curve("labels", "Labels"),), f"a {found.unit}", "How many each person gave.")]
    if any(bucket.agreement.comparisons for bucket in told):
        ends = (Curve("low", "95% interval, low"), Curve("high", "95% interval, high"))
        charts.append(Chart("Agreement", (Curve("agreement", "Equal choices"), *ends), "%", _AGREED))
    return Panel(tuple(charts), tuple(sources), found.unit.capitalize(), "time")


def _percent(share: float | None) -> float | None:
    return None if share is None else round(100 * share, 1)


def by_hour(found: OverTime) -> Bars:
    """When in the day people label."""
    axes, step = _axes(max(found.hours)), (RIGHT - LEFT) / 24
    segments = [
        _segment(axes, hour, step, labels, f"{hour:02}:00 to {(hour + 1) % 24:02}:00: {plural(labels, 'label')}")
        for hour, labels in enumerate(found.hours)
        if labels
    ]
    busiest = max(range(24), key=found.hours.__getitem__)
    across = [Tick(round(LEFT + step * hour, 1), f"{hour:02}:00") for hour in range(0, 24, 3)]
    return Bars(f"Labels by hour of the day, most from {busiest:02}:00 on", segments, across, _up(axes))


def _axes(most: int) -> Axes:
    return Axes((0, 1), (0, max(most, 4) * 1.05), LEFT, RIGHT, TOP, BOTTOM)


def _up(axes: Axes) -> list[Tick]:
    return [Tick(axes.y(at), count(at)) for at in steps(*axes.up, 4) if at == int(at)]


def _segment(axes: Axes, place: int, step: float, labels: int, title: str) -> Segment:
    top, ground = axes.y(labels), axes.y(0)
    gap = min(4.0, step * 0.25)
    return Segment(round(LEFT + step * place + gap / 2, 1), top, round(step - gap, 1), round(ground - top, 1), title)


def as_csv(found: OverTime) -> str:
    """A line for each bucket: when it began, labels in all and by person, agreement with its interval and alpha."""
    text = io.StringIO()
    lines = csv.writer(text)
    names = [f"'{each.name}" if each.name[:1] in "=+-@" else each.name for each in found.people]
    lines.writerow([found.unit, "labels", *names, "agreement", "low", "high", "alpha", "comparisons"])
    for bucket in found.buckets:
        told = bucket.agreement
        known = told.percent is not None
        figures = [told.percent, told.percent_low if known else None, told.percent_high if known else None, told.alpha]
        lines.writerow(
            [
                bucket.at.isoformat(timespec="minutes"),
                bucket.labels,
                *(bucket.by.get(person.id, 0) for person in found.people),
                *("" if figure is None else f"{figure:.4f}" for figure in figures),
                told.comparisons,
            ]
        )
    return text.getvalue()
