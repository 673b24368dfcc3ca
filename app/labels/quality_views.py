"""What the page of annotator quality draws and advises, worked out from its figures."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from app.labels.habits import PACES, Couple, State
from app.labels.quality import Annotator, Quality
from app.models import Project
from app.statistics.sequential import BLOCK
from app.web.filters import count, percent, plural
from app.web.plots import Axes

ADVICE: dict[State, str] = {
    "one-sided": "Chooses one side far more often than chance explains, though sides are drawn at random. Ask whether "
    "both answers are read; their labels can be left out of trainings by pausing them.",
    "contrary": "Says the opposite of the others on most pairs. The keys or the question may be misunderstood: talk "
    "before you pause them.",
    "careless": "Misses attention checks or disagrees with the others more often than chance explains. Look at some of "
    "their labels together, then go on or pause them.",
}
CHANGE = {
    -1: "Agrees with the others more often than at first.",
    1: "Agrees with the others less often than at first: tired, or the guidelines have changed?",
}
MOST = 12  # people in a matrix: beyond that nobody reads it


@dataclass(frozen=True)
class Spark:
    """A small line chart: `points` as an SVG polyline has them, in a box of 160 by 48."""

    name: str
    points: str
    label: str


@dataclass(frozen=True)
class Bar:
    """A bar of a histogram, in a box of 420 by 150 whose ground is at 120."""

    x: float
    width: float
    top: float
    height: float
    text: str
    title: str
    count: str


@dataclass(frozen=True)
class Cell:
    """Of two people: their agreement as a shade from 0 to 1, and in words."""

    shade: float
    text: str
    title: str


def figures(found: Quality, project: Project) -> dict[str, Any]:
    """All that `labels/_quality.html` shows."""
    return {
        "agreement": found.agreement,
        "by_question": {project.answer.text_of(id_): each for id_, each in found.questions.items()},
        "by_kind": found.kinds,
        "annotators": found.annotators,
        "flagged": flagged(found.annotators),
        "over_time": over_time(found.annotators),
        "histogram": pace_histogram(found.paces),
        "matrix": matrix(found.annotators, found.couples),
        "about_length": about_length,
        "pairs_again": pairs_again,
        "change": CHANGE,
        "overlap": project.overlap,
    }


def flagged(people: Sequence[Annotator]) -> list[tuple[Annotator, str]]:
    """Who is to be looked at, and what to do."""
    return [(person, ADVICE[person.habits.state]) for person in people if person.habits.state is not None]


def over_time(people: Sequence[Annotator]) -> list[Spark]:
    """Of each person with two blocks of pairs or more: the share of others who say the same."""
    axes = Axes((0, 1), (0, 1), left=4, right=156, top=4, bottom=44)
    found = []
    for person in people[:MOST]:
        shares = person.habits.over_time
        if len(shares) < 2:
            continue
        places = [f"{axes.x(at / (len(shares) - 1))},{axes.y(share)}" for at, share in enumerate(shares)]
        told = f"{person.name}: {percent(shares[0])} in the first {BLOCK} pairs, {percent(shares[-1])} in the last"
        found.append(Spark(person.name, " ".join(places), told))
    return found


def pace_histogram(paces: Sequence[int]) -> list[Bar]:
    """How many labels took how long; none where nothing is known."""
    if not (most := max(paces, default=0)):
        return []
    names = [f"< {PACES[0]}", *(f"{a}–{b}" for a, b in pairwise(PACES)), f"> {PACES[-1]}"]
    width = 420 / len(paces)
    return [
        Bar(
            round(at * width + 4, 1), round(width - 8, 1), round(120 - 100 * labels / most, 1),
            round(100 * labels / most, 1), name, f"{name} seconds: {plural(labels, 'label')}",
            count(labels),
        )
        for at, (name, labels) in enumerate(zip(names, paces, strict=True))
    ]  # fmt: skip


def matrix(people: Sequence[Annotator], couples: Sequence[Couple]) -> list[tuple[Annotator, list[Cell | None]]]:
    """A row for each of the people who labelled most, with a cell for each of them; none for fewer than two."""
    shown = people[:MOST]
    known = {(each.one, each.other): each for each in couples} | {(each.other, each.one): each for each in couples}
    if not any((one.id, other.id) in known for one in shown for other in shown):
        return []

    def cell(one: Annotator, other: Annotator) -> Cell | None:
        found = known.get((one.id, other.id))
        if found is None:
            return None
        words = f"{one.name} and {other.name}: {percent(found.share)} of {plural(found.pairs, 'pair')} alike"
        return Cell(round(found.share, 3), percent(found.share), words)

    return [(one, [cell(one, other) for other in shown]) for one in shown]


def about_length(person: Annotator) -> str:
    """How time goes with length, in words."""
    tracks = person.habits.tracks_length
    if tracks is None:
        return "–"
    return "grows with length" if tracks > 0.2 else "does not grow with length" if tracks < 0.05 else "hardly grows"


def pairs_again(person: Annotator) -> str:
    """How a person answered what they had answered before."""
    if not person.habits.repeats:
        return "–"
    return f"{percent(person.habits.same / person.habits.repeats)} of {count(person.habits.repeats)}"
