"""A project is deleted for good, with its files. It writes the tables of every stage: foreign keys between them allow
one order only."""

from sqlalchemy import func, select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app.accounts import audit
from app.erasing.outlook import Outlook
from app.imports import files
from app.models import Conversation, Item, Label, Member, Model, Project, Prompt, Run, Snapshot, User
from app.registry import service as registry
from app.runs import folders, queries
from app.settings import get_settings
from app.web.errors import Conflict, Invalid

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


def outlook(session: Session, project: Project) -> Outlook:
    """What would go, and what would stay."""
    goes = {}
    for name, table in (
        ("prompts", Prompt), ("items", Item), ("labels", Label), ("snapshots", Snapshot),
        ("conversations", Conversation), ("runs", Run), ("models", Model),
    ):  # fmt: skip
        goes[name] = session.scalar(select(func.count()).where(table.project_id == project.id)) or 0
    people = session.scalar(select(func.count()).where(Member.project_id == project.id)) or 0
    return Outlook(goes, {"accounts of its people": people}, _in_the_way(session, project))


def require_name(project: Project, typed: str) -> None:
    """Refuse a deletion that was not meant for this project."""
    if typed.strip() != project.name:
        raise Invalid(f"Type the project's name, {project.name}, to say that this one is meant.", "name")


def _in_the_way(session: Session, project: Project) -> str | None:
    if project.archived_at is None:
        return f"Project {project.id} is in use. Archive it first; then it can be deleted."
    at_work = select(Run.id).where(Run.project_id == project.id, Run.state.in_(queries.ACTIVE))
    if busy := session.scalar(at_work.order_by(Run.id).limit(1)):
        return f"Run {busy} of this project is queued or at work. Cancel it, and wait until it has ended."
    return None


def erase(session: Session, project: Project, actor: User | None) -> None:
    """Delete an archived project, of which nothing stays but an audit event with its number. Raises Conflict."""
    queries.lock_starts(session, project.id)  # nobody queues a run meanwhile
    if reason := _in_the_way(session, project):
        raise Conflict(reason)
    runs = session.scalars(select(Run).where(Run.project_id == project.id)).all()
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
