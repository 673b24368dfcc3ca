"""The rules of long jobs, as people meet them: how a run is queued, cancelled, taken up again, copied and deleted.

This module does not know what a kind of run does.
"""

from datetime import timedelta

from sqlalchemy import func
from sqlalchemy.orm import Session

from app import logs
from app.accounts import audit
from app.methods import title_of
from app.models import Model, Project, Run, RunConfig, RunKind, RunState, Snapshot, User
from app.quotas import service as quotas
from app.registry import service as registry
from app.runs import queries, states
from app.runs.folders import folder
from app.runs.forms import RunConditions, RunWords
from app.runs.queueing import RESUMABLE, send, tell_model
from app.settings import get_settings
from app.web import rate_limits
from app.web.errors import Conflict, NotAllowed, NotFound

ENDED = (RunState.SUCCEEDED, RunState.FAILED, RunState.CANCELLED)
ATTEMPTS = 3


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
        _require_room(session, project.id if project else None, created_by, config.kind, method)
    if project is not None and not automatic:
        _require_quota(session, project.id, config.kind)
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
    send(session, run)
    details = {"automatic": automatic} | ({"method": method} if method else {})
    audit.record(session, created_by, f"{run.kind.value}_run.queued", project_id=run.project_id, subject=run, **details)
    return run


def name_of(kind: RunKind, method: str | None) -> str:
    """What such runs are called, in the singular."""
    return title_of(method) if method else kind.value.capitalize()


def _require_room(
    session: Session, project_id: int | None, who: User | None, kind: RunKind, method: str | None
) -> None:
    """Let one transaction at a time ask for a run of this project, and refuse one too many."""
    settings = get_settings()
    if who is not None:
        reached = f"You have begun {settings.runs_per_hour:,} runs in the last hour, as many as one person may."
        rate_limits.hit(f"{settings.runs_per_hour}/hour", "runs", str(who.id), reached=reached)
    if project_id is None:
        return
    queries.lock_starts(session, project_id)
    if kind in queries.READ_LABELS and (gone := queries.people_going(session, project_id)):
        raise Conflict(
            f"The labels of person {gone[0]} are being deleted. Start again once that is done: administrators see "
            "under Users how many are left."
        )
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


def _require_quota(session: Session, project_id: int, kind: RunKind, *, new: bool = True) -> None:
    """Refuse what the project's quotas leave no room for. What takes an import back makes room. What the platform
    starts asks before: and what belongs to a training that is done is not kept from it."""
    if kind is not RunKind.UNDO and (refusal := quotas.refusal(session, project_id, new=new)) is not None:
        raise refusal


def request_cancel(session: Session, actor: User | None, run: Run) -> Run:
    """Cancel a waiting run at once; ask a running one to stop at its next step, keeping its checkpoint."""
    _require_own(run, actor, "cancel")
    changed = states.change(
        session, run.id, [RunState.QUEUED], {"state": RunState.CANCELLED, "ended_at": func.clock_timestamp()}
    ) or states.change(session, run.id, [RunState.RUNNING], {"state": RunState.CANCELLING})
    if changed is None:
        raise Conflict(f"Run {run.id} cannot be cancelled: it is {current(session, run).state.value}.")
    tell_model(session, changed)
    audit.record(session, actor, "run.cancelled", project_id=run.project_id, subject=changed)
    return changed


def resume(session: Session, actor: User | None, run: Run) -> Run:
    """Queue a failed or cancelled run again; it goes on from its last checkpoint, with fresh attempts."""
    if current(session, run).state in RESUMABLE:
        _require_room(session, run.project_id, actor, run.kind, run.method)
        if run.project_id is not None:
            _require_quota(session, run.project_id, run.kind, new=False)
    values = {
        "state": RunState.QUEUED,
        "error": None,
        "ended_at": None,
        "max_attempts": Run.attempt + ATTEMPTS,
        "request_id": logs.request_id(),
        "sent_at": func.clock_timestamp(),
    }
    changed = states.change(session, run.id, RESUMABLE, values)
    if changed is None:
        raise Conflict(
            f"Run {run.id} is {current(session, run).state.value}; only a failed or cancelled run can be resumed."
        )
    send(session, changed)
    tell_model(session, changed)
    audit.record(session, actor, "run.resumed", project_id=run.project_id, subject=changed)
    return changed


def clone(session: Session, actor: User | None, run: Run) -> Run:
    """Queue a new run with the same inputs and settings. Responses are sampled anew: those of the same seed are
    there."""
    if run.kind is RunKind.PREPARATION:
        raise Conflict(f"Run {run.id} is not copied: a model is prepared once. Resume it instead.")
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


def words_of(run: Run) -> dict[str, str]:
    """A run's name, tags and note as its form has them."""
    return {"name": run.name, "tags": ", ".join(run.tags), "note": run.note}


def describe(session: Session, actor: User, run: Run, words: RunWords) -> None:
    """Give a run the name, the tags and the note that are said, and leave what is not said."""
    _require_own(run, actor, "describe")
    said = {name: getattr(words, name) for name in RunWords.model_fields if name in words.model_fields_set}
    changed = {name: value for name, value in said.items() if getattr(run, name) != value}
    for name, value in changed.items():
        setattr(run, name, value)
    if changed:
        audit.record(
            session, actor, "run.described", project_id=run.project_id, subject=run, changed=", ".join(changed)
        )


def project_of(run: Run) -> int:
    """The project of a run that belongs to one."""
    if run.project_id is None:
        raise ValueError(f"run {run.id} belongs to no project")
    return run.project_id


def get(session: Session, project: Project, run_id: int) -> Run:
    """A run that this project's managers see; NotFound for any other."""
    run = queries.get(session, run_id)
    shared = run is not None and run.project_id is None and run.model_id == project.base_model_id
    if run is None or (run.project_id != project.id and not shared):
        raise NotFound(f"There is no run {run_id} in this project.")
    return run


def find(session: Session, user: User, run_id: int) -> Run:
    """A run of any project that this person manages; of administrators any run. NotFound for any other."""
    run = session.scalar(queries.runs_for(user, RunConditions()).all.where(Run.id == run_id))
    if run is None:
        raise NotFound(f"There is no run {run_id}, or it is in a project that you do not manage.")
    return run


def _require_own(run: Run, actor: User | None, what: str) -> None:
    if run.project_id is None and actor is not None and not actor.is_admin:
        raise NotAllowed(f"Only an administrator may {what} this run: other projects wait for the base model too.")


def delete(session: Session, actor: User | None, run: Run) -> None:
    """Delete an ended run with its folder. Refused where responses or models would lose their origin."""
    _require_own(run, actor, "delete")
    if run.state not in ENDED:
        raise Conflict(f"Run {run.id} is {run.state.value}. Cancel it first.")
    prompts, responses, items, models = queries.dependents(session, run.id)
    if run.kind is RunKind.IMPORT and (prompts or items):
        raise Conflict(f"Run {run.id} cannot be deleted: what it brought names it. Undo the import first.")
    if responses or items:
        raise Conflict(f"Run {run.id} cannot be deleted: {responses} answers come from it, and their labels name them.")
    if models:
        raise Conflict(f"Run {run.id} cannot be deleted: it made a model. Retire the model to free its space.")
    audit.record(session, actor, "run.deleted", project_id=run.project_id, subject=run, kind=run.kind.value)
    registry.delete_after_commit(session, folder(run.id))
    quotas.freed(session, run.project_id)
    queries.delete(session, run)


def delete_files(session: Session, kind: RunKind, older_than: timedelta) -> None:
    """Delete what runs of a kind left in their folders that ended so long ago; the runs themselves stay."""
    for run in queries.ended_with_files(session, kind, older_than):
        registry.delete_after_commit(session, folder(run.id))
        run.workspace = None


def current(session: Session, run: Run) -> Run:
    """The run as the database has it now."""
    session.refresh(run)
    return run
