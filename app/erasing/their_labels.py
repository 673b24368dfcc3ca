"""What goes with a person's labels, and how that begins; `in_parts` does it. What was made of the labels is made anew:
slots of items, snapshots, reports of reward models, live heads. Models that learned from them stay: what a training has
learned cannot be taken out of it."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import exists, func, select, text
from sqlalchemy.orm import Session

from app.erasing import retention
from app.labels import forgetting
from app.models import Conversation, Item, Label, Project, Prompt, PromptSource, Run, User
from app.prompts import queries as prompts
from app.rewards import snapshot_queries
from app.runs import queries
from app.runs.service import ENDED
from app.web.errors import Conflict


@dataclass(frozen=True)
class Found:
    """What would go with a person's labels: numbers of prompts, folders of runs; what stays; and what is in the way."""

    prompts: Sequence[int]
    folders: Sequence[Run]
    prompts_of_others: int
    snapshots: int
    blocked: str | None


def look(session: Session, user: User) -> Found:
    """What a deletion would do."""
    projects = _projects(session, user)
    own, others = _prompts(session, user)
    busy = _busy(session, projects)
    held = session.scalar(select(func.count()).select_from(snapshot_queries.with_labels_of(user.id).subquery())) or 0
    return Found(own, _folders(session, projects), len(others), held, busy)


def begin(session: Session, user: User) -> None:
    """Have all labels of a person deleted, which takes a while, see `in_parts`. Folders of ended runs in their projects
    go at once: they hold copies. Until it is done, no run of these begins that reads labels, see `app.runs`. Raises
    Conflict while one is at work."""
    projects = _projects(session, user)
    for project_id in projects:
        queries.lock_starts(session, project_id)  # nobody queues a run meanwhile
    if busy := _busy(session, projects):
        raise Conflict(busy)
    retention.delete_folders(session, _folders(session, projects))
    now = session.scalar(select(func.clock_timestamp()))
    user.labels_go_since = now
    for project in session.scalars(select(Project).where(Project.id.in_(projects)).order_by(Project.id)):
        project.labels_deleted_at = now
    session.flush()


_DELETE_SAMPLES = text(
    """
    delete from run_sample s using run r, prompt p
    where r.id = s.run_id and p.project_id = r.project_id and p.messages = s.prompt and p.id = any(:prompts)
    """
)


def delete_prompts(session: Session, user: User, most: int) -> bool:
    """Delete what they had shared from chats, once the chats are gone, but for prompts on which others gave labels: so
    many at most; whether there was any."""
    some = _prompts(session, user)[0][:most]
    if some:
        session.execute(select(Item.id).where(Item.prompt_id.in_(some)).order_by(Item.id).with_for_update())
        some = [prompt for prompt in _prompts(session, user)[0] if prompt in set(some)]
    session.execute(_DELETE_SAMPLES, {"prompts": list(some)})
    prompts.delete_for_good(session, some)
    return bool(some)


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
        for kind in queries.READ_LABELS:
            if active := queries.active(session, project_id, kind):
                return (
                    f"Run {active[0].id} of project {project_id} is queued or at work and reads labels. Wait until it "
                    "has ended, or cancel it."
                )
    return None
