"""A person's labels go with them, and what was made of these is made anew: slots of items, snapshots, reports of reward
models, live heads. Models that learned from them stay: what a training has learned cannot be taken out of it."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import exists, func, select, text
from sqlalchemy.orm import Session

from app.erasing import retention
from app.labels import forgetting, outside
from app.models import Conversation, Item, Label, Model, ModelKind, Project, Prompt, PromptSource, Run, RunKind, User
from app.prompts import queries as prompts
from app.rewards import head_queries, snapshot_checks, snapshot_queries
from app.rewards import service as rewards
from app.runs import queries
from app.runs.service import ENDED
from app.web.errors import Conflict

_READ_LABELS = (RunKind.TRAINING, RunKind.SCORING, RunKind.EXPORT)


@dataclass(frozen=True)
class Found:
    """What would go with a person's labels: numbers of prompts, folders of runs; what stays; and what is in the way."""

    prompts: Sequence[int]
    folders: Sequence[Run]
    prompts_of_others: int
    snapshots: int
    blocked: str | None


def look(session: Session, user: User) -> Found:
    """What `delete` and `delete_prompts` would do."""
    projects = _projects(session, user)
    own, others = _prompts(session, user)
    busy = _busy(session, projects)
    held = session.scalar(select(func.count()).select_from(snapshot_queries.with_labels_of(user.id).subquery())) or 0
    return Found(own, _folders(session, projects), len(others), held, busy)


def delete(session: Session, user: User) -> None:
    """Delete all labels of a person. Folders of ended runs in their projects go too: they hold copies. Raises Conflict
    while a run reads labels."""
    projects = _projects(session, user)
    for project_id in projects:
        queries.lock_starts(session, project_id)  # nobody queues a run meanwhile
        outside.hold_snapshots(session, project_id)
    if busy := _busy(session, projects):
        raise Conflict(busy)
    looked_at = snapshot_checks.before_deletion(session, user.id)
    forgetting.delete(session, user.id)
    snapshot_checks.note_deletion(session, user.id, looked_at)
    retention.delete_folders(session, _folders(session, projects))
    for project_id in projects:
        session.get_one(Project, project_id).labels_deleted_at = func.clock_timestamp()
        head_queries.forget(session, project_id)
        for model in session.scalars(
            select(Model).where(Model.project_id == project_id, Model.kind == ModelKind.REWARD).order_by(Model.id)
        ):
            rewards.report_anew(session, model)
    session.flush()


_DELETE_SAMPLES = text(
    """
    delete from run_sample s using run r, prompt p
    where r.id = s.run_id and p.project_id = r.project_id and p.messages = s.prompt and p.id = any(:prompts)
    """
)


def delete_prompts(session: Session, user: User) -> None:
    """Delete what they had shared from chats, once the chats are gone, but for prompts on which others gave labels."""
    own, _ = _prompts(session, user)
    session.execute(_DELETE_SAMPLES, {"prompts": list(own)})
    prompts.delete_for_good(session, own)


def _projects(session: Session, user: User) -> list[int]:
    talked = session.scalars(select(Conversation.project_id).where(Conversation.user_id == user.id))
    return sorted({*forgetting.projects_of(session, user.id), *talked})


def _prompts(session: Session, user: User) -> tuple[Sequence[int], Sequence[int]]:
    """Prompts from their chats: those that only they had to do with, and those on which others gave labels."""
    labelled = exists().where(Item.prompt_id == Prompt.id, Label.item_id == Item.id, Label.rater != user.id)
    brought = select(Prompt.id).where(Prompt.source == PromptSource.CHAT, Prompt.created_by_id == user.id)
    return session.scalars(brought.where(~labelled)).all(), session.scalars(brought.where(labelled)).all()


def _folders(session: Session, projects: Sequence[int]) -> Sequence[Run]:
    found = select(Run).where(Run.project_id.in_(projects), Run.state.in_(ENDED), Run.workspace.is_not(None))
    return session.scalars(found.order_by(Run.id)).all()


def _busy(session: Session, projects: Sequence[int]) -> str | None:
    for project_id in projects:
        for kind in _READ_LABELS:
            if active := queries.active(session, project_id, kind):
                return (
                    f"Run {active[0].id} of project {project_id} is queued or at work and reads labels. Wait until it "
                    "has ended, or cancel it."
                )
    return None
