"""A run's way to the workers, and what its model is told of its state."""

from sqlalchemy.orm import Session

from app import jobs
from app.models import Run, RunKind, RunState
from app.registry import service as registry
from app.runs import queries

TASK = "hone.execute_run"
RESUMABLE = (RunState.FAILED, RunState.CANCELLED)


def queue_of(run: Run) -> str:
    """The Celery queue that serves the run: gpu where one was asked for, else by the kind of work."""
    if run.needs_gpu:
        return "gpu"
    return next(queue for queue, kinds in queries.QUEUES.items() if run.kind in kinds)


def send(session: Session, run: Run) -> None:
    """Tell the workers of a queued run, once the transaction has committed."""
    jobs.enqueue(session, TASK, run.id, queue=queue_of(run))


def tell_model(session: Session, run: Run | None) -> Run | None:
    """A base model that is being prepared is as its run is; what a run that succeeded made is recorded with it."""
    if run is not None and run.kind is RunKind.PREPARATION:
        if run.state in RESUMABLE:
            registry.failed(session, run.model, run.error or "Its preparation was cancelled.")
        elif run.state is RunState.QUEUED:
            registry.preparing(session, run.model)
    return run
