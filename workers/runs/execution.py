"""Execute a run: claim it, do what its kind asks, write down how it ended."""

import logging
from collections.abc import Callable
from contextlib import suppress
from threading import Event
from typing import Any

from sqlalchemy.orm import Session

from app import extensions, logs
from app.models import Run, RunKind, RunState
from app.runs import folders, work
from app.web.errors import Refused
from rlhf.lease import clock
from workers.runs import exporting, importing, preparation, sampling, training, workspace
from workers.runs.attempt import AWAY, Attempt, Cancelled, ClaimLost, Failed, Released, brief_session
from workers.runs.outcome import Outcome

log = logging.getLogger(__name__)

KINDS: dict[RunKind, Callable[[Attempt], Outcome]] = {
    RunKind.PREPARATION: preparation.prepare,
    RunKind.SAMPLING: sampling.sample_items,
    RunKind.TRAINING: training.train,
    RunKind.SCORING: sampling.score,
    RunKind.EVALUATION: sampling.evaluate,
    RunKind.IMPORT: importing.bring_in,
    RunKind.UNDO: importing.undo,
    RunKind.EXPORT: exporting.export,
}
extensions.load()


def execute(run_id: int, worker: str, device: str, stopping: Event) -> RunState | None:
    """Execute the run whose turn it is in the queue of `run_id`; the state it was left in, None where there is none."""
    if stopping.is_set():
        return None  # the message comes again to the next worker
    since = clock()
    with brief_session() as session:
        run = work.claim_turn(session, run_id, worker, device)
    return None if run is None else work_on(run, stopping, since)


def work_on(run: Run, stopping: Event, since: float) -> RunState | None:
    """Do what a run that was claimed at the time `since` of `rlhf.lease.clock`, or later, asks for."""
    with logs.for_run(run.id, run.request_id):
        return _attempt(run, stopping, since)


def _attempt(run: Run, stopping: Event, since: float) -> RunState | None:
    run_id = run.id
    attempt = Attempt(run, stopping, since)
    log.info("run %d (%s): attempt %d", run_id, run.method or run.kind.value, run.attempt)
    try:
        attempt.begin()
        outcome = KINDS[run.kind](attempt)
        state = _end(attempt, lambda session: _succeed(session, attempt, outcome))
        if state is RunState.SUCCEEDED:
            _tidy(attempt, outcome)
        return state
    except Released as given:
        log.info("run %d: given back: %s", run_id, given)
        later = given.later
        return _end(attempt, lambda session: work.release(session, run_id, attempt.claim, later=later))
    except Cancelled:
        log.info("run %d: cancelled", run_id)
        return _end(attempt, lambda session: _finish(session, attempt, RunState.CANCELLED))
    except ClaimLost:
        log.warning("run %d: another worker has it now", run_id)
        return None
    except (Failed, Refused) as error:
        return _fail(attempt, str(error))
    except AWAY as error:
        log.warning("run %d: the database is away; the run's silence gives it to a worker: %s", run_id, error.orig)
        return None
    except OSError as error:
        where = f" ({error.filename})" if error.filename else ""
        return _fail(attempt, f"The store could not be used: {error.strerror or error}{where}.")
    except Exception as error:
        log.exception("run %d failed unexpectedly", run_id)
        return _fail(attempt, f"An unexpected {type(error).__name__} in the worker; its log has the details.")


def _succeed(session: Session, attempt: Attempt, outcome: Outcome) -> Run | None:
    run = _finish(session, attempt, RunState.SUCCEEDED, summary=outcome.summary)
    if run is not None:
        outcome.record(session, run)
    return run


def _tidy(attempt: Attempt, outcome: Outcome) -> None:
    """Delete what the run needs no more, now that it has ended for good. What cannot be deleted only takes space."""
    with suppress(OSError):
        workspace.keep_only(folders.folder(attempt.run_id), attempt.name)
        outcome.tidy()


def _fail(attempt: Attempt, reason: str) -> RunState | None:
    log.warning("run %d failed: %s", attempt.run_id, reason)
    return _end(attempt, lambda session: _finish(session, attempt, RunState.FAILED, error=reason))


def _finish(session: Session, attempt: Attempt, state: RunState, **more: Any) -> Run | None:
    return work.finish(session, attempt.run_id, attempt.claim, state, **more)


def _end(attempt: Attempt, write: Callable[[Session], Run | None]) -> RunState | None:
    """Write the end in one transaction."""

    def end() -> Run | None:
        with brief_session() as session:
            return write(session)

    run = attempt.insist(end)
    return run.state if run else None
