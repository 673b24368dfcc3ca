"""The SQL of what a run tells while it works: points of curves, and what a policy said at a step."""

import json
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, func, or_, select
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import Session

from app.models import RunMetric, RunSample


def add_metrics(session: Session, run_id: int, metrics: Sequence[tuple[str, int, float]]) -> None:
    """Upsert points of curves: a resumed run that reports a step again repeats nothing."""
    points = {(name, step): value for name, step, value in metrics}
    rows = [{"run_id": run_id, "name": name, "step": step, "value": value} for (name, step), value in points.items()]
    for start in range(0, len(rows), 5000):
        statement = postgresql.insert(RunMetric).values(rows[start : start + 5000])
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


def points(session: Session, run_id: int, since: int = 0, limit: int = 1500) -> list[Row[Any]]:
    """(name, step, value) of a run's curves from a step on, in order; a long curve is thinned to about `limit`."""
    last = session.scalar(select(func.max(RunMetric.step)).where(RunMetric.run_id == run_id)) or 0
    every = max(1, -(-(last - since) // limit))
    statement = select(RunMetric.name, RunMetric.step, RunMetric.value).where(
        RunMetric.run_id == run_id, RunMetric.step >= since
    )
    if every > 1:
        # The rarer curves, such as those of evaluations, keep all their points.
        rare = (
            select(RunMetric.name)
            .where(RunMetric.run_id == run_id)
            .group_by(RunMetric.name)
            .having(func.count() <= limit)
        )
        statement = statement.where(or_(RunMetric.step % every == 0, RunMetric.step == last, RunMetric.name.in_(rare)))
    return list(session.execute(statement.order_by(RunMetric.name, RunMetric.step)))


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
