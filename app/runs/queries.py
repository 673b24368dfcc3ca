"""The SQL of runs. Each change of state is one compare-and-set statement, so that any number of workers may try it."""

import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, and_, case, func, or_, select, text, update
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import Session, aliased, selectinload

from app.models import Item, Model, Project, Prompt, Response, Run, RunKind, RunMetric, RunSample, RunState

ACTIVE = (RunState.QUEUED, RunState.RUNNING, RunState.CANCELLING)
TRAINING_QUEUE = (RunKind.TRAINING,)
FILES_QUEUE = (RunKind.IMPORT, RunKind.UNDO)
SAMPLING_QUEUE = tuple(kind for kind in RunKind if kind not in (*TRAINING_QUEUE, *FILES_QUEUE))
QUEUES = {"sampling": SAMPLING_QUEUE, "training": TRAINING_QUEUE, "files": FILES_QUEUE}
HELD = (RunState.RUNNING, RunState.CANCELLING)
LOST = (
    "The worker fell silent on the last attempt, so it was killed or the machine stopped. "
    "The run's log may say why; Resume goes on from the last checkpoint."
)


def get(session: Session, run_id: int) -> Run | None:
    """One run as the database has it now."""
    return session.get(Run, run_id, populate_existing=True)


def claim(session: Session, run_id: int, token: str, worker: str, device: str) -> Run | None:
    """queued -> running for the one caller that comes first; None for every other."""
    return session.scalar(
        update(Run)
        .where(Run.id == run_id, Run.state == RunState.QUEUED)
        .values(
            state=RunState.RUNNING,
            claim=token,
            worker=worker,
            device=device,
            attempt=Run.attempt + 1,
            heartbeat_at=func.clock_timestamp(),
            started_at=func.coalesce(Run.started_at, func.clock_timestamp()),
            not_before=None,
            ended_at=None,
            error=None,
        )
        .returning(Run),
        execution_options={"populate_existing": True},
    )


def whose_turn(session: Session, run_id: int) -> int | None:
    """The queued run that is next in the queue of run `run_id`, by turns between the projects."""
    asked = session.get(Run, run_id, populate_existing=True)
    if asked is None:
        return None
    kinds = next(kinds for kinds in QUEUES.values() if asked.kind in kinds)

    def in_queue(run: type[Run]) -> ColumnElement[bool]:
        return and_(run.needs_gpu) if asked.needs_gpu else and_(~run.needs_gpu, run.kind.in_(kinds))

    other = aliased(Run)
    of_project = and_(other.project_id == Run.project_id, in_queue(other))
    at_work = select(func.count()).where(of_project, other.state.in_(HELD)).scalar_subquery()
    last = select(func.max(other.started_at)).where(of_project).scalar_subquery()
    return session.scalar(
        select(Run.id)
        .where(Run.state == RunState.QUEUED, in_queue(Run))
        .where(or_(Run.not_before.is_(None), Run.not_before < func.clock_timestamp()))
        .order_by(at_work, last.nulls_first(), Run.id)
        .limit(1)
    )


def lock_starts(session: Session, project_id: int) -> None:
    """Let one transaction at a time start runs of this project."""
    session.execute(text("select pg_advisory_xact_lock(hashtext('hone.start'), :project)"), {"project": project_id})


def touch(session: Session, run_id: int, claim: str, progress: dict[str, Any], attempts: int = 0) -> RunState | None:
    """Beat: store the progress under a claim that still holds, and tell the state; None where it is lost.

    The step never goes back: an attempt that goes on from a checkpoint repeats steps that were there already. One that
    comes further than any before it leaves the run so many `attempts` again.
    """
    if (step := progress.get("step")) is not None:
        further = case((Run.step < step, func.greatest(Run.max_attempts, Run.attempt + attempts - 1)))
        progress = progress | {
            "step": func.greatest(Run.step, step),
            "max_attempts": func.coalesce(further, Run.max_attempts),
        }
    return session.scalar(
        update(Run)
        .where(Run.id == run_id, Run.claim == claim, Run.state.in_(HELD))
        .values(heartbeat_at=func.clock_timestamp(), **progress)
        .returning(Run.state)
    )


def hold(session: Session, run_id: int, claim: str) -> Run | None:
    """The run, which nobody can take until the transaction ends, under a claim that still holds; None where it is
    lost."""
    return session.scalar(
        select(Run)
        .where(Run.id == run_id, Run.claim == claim, Run.state.in_(HELD))
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    )


def end(session: Session, run_id: int, claim: str, values: dict[str, Any]) -> Run | None:
    """Leave running or cancelling under a claim that still holds."""
    return session.scalar(
        update(Run)
        .where(Run.id == run_id, Run.claim == claim, Run.state.in_(HELD))
        .values(claim=None, **values)
        .returning(Run),
        execution_options={"populate_existing": True},
    )


def change(session: Session, run_id: int, allowed: Sequence[RunState], values: dict[str, Any]) -> Run | None:
    """A person's change of state: compare-and-set on the states it is allowed from."""
    return session.scalar(
        update(Run).where(Run.id == run_id, Run.state.in_(allowed)).values(**values).returning(Run),
        execution_options={"populate_existing": True},
    )


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


def requeue_stale(session: Session, older_than: timedelta) -> list[Run]:
    """Take the runs whose worker fell silent from it, in one statement: back to the queue, failed after the last
    attempt, or cancelled where a person had asked for that. Returns all of them in their new state."""
    tries_left = Run.attempt < Run.max_attempts
    # A beat of the future was made before the database's clock was set back; those that live have beaten again since.
    fresh = func.clock_timestamp() - older_than, func.clock_timestamp() + older_than
    silent = and_(Run.state.in_(HELD), ~Run.heartbeat_at.between(*fresh))
    again = and_(Run.state == RunState.RUNNING, tries_left)
    now = func.clock_timestamp()
    return list(
        session.scalars(
            update(Run)
            .where(Run.id.in_(select(Run.id).where(silent).with_for_update(skip_locked=True)))
            .values(
                claim=None,
                steps_per_second=None,
                state=case(
                    (Run.state == RunState.CANCELLING, RunState.CANCELLED.value),
                    (tries_left, RunState.QUEUED.value),
                    else_=RunState.FAILED.value,
                ),
                error=case((or_(again, Run.state == RunState.CANCELLING), None), else_=LOST),
                sent_at=case((again, now), else_=Run.sent_at),
                ended_at=case((again, None), else_=now),
            )
            .returning(Run),
            execution_options={"populate_existing": True},
        )
    )


def take_unsent(session: Session, older_than: timedelta) -> list[Run]:
    """Queued runs whose message left long enough ago to be lost, marked as sent now."""
    return list(
        session.scalars(
            update(Run)
            .where(
                Run.state == RunState.QUEUED,
                or_(Run.sent_at.is_(None), Run.sent_at < func.clock_timestamp() - older_than),
            )
            .values(sent_at=func.clock_timestamp())
            .returning(Run),
            execution_options={"populate_existing": True},
        )
    )


def _of(project_id: int, kind: RunKind, method: str | None) -> ColumnElement[bool]:
    work = and_(Run.project_id == project_id, Run.kind == kind)
    return work if method is None else and_(work, Run.method == method)


def active(session: Session, project_id: int, kind: RunKind, method: str | None = None) -> list[Run]:
    """The project's runs of one kind, and of one method where it is given, that are queued, running or being
    cancelled."""
    found = select(Run).where(_of(project_id, kind, method), Run.state.in_(ACTIVE))
    return list(session.scalars(found.order_by(Run.id)))


def last_automatic(session: Session, project_id: int, kind: RunKind, method: str | None = None) -> Run | None:
    """The newest such run that the platform started itself."""
    found = select(Run).where(_of(project_id, kind, method), Run.automatic)
    return session.scalar(found.order_by(Run.id.desc()).limit(1))


def count_automatic(
    session: Session, project_id: int, kind: RunKind, since: datetime, method: str | None = None
) -> int:
    """How many such runs the platform has started itself since a moment."""
    found = select(func.count()).where(_of(project_id, kind, method), Run.automatic, Run.created_at > since)
    return session.scalar(found) or 0


def preparation_of(session: Session, model_id: int) -> Run | None:
    """The run that brings, or brought, a base model into the store; the last of them."""
    found = select(Run).where(Run.kind == RunKind.PREPARATION, Run.model_id == model_id)
    return session.scalar(found.order_by(Run.id.desc()).limit(1))


_SHOWN = tuple(selectinload(part) for part in (Run.model, Run.baseline, Run.reward_model, Run.snapshot))


def seen_by(project: Project) -> ColumnElement[bool]:
    """The runs that a project's managers see: its own, and the preparation of its base model."""
    return or_(Run.project_id == project.id, and_(Run.project_id.is_(None), Run.model_id == project.base_model_id))


def runs_of(
    project: Project, kind: RunKind | None = None, state: RunState | None = None, method: str | None = None
) -> Select[Run]:
    """The runs that a project's managers see, to be read in pages; with what a list shows of them."""
    statement = select(Run).where(seen_by(project)).options(*_SHOWN)
    if kind is not None:
        statement = statement.where(Run.kind == kind)
    if method is not None:
        statement = statement.where(Run.method == method)
    if state is not None:
        statement = statement.where(Run.state == state)
    return statement


def active_runs(session: Session, project: Project) -> list[Run]:
    """Everything that a project's managers see queued, running or being cancelled, the oldest first."""
    return list(
        session.scalars(
            select(Run).where(seen_by(project), Run.state.in_(ACTIVE)).options(*_SHOWN).order_by(Run.id).limit(50)
        )
    )


def family(session: Session, run: Run) -> tuple[list[Run], list[Model]]:
    """(runs cloned from this one, models it made)."""
    children = session.scalars(select(Run).where(Run.parent_id == run.id).order_by(Run.id))
    models = session.scalars(select(Model).where(Model.run_id == run.id).order_by(Model.id))
    return list(children), list(models)


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


def dependents(session: Session, run_id: int) -> tuple[int, int, int, int]:
    """(prompts, answers, items, models) that a run made or brought and that would lose their origin with it."""
    return (
        session.scalar(select(func.count()).where(Prompt.run_id == run_id)) or 0,
        session.scalar(select(func.count()).where(Response.run_id == run_id)) or 0,
        session.scalar(select(func.count()).where(Item.run_id == run_id)) or 0,
        session.scalar(select(func.count()).where(Model.run_id == run_id)) or 0,
    )


def delete(session: Session, run: Run) -> None:
    """Delete a run's row; its metrics and samples go with it, its clones stay without a parent."""
    session.execute(update(Run).where(Run.parent_id == run.id).values(parent_id=None))
    session.delete(run)
    session.flush()
