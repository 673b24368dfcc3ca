"""A project is deleted for good, with its files. It writes the tables of every stage: foreign keys between them allow
one order only."""

from sqlalchemy import func, select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app.accounts import audit
from app.imports import files
from app.models import Label, Model, Project, Run, User
from app.registry import service as registry
from app.runs import folders, queries
from app.settings import get_settings
from app.web.errors import Conflict

# What is not named here goes with the row that it hangs on. Models and runs name each other, and a project its policy
# and its instructions: those ties are cut first.
_IN_ORDER = (
    "update project set policy_id = base_model_id, instructions_id = null where id = :project",
    "delete from conversation where project_id = :project",
    "delete from item where project_id = :project",
    "delete from prompt where project_id = :project",
    "update model set run_id = null where project_id = :project",
    "delete from run where project_id = :project",
    "delete from snapshot where project_id = :project",
    "delete from live_head where project_id = :project",
    "delete from model where project_id = :project",
    "delete from audit_event where project_id = :project",
    # They repeat what calls have answered.
    """delete from idempotency_key where user_id in (select user_id from member where project_id = :project)
        or user_id in (select id from "user" where is_admin)""",
    "delete from project where id = :project",
)


def counts(session: Session, project: Project) -> dict[str, int]:
    """What would go."""
    found = {}
    for name, table in (("labels", Label), ("runs", Run), ("models", Model)):
        found[name] = session.scalar(select(func.count()).where(table.project_id == project.id)) or 0
    return found


def erase(session: Session, project: Project, actor: User | None) -> None:
    """Delete an archived project, of which nothing stays but an audit event with its number. Raises Conflict."""
    if project.archived_at is None:
        raise Conflict(f"Project {project.id} is in use. Archive it first; then it can be deleted.")
    queries.lock_starts(session, project.id)  # nobody queues a run meanwhile
    of_project = select(Run).where(Run.project_id == project.id)
    runs = session.scalars(of_project).all()
    if busy := [run.id for run in runs if run.state in queries.ACTIVE]:
        raise Conflict(f"Run {busy[0]} of this project is queued or at work. Cancel it, and wait until it has ended.")
    artifacts = session.scalars(select(Model.artifact).where(Model.project_id == project.id)).all()
    number, store = project.id, get_settings().store
    session.flush()
    try:
        with session.begin_nested():
            for statement in _IN_ORDER:
                session.execute(text(statement), {"project": number})
    except IntegrityError:
        raise Conflict("Another project uses a model or a run of this one. Delete that project first.") from None
    for folder in (*(folders.folder(run.id) for run in runs), files.folder_of(number)):
        registry.delete_after_commit(session, folder)
    for artifact in filter(None, artifacts):
        registry.delete_after_commit(session, store / artifact)
    session.expunge_all()
    audit.record(session, actor, "project.deleted", number=number)
    session.flush()
