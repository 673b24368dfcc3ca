"""What workers do with runs: claim one, say how far it is, end it or give it back; and what becomes of those whose
worker fell silent.

The row is the queue. A message on the broker only says "look at this run"; whoever gets it must win the claim first,
and every later write names that claim, so that a worker that was given up cannot spoil its successor's work.
"""

import logging
from collections.abc import Sequence
from datetime import timedelta
from secrets import token_hex
from typing import Any

from sqlalchemy import func
from sqlalchemy.orm import Session

from app.models import Run, RunState
from app.models.documents import RunSummary
from app.runs import figures, states
from app.runs.queueing import send, tell_model
from app.runs.service import ATTEMPTS, ENDED

log = logging.getLogger(__name__)

# A queued run is sent again after this long, in case its message was lost with the broker's memory.
RESEND_AFTER = timedelta(seconds=30)


def claim(session: Session, run_id: int, worker: str, device: str) -> Run | None:
    """Take a queued run for `worker`; None when it is not queued, e.g. for the second delivery of a message."""
    return states.claim(session, run_id, token_hex(16), worker[:200], device[:100])


def claim_turn(session: Session, run_id: int, worker: str, device: str) -> Run | None:
    """Take the run whose turn it is in the queue of run `run_id`, of which a message has come: of the project with the
    fewest runs at work there, then of the one that has waited longest. None when nothing is queued there."""
    while (turn := states.whose_turn(session, run_id)) is not None:
        if (run := claim(session, turn, worker, device)) is not None:  # else another worker was first
            return run
    return None


def beat(
    session: Session,
    run_id: int,
    claim: str,
    *,
    step: int | None = None,
    total_steps: int | None = None,
    unit: str | None = None,
    steps_per_second: float | None = None,
    metrics: Sequence[tuple[str, int, float]] = (),
    samples: Sequence[dict[str, Any]] = (),
) -> RunState | None:
    """Say that the worker is alive and how far it is; commit soon, or nobody sees it.

    Returns the state: CANCELLING asks to stop at a step boundary; None says that the claim is lost and all work must
    stop at once. Metrics (name, step, value) are upserted and samples ({"step", "prompt", "response"}, optional
    "score", "details") added once, so that an attempt that goes back to a checkpoint repeats nothing.
    The step shown is the highest of all attempts; only attempts that bring the run no further are counted together.
    """
    given = {"step": step, "total_steps": total_steps, "unit": unit, "steps_per_second": steps_per_second}
    news = {name: value for name, value in given.items() if value is not None}
    state = states.touch(session, run_id, claim, news, ATTEMPTS)
    if state is None:
        return None
    if metrics:
        figures.add_metrics(session, run_id, metrics)
    if samples:
        figures.add_samples(session, run_id, samples)
    return state


def hold(session: Session, run_id: int, claim: str) -> Run | None:
    """The run, locked until the transaction ends, so that what is written beside it is written under the claim; None
    when the claim is lost."""
    return states.hold(session, run_id, claim)


def move(session: Session, run_id: int, claim: str, name: str) -> Run | None:
    """From now on the run is worked on in this folder inside its own; None when the claim is lost."""
    run = states.hold(session, run_id, claim)
    if run is not None:
        run.workspace = name
        session.flush()
    return run


def finish(
    session: Session,
    run_id: int,
    claim: str,
    state: RunState,
    *,
    summary: RunSummary | None = None,
    error: str | None = None,
) -> Run | None:
    """End a run as succeeded, failed (with a sentence) or cancelled; None when the claim is lost."""
    if state not in ENDED:
        raise ValueError(f"a run cannot end as {state}")
    values: dict[str, Any] = {"state": state, "error": error, "ended_at": func.clock_timestamp()}
    if summary is not None:
        values["summary"] = summary
    return tell_model(session, states.end(session, run_id, claim, values))


def release(session: Session, run_id: int, claim: str, *, later: bool = False) -> Run | None:
    """Give a run back that this worker cannot go on with: the attempt does not count. `later`: nobody can now, so it
    waits for `RESEND_AFTER`, and lets others go before it. A run that is being cancelled is cancelled."""
    state = states.touch(session, run_id, claim, {})
    if state is None:
        return None
    if state is RunState.CANCELLING:
        return finish(session, run_id, claim, RunState.CANCELLED)
    back = {"state": RunState.QUEUED, "attempt": Run.attempt - 1, "steps_per_second": None}
    if later:
        back["not_before"] = func.clock_timestamp() + RESEND_AFTER
    run = states.end(session, run_id, claim, back | {"sent_at": func.clock_timestamp()})
    if run is not None and not later:
        send(session, run)
    return run


def requeue_stale(session: Session, older_than: timedelta) -> list[int]:
    """Take runs from workers that fell silent; the ids of those that are queued again."""
    requeued = []
    for run in states.requeue_stale(session, older_than):
        log.warning("run %d: no sign of life from %s, now %s", run.id, run.worker, run.state.value)
        tell_model(session, run)
        if run.state is RunState.QUEUED:
            send(session, run)
            requeued.append(run.id)
    return requeued


def resend_queued(session: Session, older_than: timedelta = RESEND_AFTER) -> list[int]:
    """Send queued runs whose message may be lost; a doubled message does no harm, since only one claim succeeds."""
    unsent = states.take_unsent(session, older_than)
    for run in unsent:
        send(session, run)
    return [run.id for run in unsent]
