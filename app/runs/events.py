"""What a page that watches a run is told: its panel, its state and the new points of its curves."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any

from markupsafe import escape
from sqlalchemy import Row
from sqlalchemy.orm import Session

from app.methods.metrics import metric
from app.models import Project, RunState
from app.runs import figures, queries, readable_log, views
from app.runs.live import Look
from app.web.events import event
from app.web.render import environment


@dataclass(frozen=True)
class Seen:
    """What a reader of a run has been told."""

    step: int = 0
    state: RunState | None = None
    panel: str | None = None
    points: frozenset[tuple[str, int, float]] = frozenset()  # those of the last step, which may still get company
    sampled: int | None = None  # the last step with samples
    log: str | None = None  # the end of it


def run_look(run_id: int) -> Look[Seen]:
    """Looks at one run. The panel holds no form, so that it is rendered once for all its readers."""

    def look(session: Session, seen: Seen | None) -> tuple[Seen, list[str]]:
        seen = seen or Seen()
        run = queries.get(session, run_id)
        if run is None:
            return seen, []
        rows = figures.points(session, run.id, since=seen.step)
        fresh = [row for row in rows if (row.name, row.step, row.value) not in seen.points]
        last = max((row.step for row in rows), default=seen.step)
        points = frozenset((row.name, row.step, row.value) for row in rows if row.step == last) or seen.points
        panel = (
            environment()
            .get_template("runs/_panel.html")
            .render(run=run, metrics=figures.latest_metrics(session, run.id), metric=metric, views=views)
        )
        told = [event(json.dumps(curves(fresh)), name="points")] if fresh else []
        if panel != seen.panel:
            told.append(event(panel, name="panel"))
        if run.state is not seen.state:
            told.append(event(run.state.value, name="state"))
        sampled = figures.last_sampled_step(session, run.id)
        if sampled is not None and sampled != seen.sampled:
            told.append(event(str(sampled), name="sampled"))
        said = readable_log.tail(run)
        if said is not None and said != seen.log:
            told.append(event(str(escape(said)), name="log"))
        return Seen(last, run.state, panel, points, sampled, said), told

    return look


def curves(rows: Sequence[Row[Any]]) -> dict[str, list[list[Any]]]:
    """{name: [[steps], [values]]}; a value that is not finite is a gap (JSON knows none)."""
    found: dict[str, list[list[Any]]] = {}
    for row in rows:
        steps, values = found.setdefault(row.name, [[], []])
        steps.append(row.step)
        values.append(row.value if isfinite(row.value) else None)
    return found


def active_look(project_id: int) -> Look[str]:
    """Looks at what is under way in a project."""

    def look(session: Session, seen: str | None) -> tuple[str, list[str]]:
        runs: Iterable[Any] = queries.active_runs(session, session.get_one(Project, project_id))
        html = environment().get_template("runs/_active.html").render(active=runs, views=views, project_id=project_id)
        return html, [event(html, name="active")] if html != seen else []

    return look
