"""The SQL that changes the state of a run. Each change is one compare-and-set statement, so that any number of workers
may try it."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import ColumnElement, and_, case, exists, false, func, or_, select, text, update
from sqlalchemy.orm import Session, aliased

from app.models import Run, RunKind, RunState
from app.runs.queries import FILES_QUEUE, QUEUES


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
    """The queued run that is next in the queue of run `run_id`, by turns between the projects. What takes an import
    back is never at work beside an import of its project, and comes before those that were queued after it. Of large
    imports one is at work at a time, so that those of small files need not wait for two."""
    asked = session.get(Run, run_id, populate_existing=True)
    if asked is None:
        return None
    kinds = next(kinds for kinds in QUEUES.values() if asked.kind in kinds)
    if kinds is FILES_QUEUE:  # of two that claim at once, each would not see the other at work
        session.execute(text("select pg_advisory_xact_lock(hashtext('hone.files'))"))

    def in_queue(run: type[Run]) -> ColumnElement[bool]:
        return and_(run.needs_gpu) if asked.needs_gpu else and_(~run.needs_gpu, run.kind.in_(kinds))

    other = aliased(Run)
    of_project = and_(other.project_id == Run.project_id, in_queue(other))
    at_work = select(func.count()).where(of_project, other.state.in_(HELD)).scalar_subquery()
    last = select(func.max(other.started_at)).where(of_project).scalar_subquery()
    at_work_or_before = or_(other.state.in_(HELD), and_(other.state == RunState.QUEUED, other.id < Run.id))
    in_the_way = exists().where(
        other.project_id == Run.project_id,
        or_(
            and_(Run.kind == RunKind.UNDO, other.kind.in_((RunKind.IMPORT, RunKind.UNDO)), other.state.in_(HELD)),
            and_(Run.kind == RunKind.IMPORT, other.kind == RunKind.UNDO, at_work_or_before),
        ),
    )
    lane_taken = and_(_large(Run), exists().where(_large(other), other.state.in_(HELD)))
    return session.scalar(
        select(Run.id)
        .where(Run.state == RunState.QUEUED, in_queue(Run), ~in_the_way, ~lane_taken)
        .where(or_(Run.not_before.is_(None), Run.not_before < func.clock_timestamp()))
        .order_by(at_work, last.nulls_first(), Run.id)
        .limit(1)
    )


def _large(run: type[Run]) -> ColumnElement[bool]:
    return and_(run.kind == RunKind.IMPORT, func.coalesce(run.config["size"].as_integer(), LARGE) >= LARGE)


def touch(session: Session, run_id: int, claim: str, progress: dict[str, Any], attempts: int = 0) -> RunState | None:
    """Beat: store the progress under a claim that still holds, and tell the state; None where it is lost.

    The step never goes back: an attempt that goes on from a checkpoint repeats steps that were there already. One that
    comes further than any before it leaves the run so many `attempts` again. Steps of another unit are counted anew.
    """
    if (step := progress.get("step")) is not None:
        anew = Run.unit.is_distinct_from(progress["unit"]) if "unit" in progress else false()
        further = case((or_(anew, Run.step < step), func.greatest(Run.max_attempts, Run.attempt + attempts - 1)))
        progress = progress | {
            "step": case((anew, step), else_=func.greatest(Run.step, step)),
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


LOST = (
    "The worker fell silent on the last attempt, so it was killed or the machine stopped. "
    "The run's log may say why; Resume goes on from the last checkpoint."
)
LARGE = 8 * 2**20  # bytes of a file that is read and stored in a minute or more
HELD = (RunState.RUNNING, RunState.CANCELLING)
