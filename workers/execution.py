"""Execute a run: claim it, do what its kind asks, write down how it ended."""

import logging
from collections.abc import Callable
from threading import Event
from typing import Any

from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from app.db import task_session
from app.models import Run, RunKind, RunState
from app.runs import service
from app.web.errors import Refused
from workers import sampling, training
from workers.attempt import Attempt, Cancelled, ClaimLost, Failed, Released, prepare_folder
from workers.outcome import Outcome

log = logging.getLogger(__name__)

KINDS: dict[RunKind, Callable[[Attempt], Outcome]] = {
    RunKind.SAMPLING: sampling.sample_pairs,
    RunKind.EVALUATION: sampling.evaluate,
    RunKind.REWARD: training.train_reward,
    RunKind.POLICY: training.train_policy,
}


def execute(run_id: int, worker: str, device: str, stopping: Event) -> RunState | None:
    """Execute the run whose turn it is in the queue of `run_id`; the state it was left in, None where there is none."""
    if stopping.is_set():
        return None  # the message comes again to the next worker
    with task_session() as session:
        run = service.claim_turn(session, run_id, worker, device)
    if run is None or run.claim is None:
        return None
    run_id = run.id
    attempt = Attempt(run_id, run.claim, stopping)
    log.info("run %d (%s): attempt %d", run_id, run.kind.value, run.attempt)
    try:
        prepare_folder(attempt.folder)
        outcome = KINDS[run.kind](attempt)
        return _end(attempt, lambda session: _succeed(session, attempt, outcome))
    except Released:
        log.info("run %d: given back, since this worker stops", run_id)
        return _end(attempt, lambda session: service.release(session, run_id, attempt.claim))
    except Cancelled:
        log.info("run %d: cancelled", run_id)
        return _end(attempt, lambda session: _finish(session, attempt, RunState.CANCELLED))
    except ClaimLost:
        log.warning("run %d: another worker has it now", run_id)
        return None
    except (Failed, Refused) as error:
        return _fail(attempt, str(error))
    except OSError as error:
        return _fail(attempt, f"The store could not be used: {error.strerror or error} ({error.filename}).")
    except Exception as error:
        log.exception("run %d failed unexpectedly", run_id)
        return _fail(attempt, f"An unexpected {type(error).__name__} in the worker; its log has the details.")


def _succeed(session: Session, attempt: Attempt, outcome: Outcome) -> Run | None:
    run = _finish(session, attempt, RunState.SUCCEEDED, summary=outcome.summary)
    if run is not None:
        outcome.record(session, run)
    return run


def _fail(attempt: Attempt, reason: str) -> RunState | None:
    log.warning("run %d failed: %s", attempt.run_id, reason)
    return _end(attempt, lambda session: _finish(session, attempt, RunState.FAILED, error=reason))


def _finish(session: Session, attempt: Attempt, state: RunState, **more: Any) -> Run | None:
    return service.finish(session, attempt.run_id, attempt.claim, state, **more)


def _end(attempt: Attempt, write: Callable[[Session], Run | None]) -> RunState | None:
    """Write the end in one transaction, trying for a minute while the database is away."""
    for remaining in range(12, -1, -1):
        try:
            with task_session() as session:
                run = write(session)
            return run.state if run else None
        except OperationalError as error:
            if not remaining or attempt.stopping.is_set():  # its silence gives the run to another worker
                raise
            log.warning("run %d: the database is away, its end is kept: %s", attempt.run_id, error.orig)
            attempt.stopping.wait(5)
    raise AssertionError("unreachable")
