"""The SQL that finds runs."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, and_, func, or_, select, text, update
from sqlalchemy.orm import Session, selectinload

from app.models import Item, Member, Model, Project, Prompt, Response, Role, Run, RunKind, RunState, User
from app.runs.forms import RunConditions
from app.web.tables import Found

ACTIVE = (RunState.QUEUED, RunState.RUNNING, RunState.CANCELLING)
TRAINING_QUEUE = (RunKind.TRAINING,)
FILES_QUEUE = (RunKind.IMPORT, RunKind.UNDO, RunKind.EXPORT)
READ_LABELS = (RunKind.TRAINING, RunKind.SCORING, RunKind.EXPORT)
SAMPLING_QUEUE = tuple(kind for kind in RunKind if kind not in (*TRAINING_QUEUE, *FILES_QUEUE))
QUEUES = {"sampling": SAMPLING_QUEUE, "training": TRAINING_QUEUE, "files": FILES_QUEUE}


def get(session: Session, run_id: int) -> Run | None:
    """One run as the database has it now."""
    return session.get(Run, run_id, populate_existing=True)


def lock_starts(session: Session, project_id: int) -> None:
    """Let one transaction at a time start runs of this project."""
    session.execute(text("select pg_advisory_xact_lock(hashtext('hone.start'), :project)"), {"project": project_id})


def people_going(session: Session, project_id: int) -> Sequence[int]:
    """The people whose labels are being deleted and who had some in this project, see `app.erasing`."""
    found = select(User.id).join(Project, Project.labels_deleted_at >= User.labels_go_since)
    return session.scalars(found.where(Project.id == project_id).order_by(User.id)).all()


def ended_with_files(session: Session, kind: RunKind, older_than: timedelta) -> Sequence[Run]:
    """Runs of a kind that ended so long ago and have a folder; nobody resumes them meanwhile."""
    ended = Run.state.in_((RunState.SUCCEEDED, RunState.FAILED, RunState.CANCELLED))
    old = Run.ended_at < func.clock_timestamp() - older_than
    statement = select(Run).where(Run.kind == kind, ended, old, Run.workspace.is_not(None)).limit(100)
    return session.scalars(statement.with_for_update(skip_locked=True)).all()


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


def last(session: Session, project_id: int, method: str) -> Run | None:
    """The training that was started last by a method."""
    found = select(Run).where(_of(project_id, RunKind.TRAINING, method)).order_by(Run.id.desc()).limit(1)
    return session.scalar(found)


def timed(session: Session, project: Project, method: str) -> list[Run]:
    """The last few runs of a method that succeeded at the first attempt, newest first: the project's own, or else those
    of other projects that trained the same model."""
    ended = select(Run).where(
        Run.kind == RunKind.TRAINING, Run.method == method, Run.state == RunState.SUCCEEDED, Run.attempt == 1,
        Run.started_at.is_not(None), Run.ended_at.is_not(None),
    ).options(selectinload(Run.snapshot)).order_by(Run.id.desc()).limit(5)  # fmt: skip
    own = session.scalars(ended.where(Run.project_id == project.id)).all()
    return list(own or session.scalars(ended.where(Run.model_id == project.base_model_id)))


def last_succeeded(session: Session, project_id: int, kind: RunKind) -> int:
    """The number of the project's newest run of a kind that has succeeded; 0 where none has."""
    found = select(func.max(Run.id)).where(_of(project_id, kind, None), Run.state == RunState.SUCCEEDED)
    return session.scalar(found) or 0


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


def runs_of(project: Project, wanted: RunConditions) -> Found[Run]:
    """The runs that a project's managers see and that are meant, with what a list shows of them."""
    return Found(select(Run).where(seen_by(project)), _conditions(wanted), _SHOWN)


def runs_for(user: User, wanted: RunConditions) -> Found[Run]:
    """The same of all projects that a person manages; of administrators all there are."""
    managed = select(Member.project_id).where(
        Member.user_id == user.id, Member.role == Role.MANAGER, Member.removed_at.is_(None)
    )
    gone = select(Project.id).where(Project.goes_since.is_not(None))
    all_ = or_(Run.project_id.is_(None), Run.project_id.not_in(gone))
    seen = all_ if user.is_admin else Run.project_id.in_(managed)
    return Found(select(Run).where(seen), _conditions(wanted))


def _conditions(wanted: RunConditions) -> list[ColumnElement[bool]]:
    given = ((Run.kind, wanted.kind), (Run.method, wanted.method), (Run.state, wanted.state))
    conditions = [attribute == value for attribute, value in given if value is not None]
    if wanted.tag is not None:
        conditions.append(Run.tags.contains([wanted.tag]))
    if wanted.search:
        conditions.append(or_(*(text.icontains(wanted.search, autoescape=True) for text in (Run.name, Run.note))))
    return conditions


def tags_of(session: Session, project: Project) -> list[str]:
    """All tags of the runs that a project's managers see, in order."""
    tag = func.unnest(Run.tags).label("tag")
    return list(session.scalars(select(tag).where(seen_by(project)).distinct().order_by(tag)))


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


def dependents(session: Session, run_id: int) -> tuple[int, int, int, int]:
    """(prompts, responses, items, models) that a run made or brought and that would lose their origin with it."""
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
