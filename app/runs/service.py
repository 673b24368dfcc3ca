"""The rules of long jobs: how a run is queued, claimed, kept alive, ended, cancelled and taken up again.

The row is the queue. A message on the broker only says "look at this run"; whoever gets it must win the claim first,
and every later write names that claim, so that a worker that was given up cannot spoil its successor's work. This
module does not know what a kind of run does.
"""

import logging
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from secrets import token_hex
from typing import Any

from sqlalchemy import func
from sqlalchemy.orm import Session

from app import jobs
from app.accounts import audit
from app.methods import title_of
from app.models import Model, Project, Run, RunConfig, RunKind, RunState, Snapshot, User
from app.models.documents import RunSummary
from app.registry import service as registry
from app.runs import queries
from app.settings import get_settings
from app.web import rate_limits
from app.web.errors import Conflict, NotAllowed, NotFound

log = logging.getLogger(__name__)

TASK = "hone.execute_run"
ENDED = (RunState.SUCCEEDED, RunState.FAILED, RunState.CANCELLED)
RESUMABLE = (RunState.FAILED, RunState.CANCELLED)
ATTEMPTS = 3
# A queued run is sent again after this long, in case its message was lost with the broker's memory.
RESEND_AFTER = timedelta(seconds=30)


def create(
    session: Session,
    project: Project | None,
    config: RunConfig,
    *,
    model: Model | None = None,
    method: str | None = None,
    reward_model: Model | None = None,
    baseline: Model | None = None,
    snapshot: Snapshot | None = None,
    created_by: User | None = None,
    automatic: bool = False,
    needs_gpu: bool = False,
    parent: Run | None = None,
) -> Run:
    """Queue a run; it is sent to the workers once the transaction has committed.

    Raises Conflict or TooMany where the project or the person has as many as may be. What follows a training by itself
    always has a place: there is one of it for each.
    """
    if not automatic or config.kind in queries.TRAINING_QUEUE:
        _require_room(session, project.id if project else None, config.kind, method, created_by)
    run = Run(
        project_id=project.id if project else None,
        kind=config.kind,
        method=method,
        state=RunState.QUEUED,
        config=config,
        model_id=model.id if model else None,
        reward_model_id=reward_model.id if reward_model else None,
        baseline_id=baseline.id if baseline else None,
        snapshot_id=snapshot.id if snapshot else None,
        created_by_id=created_by.id if created_by else None,
        automatic=automatic,
        needs_gpu=needs_gpu,
        max_attempts=ATTEMPTS,
        parent_id=parent.id if parent else None,
        sent_at=func.clock_timestamp(),
    )
    session.add(run)
    session.flush()
    session.refresh(run)
    _send(session, run)
    details = {"automatic": automatic} | ({"method": method} if method else {})
    audit.record(session, created_by, f"{run.kind.value}_run.queued", project_id=run.project_id, subject=run, **details)
    return run


def name_of(kind: RunKind, method: str | None) -> str:
    """What such runs are called, in the singular."""
    return title_of(method) if method else kind.value.capitalize()


def _require_room(
    session: Session, project_id: int | None, kind: RunKind, method: str | None, who: User | None
) -> None:
    """Let one transaction at a time ask for a run of this project, and refuse one too many."""
    settings = get_settings()
    if who is not None:
        rate_limits.hit(f"{settings.runs_per_hour}/hour", "runs", str(who.id))
    if project_id is None:
        return
    queries.lock_starts(session, project_id)
    most = settings.trainings_per_project if kind in queries.TRAINING_QUEUE else settings.runs_per_project
    busy = queries.active(session, project_id, kind, method)
    if len(busy) < most:
        return
    name = name_of(kind, method)
    if len(busy) == 1:
        raise Conflict(f"{name} is running already (run {busy[0].id}). Cancel it, or wait until it ends.")
    raise Conflict(
        f"{name}: {len(busy)} runs of this project are queued or running, as many as it may have. "
        "Wait until one ends, or cancel one."
    )


def queue_of(run: Run) -> str:
    """The Celery queue that serves the run: gpu where one was asked for, else by the kind of work."""
    if run.needs_gpu:
        return "gpu"
    return next(queue for queue, kinds in queries.QUEUES.items() if run.kind in kinds)


def folder(run_id: int) -> Path:
    """The run's folder, in which each attempt has one of its own."""
    return get_settings().store / "runs" / str(run_id)


def workspace(run: Run) -> Path:
    """Where the run's inputs, log, checkpoints and results are: the folder of the last attempt that began to work."""
    return folder(run.id) / (run.workspace or "")


def log_tail(run: Run, octets: int = 8_000) -> str | None:
    """The end of the run's log, from a whole line on; None where there is none yet."""
    try:
        with (workspace(run) / "log.txt").open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - octets))
            text = file.read().decode(errors="replace")
    except OSError:
        return None
    # A progress bar draws over itself with carriage returns: of each line the last drawing is kept.
    lines = [line.rstrip("\r").rsplit("\r", 1)[-1] for line in text.split("\n")]
    return "\n".join(lines[1:] if size > octets and len(lines) > 1 else lines)


def claim(session: Session, run_id: int, worker: str, device: str) -> Run | None:
    """Take a queued run for `worker`; None when it is not queued, e.g. for the second delivery of a message."""
    return queries.claim(session, run_id, token_hex(16), worker[:200], device[:100])


def claim_turn(session: Session, run_id: int, worker: str, device: str) -> Run | None:
    """Take the run whose turn it is in the queue of run `run_id`, of which a message has come: of the project with the
    fewest runs at work there, then of the one that has waited longest. None when nothing is queued there."""
    while (turn := queries.whose_turn(session, run_id)) is not None:
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
    state = queries.touch(session, run_id, claim, news, ATTEMPTS)
    if state is None:
        return None
    if metrics:
        queries.add_metrics(session, run_id, metrics)
    if samples:
        queries.add_samples(session, run_id, samples)
    return state


def hold(session: Session, run_id: int, claim: str) -> Run | None:
    """The run, locked until the transaction ends, so that what is written beside it is written under the claim; None
    when the claim is lost."""
    return queries.hold(session, run_id, claim)


def move(session: Session, run_id: int, claim: str, name: str) -> Run | None:
    """From now on the run is worked on in this folder inside its own; None when the claim is lost."""
    run = queries.hold(session, run_id, claim)
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
    return _tell_model(session, queries.end(session, run_id, claim, values))


def release(session: Session, run_id: int, claim: str, *, later: bool = False) -> Run | None:
    """Give a run back that this worker cannot go on with: the attempt does not count. `later`: nobody can now, so it
    waits for `RESEND_AFTER`, and lets others go before it. A run that is being cancelled is cancelled."""
    state = queries.touch(session, run_id, claim, {})
    if state is None:
        return None
    if state is RunState.CANCELLING:
        return finish(session, run_id, claim, RunState.CANCELLED)
    back = {"state": RunState.QUEUED, "attempt": Run.attempt - 1, "steps_per_second": None}
    if later:
        back["not_before"] = func.clock_timestamp() + RESEND_AFTER
    run = queries.end(session, run_id, claim, back | {"sent_at": func.clock_timestamp()})
    if run is not None and not later:
        _send(session, run)
    return run


def requeue_stale(session: Session, older_than: timedelta) -> list[int]:
    """Take runs from workers that fell silent; the ids of those that are queued again."""
    requeued = []
    for run in queries.requeue_stale(session, older_than):
        log.warning("run %d: no sign of life from %s, now %s", run.id, run.worker, run.state.value)
        _tell_model(session, run)
        if run.state is RunState.QUEUED:
            _send(session, run)
            requeued.append(run.id)
    return requeued


def resend_queued(session: Session, older_than: timedelta = RESEND_AFTER) -> list[int]:
    """Send queued runs whose message may be lost; a doubled message does no harm, since only one claim succeeds."""
    unsent = queries.take_unsent(session, older_than)
    for run in unsent:
        _send(session, run)
    return [run.id for run in unsent]


def request_cancel(session: Session, run: Run, actor: User | None) -> Run:
    """Cancel a waiting run at once; ask a running one to stop at its next step, keeping its checkpoint."""
    _require_own(run, actor, "cancel")
    changed = queries.change(
        session, run.id, [RunState.QUEUED], {"state": RunState.CANCELLED, "ended_at": func.clock_timestamp()}
    ) or queries.change(session, run.id, [RunState.RUNNING], {"state": RunState.CANCELLING})
    if changed is None:
        raise Conflict(f"Run {run.id} cannot be cancelled: it is {current(session, run).state.value}.")
    _tell_model(session, changed)
    audit.record(session, actor, "run.cancelled", project_id=run.project_id, subject=changed)
    return changed


def resume(session: Session, run: Run, actor: User | None) -> Run:
    """Queue a failed or cancelled run again; it goes on from its last checkpoint, with fresh attempts."""
    if current(session, run).state in RESUMABLE:
        _require_room(session, run.project_id, run.kind, run.method, actor)
    values = {
        "state": RunState.QUEUED,
        "error": None,
        "ended_at": None,
        "max_attempts": Run.attempt + ATTEMPTS,
        "sent_at": func.clock_timestamp(),
    }
    changed = queries.change(session, run.id, RESUMABLE, values)
    if changed is None:
        raise Conflict(
            f"Run {run.id} is {current(session, run).state.value}; only a failed or cancelled run can be resumed."
        )
    _send(session, changed)
    _tell_model(session, changed)
    audit.record(session, actor, "run.resumed", project_id=run.project_id, subject=changed)
    return changed


def clone(session: Session, run: Run, actor: User | None) -> Run:
    """Queue a new run with the same inputs and settings. Responses are sampled anew: those of the same seed are
    there."""
    if run.project_id is None:
        raise Conflict(f"Run {run.id} is not copied: a base model is prepared once, for everybody. Resume it instead.")
    return create(
        session,
        session.get_one(Project, run.project_id),
        run.config.again(),
        model=run.model,
        method=run.method,
        reward_model=run.reward_model,
        baseline=run.baseline,
        snapshot=run.snapshot,
        created_by=actor,
        needs_gpu=run.needs_gpu,
        parent=run,
    )


def project_of(run: Run) -> int:
    """The project of a run that belongs to one."""
    if run.project_id is None:
        raise ValueError(f"run {run.id} belongs to no project")
    return run.project_id


def get(session: Session, project: Project, run_id: int) -> Run:
    """A run that this project's managers see; NotFound for any other."""
    run = queries.get(session, run_id)
    if run is None:
        raise NotFound()
    shared = run.project_id is None and run.model_id == project.base_model_id
    if run.project_id != project.id and not shared:
        raise NotFound()
    return run


def _require_own(run: Run, actor: User | None, what: str) -> None:
    if run.project_id is None and actor is not None and not actor.is_admin:
        raise NotAllowed(f"Only an administrator may {what} this run: other projects wait for the base model too.")


def _tell_model(session: Session, run: Run | None) -> Run | None:
    """A base model that is being prepared is as its run is; what a run that succeeded made is recorded with it."""
    if run is not None and run.kind is RunKind.PREPARATION:
        if run.state in RESUMABLE:
            registry.failed(session, run.model, run.error or "Its preparation was cancelled.")
        elif run.state is RunState.QUEUED:
            registry.preparing(session, run.model)
    return run


def delete(session: Session, run: Run, actor: User | None) -> None:
    """Delete an ended run with its folder. Refused where answers or models would lose their origin."""
    _require_own(run, actor, "delete")
    if run.state not in ENDED:
        raise Conflict(f"Run {run.id} is {run.state.value}. Cancel it first.")
    prompts, answers, items, models = queries.dependents(session, run.id)
    if run.kind is RunKind.IMPORT and (prompts or items):
        raise Conflict(f"Run {run.id} cannot be deleted: what it brought names it. Undo the import first.")
    if answers or items:
        raise Conflict(f"Run {run.id} cannot be deleted: {answers} answers come from it, and their labels name them.")
    if models:
        raise Conflict(f"Run {run.id} cannot be deleted: it made a model. Archive the model to free its space.")
    audit.record(session, actor, "run.deleted", project_id=run.project_id, subject=run, kind=run.kind.value)
    registry.delete_after_commit(session, folder(run.id))
    queries.delete(session, run)


def current(session: Session, run: Run) -> Run:
    """The run as the database has it now."""
    session.refresh(run)
    return run


def _send(session: Session, run: Run) -> None:
    jobs.enqueue(session, TASK, run.id, queue=queue_of(run))
