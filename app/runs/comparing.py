"""Runs beside each other in one table: what they took, the settings in which they differ, the best they reached."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any

from sqlalchemy import Row
from sqlalchemy.orm import Session

from app.methods import METHODS
from app.methods.metrics import metric
from app.models import Project, Run
from app.runs import differences, figures, service, views
from app.web.errors import Invalid
from app.web.filters import decimal, span

MOST = 8


@dataclass(frozen=True)
class Column:
    """A column that can be sorted by. `numeric` ones are right-aligned."""

    key: str
    title: str
    help: str
    numeric: bool


@dataclass(frozen=True)
class Line:
    """A run with what its cells say, one for each column."""

    run: Run
    cells: tuple[str, ...]


@dataclass(frozen=True)
class Table:
    """`sort`: the key of the column it is in the order of, with a minus where the highest comes first; empty: as the
    runs were chosen."""

    columns: list[Column]
    lines: list[Line]
    sort: str

    def direction(self, column: Column) -> str:
        """As `aria-sort` has it."""
        return {column.key: "ascending", f"-{column.key}": "descending"}.get(self.sort, "none")

    def next_sort(self, column: Column) -> str:
        """What a click on the column's head asks for: of figures the highest first, of words the first; then turned
        round."""
        first, second = (f"-{column.key}", column.key) if column.numeric else (column.key, f"-{column.key}")
        return second if self.sort == first else first


def runs(session: Session, project: Project, ids: Sequence[int]) -> list[Run]:
    """The runs to compare, each once, as many as there may be."""
    return [service.get(session, project, run_id) for run_id in dict.fromkeys(ids[:MOST])]


def latest(session: Session, runs: Sequence[Run]) -> dict[int, dict[str, Row[Any]]]:
    """Run -> its `latest_metrics` by name."""
    return {run.id: {row.name: row for row in figures.latest_metrics(session, run.id)} for run in runs}


def table(runs: Sequence[Run], latest: Mapping[int, Mapping[str, Row[Any]]], sort: str = "") -> Table:
    """The table of runs, `latest` being what the function of this name finds of them. Invalid where there is
    no such column."""
    columns = [Column("about", "Learned from", "What went into the run.", False), Column("time", "Time", "", True)]
    cells: list[list[Any]] = [[views.about(run) for run in runs], [_seconds(run) for run in runs]]
    shown: list[list[str]] = [list(map(str, cells[0])), [span(seconds) for seconds in cells[1]]]
    for key, title, said in (
        ("tags", "Tags", [", ".join(run.tags) for run in runs]),
        ("note", "Note", [run.note for run in runs]),
    ):
        if any(said):
            columns.append(Column(key, title, "", False))
            cells.append([words or None for words in said])
            shown.append([words or "–" for words in said])
    for difference in differences.between(runs):
        columns.append(Column(f"s.{difference.name}", difference.title, f"Default: {difference.default}", False))
        cells.append([_number(value) for value in difference.values])
        shown.append(list(difference.values))
    for name in _judged(runs, latest):
        known = metric(name)
        end = "Lowest" if known.goal == "low" else "Highest"
        columns.append(Column(f"m.{name}", f"Best {known.title.lower()}", f"{end}. {known.help}", True))
        values = [_best(latest[run.id].get(name), known.goal) for run in runs]
        cells.append(values)
        shown.append([decimal(value, 4) for value in values])
    order = list(range(len(runs)))
    if sort:
        key = sort.removeprefix("-")
        if key not in [column.key for column in columns]:
            raise Invalid(f"These runs cannot be sorted by {key[:60]}.", "sort")
        values = cells[[column.key for column in columns].index(key)]
        known_places = [place for place in order if values[place] is not None]
        known_places.sort(key=lambda place: _rank(values[place]), reverse=sort.startswith("-"))
        order = known_places + [place for place in order if values[place] is None]
    return Table(columns, [Line(runs[place], tuple(column[place] for column in shown)) for place in order], sort)


def _judged(runs: Sequence[Run], latest: Mapping[int, Mapping[str, Row[Any]]]) -> list[str]:
    """The metrics of which one end is better, in the order of the charts that show them at once."""
    charts = [chart for run in runs if run.method in METHODS for chart in METHODS[run.method].charts]
    names = dict.fromkeys(name for chart in charts if not chart.folded for name in chart.curves)
    return [name for name in names if metric(name).goal and any(name in latest[run.id] for run in runs)]


def _best(row: Row[Any] | None, goal: str | None) -> float | None:
    if row is None:
        return None
    value = float(row.low if goal == "low" else row.high)
    return value if isfinite(value) else None


def _seconds(run: Run) -> float | None:
    return (run.ended_at - run.started_at).total_seconds() if run.started_at and run.ended_at else None


def _number(value: str) -> Any:
    try:
        return float(value)
    except ValueError:
        return value


def _rank(value: Any) -> tuple[int, Any]:
    return (0, value) if isinstance(value, float) else (1, value)
