"""What the page of labels over time draws, in SVGs that need no script; and the same as a file."""

import csv
import io
from dataclasses import dataclass

from app.labels.over_time import Bucket, OverTime
from app.web.filters import count, percent, plural
from app.web.plots import Axes, Line, Plot, Point, Tick, steps

COLOURS = 6  # people who have a colour of their own; the others share one
WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 760, 240, 50, 750, 12, 205


@dataclass(frozen=True)
class Segment:
    """A rectangle, of the colour with this number, and what it says under the mouse."""

    x: float
    y: float
    width: float
    height: float
    colour: int
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


def by_person(found: OverTime) -> Bars:
    """Columns of labels, each person's on the one before."""
    axes = _axes(max((bucket.labels for bucket in found.buckets), default=0))
    step = (RIGHT - LEFT) / len(found.buckets)
    segments = []
    for place, bucket in enumerate(found.buckets):
        below = 0
        for colour, people in enumerate(_coloured(found)):
            labels = sum(bucket.by.get(person, 0) for person in people)
            if labels:
                who = next(each.name for each in found.people if each.id == people[0]) if len(people) == 1 else "others"
                segments.append(
                    _segment(axes, place, step, below, labels, colour, f"{name(bucket, found.unit)}, {who}: {labels}")
                )
                below += labels
    every = max(1, round(len(found.buckets) / 8))
    across = [
        Tick(round(LEFT + step * (place + 0.5), 1), name(bucket, found.unit).removeprefix("week of "))
        for place, bucket in enumerate(found.buckets)
        if (len(found.buckets) - 1 - place) % every == 0
    ]
    told = f"{plural(found.labels, 'label')} by {plural(len(found.people), 'person', 'people')}"
    return Bars(f"{told}, by {found.unit}", segments, across, _up(axes))


def _coloured(found: OverTime) -> list[list[int]]:
    people = [person.id for person in found.people]
    if len(people) <= COLOURS + 1:
        return [[person] for person in people]
    return [*([person] for person in people[:COLOURS]), people[COLOURS:]]


def legend(found: OverTime) -> list[tuple[int, str, int]]:
    """(colour, name, labels) of each person who has a colour, and of the others together."""
    labels = {person.id: person.labels for person in found.people}
    names = {person.id: person.name for person in found.people}
    return [
        (
            colour,
            names[people[0]] if len(people) == 1 else f"{count(len(people))} others",
            sum(labels[each] for each in people),
        )
        for colour, people in enumerate(_coloured(found))
    ]


def by_hour(found: OverTime) -> Bars:
    """When in the day people label."""
    axes, step = _axes(max(found.hours)), (RIGHT - LEFT) / 24
    segments = [
        _segment(axes, hour, step, 0, labels, 0, f"{hour:02}:00 to {(hour + 1) % 24:02}:00: {plural(labels, 'label')}")
        for hour, labels in enumerate(found.hours)
        if labels
    ]
    busiest = max(range(24), key=found.hours.__getitem__)
    across = [Tick(round(LEFT + step * hour, 1), f"{hour:02}:00") for hour in range(0, 24, 3)]
    return Bars(f"Labels by hour of the day, most from {busiest:02}:00 on", segments, across, _up(axes))


def agreement(found: OverTime) -> Plot | None:
    """The share of equal choices, with its interval; None where no pair has labels of two people."""
    axes = Axes((0, 1), (0, 1), LEFT, RIGHT, TOP, BOTTOM)
    step = 1 / len(found.buckets)
    points, ticks, last = [], [], ""
    for place, bucket in enumerate(found.buckets):
        if bucket.agreement.percent is None:
            continue
        x, told = axes.x((place + 0.5) * step), bucket.agreement
        last = percent(told.percent)
        points.append(
            Point(
                x,
                axes.y(bucket.agreement.percent),
                f"{name(bucket, found.unit)}: {percent(told.percent)} ({percent(told.percent_low)} to "
                f"{percent(told.percent_high)}) of {plural(told.comparisons, 'comparison')} by two people",
                Line(x, axes.y(told.percent_low), x, axes.y(told.percent_high)),
            )
        )
        ticks.append(Tick(x, name(bucket, found.unit).removeprefix("week of ")))
    if not points:
        return None
    every = max(1, -(-len(ticks) // 8))
    return Plot(
        WIDTH,
        HEIGHT,
        f"Agreement by {found.unit}: {last} the last time",
        across=ticks[::-every][::-1],
        up=[Tick(axes.y(share / 4), percent(share / 4)) for share in range(5)],
        left=LEFT,
        right=RIGHT,
        points=points,
        way=" ".join(f"{point.x},{point.y}" for point in points),
    )


def _axes(most: int) -> Axes:
    return Axes((0, 1), (0, max(most, 4) * 1.05), LEFT, RIGHT, TOP, BOTTOM)


def _up(axes: Axes) -> list[Tick]:
    return [Tick(axes.y(at), count(at)) for at in steps(*axes.up, 4) if at == int(at)]


def _segment(axes: Axes, place: int, step: float, below: int, labels: int, colour: int, title: str) -> Segment:
    top, ground = axes.y(below + labels), axes.y(below)
    gap = min(4.0, step * 0.25)
    return Segment(
        round(LEFT + step * place + gap / 2, 1), top, round(step - gap, 1), round(ground - top, 1), colour, title
    )


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
