"""A project is deleted for good: from the first moment nobody finds it, and `project_in_parts` does the rest."""

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from app.accounts import audit
from app.erasing import project_in_parts
from app.erasing.outlook import Outlook
from app.models import Conversation, Item, Label, Member, Model, Project, Prompt, Run, Snapshot, User
from app.runs import queries
from app.web.errors import Conflict, Invalid

# What has to be gone at once: what names it to people, and what admits them. Keys of calls repeat what was answered.
_AT_ONCE = (
    """update project set goes_since = clock_timestamp(), policy_id = null, instructions_id = null
        where id = :project""",
    "delete from audit_event where project_id = :project",
    """delete from idempotency_key where user_id in (select user_id from member where project_id = :project)
        or user_id in (select id from "user" where is_admin)""",
    "delete from invitation where project_id = :project",
    "delete from member where project_id = :project",
)
# Whether another project names a model or a run of this one. Only these tables can.
_ELSEWHERE = text(
    """
    with mine as (select id from model where project_id = :project),
        runs as (select id from run where project_id = :project)
    select exists (select from project where id <> :project
            and (base_model_id in (select id from mine) or policy_id in (select id from mine)))
        or exists (select from model where project_id is distinct from :project
            and (parent_id in (select id from mine) or run_id in (select id from runs)))
        or exists (select from run where project_id is distinct from :project and (model_id in (select id from mine)
            or baseline_id in (select id from mine) or reward_model_id in (select id from mine)
            or parent_id in (select id from runs)))
    """
)


def counts(session: Session, number: int) -> dict[str, int]:
    """How much there is of a project, by words in the plural."""
    found = {}
    for name, table in (
        ("prompts", Prompt), ("items", Item), ("labels", Label), ("snapshots", Snapshot),
        ("conversations", Conversation), ("runs", Run), ("models", Model),
    ):  # fmt: skip
        found[name] = session.scalar(select(func.count()).where(table.project_id == number)) or 0
    return found


def outlook(session: Session, project: Project) -> Outlook:
    """What would go, and what would stay."""
    people = session.scalar(select(func.count()).where(Member.project_id == project.id)) or 0
    goes = counts(session, project.id)
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
    if session.scalar(_ELSEWHERE, {"project": project.id}):
        return "Another project uses a model or a run of this one. Delete that project first."
    return None


def erase(session: Session, project: Project, actor: User | None) -> None:
    """Delete an archived project, of which nothing stays but an audit event with its number. From the commit on it is
    on no page and in no answer; a worker deletes its rows and files. Raises Conflict."""
    queries.lock_starts(session, project.id)  # nobody queues a run meanwhile
    session.refresh(project, with_for_update=True)  # nor takes it up again, nor deletes it at the same time
    if project.goes_since is not None:
        return
    if reason := _in_the_way(session, project):
        raise Conflict(reason)
    number = project.id
    for statement in _AT_ONCE:
        session.execute(text(statement), {"project": number})
    session.expunge_all()
    audit.record(session, actor, "project.deleted", number=number)
    session.flush()
    project_in_parts.ask(session)
