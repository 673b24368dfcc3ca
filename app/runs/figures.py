"""The SQL of what a run tells while it works: points of curves, and what a policy said at a step."""

import json
from collections.abc import Collection, Sequence
from math import isfinite
from typing import Any

from sqlalchemy import ARRAY, Double, Integer, Result, Row, cast, func, select, tuple_, type_coerce
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import Session

from app import bulk
from app.models import RunMetric, RunSample


def add_metrics(session: Session, run_id: int, metrics: Sequence[tuple[str, int, float]]) -> None:
    """Upsert points of curves: a resumed run that reports a step again repeats nothing."""
    points = {(name, step): value for name, step, value in metrics}
    # JSON has no number that is none, and takes its name.
    told = [(name, step, value if isfinite(value) else str(value)) for (name, step), value in points.items()]
    rows = [{"run_id": run_id, "name": name, "step": step, "value": value} for name, step, value in told]
    if not rows:
        return
    statement = bulk.inserting(RunMetric, rows)
    session.execute(
        statement.on_conflict_do_update(
            index_elements=["run_id", "name", "step"], set_={"value": statement.excluded.value}
        )
    )


def add_samples(session: Session, run_id: int, samples: Sequence[dict[str, Any]]) -> None:
    """Add what the policy said, except what an earlier attempt has added already."""
    steps = {sample["step"] for sample in samples}
    known = session.execute(
        select(RunSample.step, RunSample.prompt, RunSample.response).where(
            RunSample.run_id == run_id, RunSample.step.in_(steps)
        )
    ).all()
    seen = {(step, json.dumps(prompt, sort_keys=True), response) for step, prompt, response in known}
    for sample in samples:
        key = (sample["step"], json.dumps(sample["prompt"], sort_keys=True), sample["response"])
        if key not in seen:
            seen.add(key)
            session.add(RunSample(run_id=run_id, **sample))


def latest_metrics(session: Session, run_id: int) -> list[Row[Any]]:
    """(name, step, value, low, high) of each of a run's curves, by name: its last point and its extremes."""
    newest = (
        select(
            RunMetric.name,
            func.max(RunMetric.step).label("step"),
            func.min(RunMetric.value).label("low"),
            func.max(RunMetric.value).label("high"),
        )
        .where(RunMetric.run_id == run_id)
        .group_by(RunMetric.name)
        .subquery()
    )
    return list(
        session.execute(
            select(RunMetric.name, RunMetric.step, RunMetric.value, newest.c.low, newest.c.high)
            .join(newest, (RunMetric.name == newest.c.name) & (RunMetric.step == newest.c.step))
            .where(RunMetric.run_id == run_id)
            .order_by(RunMetric.name)
        )
    )


def points(
    session: Session, run_id: int, since: int = 0, names: Collection[str] | None = None, limit: int = 1500
) -> list[Row[Any]]:
    """(name, step, value) of a run's curves, or of those named, from a step on, in order. Of a curve of more than
    `limit` points the lowest and the highest of each stretch are kept, so that no peak is lost, and the last."""
    of = [RunMetric.run_id == run_id, RunMetric.step >= since]
    of.append(RunMetric.name.in_(curve_names(session, run_id) if names is None else names))
    found = session.execute(
        select(RunMetric.name, func.count().label("points"), func.max(RunMetric.step).label("last"))
        .where(*of)
        .group_by(RunMetric.name)
    ).all()
    short = [row.name for row in found if row.points <= limit]
    long = {row.name: row.last for row in found if row.points > limit}
    whole = select(RunMetric.name, RunMetric.step, RunMetric.value).where(*of, RunMetric.name.in_(short))
    if not long:
        return list(session.execute(whole.order_by(RunMetric.name, RunMetric.step)))
    pair = postgresql.array([RunMetric.value, cast(RunMetric.step, Double)])
    width = -(-(max(long.values()) - since + 1) // (limit // 2))
    stretches = (
        select(RunMetric.name, func.min(pair).label("low"), func.max(pair).label("high"))
        .where(*of, RunMetric.name.in_(long))
        .group_by(RunMetric.name, (RunMetric.step - since) // width)
        .subquery()
    )
    ends = tuple_(RunMetric.name, RunMetric.step).in_(list(long.items()))
    kept = whole.union(
        *(
            select(stretches.c.name, cast(end[2], Integer), end[1])
            for end in (type_coerce(each, ARRAY(Double)) for each in (stretches.c.low, stretches.c.high))
        ),
        select(RunMetric.name, RunMetric.step, RunMetric.value).where(*of, ends),
    )
    return list(session.execute(kept.order_by("name", "step")))


def all_points(session: Session, run_ids: Sequence[int], names: Collection[str] | None) -> Result[Any]:
    """(run_id, name, step, value) of runs' curves, or of those named, none left out, in order; read bit by bit."""
    statement = select(RunMetric.run_id, RunMetric.name, RunMetric.step, RunMetric.value)
    statement = statement.where(RunMetric.run_id.in_(run_ids))
    if names is not None:
        statement = statement.where(RunMetric.name.in_(names))
    ordered = statement.order_by(RunMetric.run_id, RunMetric.name, RunMetric.step)
    return session.execute(ordered, execution_options={"yield_per": 5_000})


def curve_names(session: Session, run_id: int) -> list[str]:
    """The names of a run's curves, in order; by one step in the index for each, however long they are."""
    first = select(func.min(RunMetric.name).label("name")).where(RunMetric.run_id == run_id).cte(recursive=True)
    following = select(func.min(RunMetric.name)).where(RunMetric.run_id == run_id, RunMetric.name > first.c.name)
    names = first.union_all(select(following.scalar_subquery()).where(first.c.name.is_not(None)))
    return list(session.scalars(select(names.c.name).where(names.c.name.is_not(None)).order_by(names.c.name)))


def sample_steps(session: Session, run_id: int) -> list[int]:
    """Steps that have samples."""
    return list(
        session.scalars(select(RunSample.step).where(RunSample.run_id == run_id).distinct().order_by(RunSample.step))
    )


def last_sampled_step(session: Session, run_id: int) -> int | None:
    """The newest step that has samples."""
    return session.scalar(select(func.max(RunSample.step)).where(RunSample.run_id == run_id))


def samples(session: Session, run_id: int, step: int, limit: int = 50) -> list[RunSample]:
    """What the policy said at a step."""
    return list(
        session.scalars(
            select(RunSample)
            .where(RunSample.run_id == run_id, RunSample.step == step)
            .order_by(RunSample.id)
            .limit(limit)
        )
    )
