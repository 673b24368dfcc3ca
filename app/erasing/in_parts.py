"""What a deleted person had goes, their chats, or their labels and prompts too, in transactions that each take a
moment, so that nobody waits for them. A worker does it; where it was killed, the next one goes on. Between two parts
all that is shown is right: an item's slots, a snapshot and what it says of itself change together with the labels."""

import logging
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from app import jobs
from app.chat import service as chat
from app.erasing import their_labels
from app.labels import forgetting
from app.models import Conversation, Model, ModelKind, Project, Snapshot, User
from app.rewards import head_queries, snapshot_checks, snapshot_queries
from app.rewards import service as rewards

log = logging.getLogger(__name__)

TASK, QUEUE = "hone.erase_labels", "files"
LABELS, OTHERS = 1_000, 20  # in one part; more hangs on each conversation and prompt
Writing = Callable[[], AbstractContextManager[Session]]
_GOING = or_(User.labels_go_since.is_not(None), User.chats_go_since.is_not(None))


def waiting(session: Session) -> Sequence[int]:
    """The people of whom something is still to go."""
    return session.scalars(select(User.id).where(_GOING).order_by(User.id)).all()


def ask(session: Session) -> None:
    """Have a worker go on, where there is something to do."""
    if waiting(session):
        jobs.enqueue(session, TASK, queue=QUEUE)


def go_on(writing: Writing, person_id: int) -> bool:
    """Delete all that is left; each `writing` is a transaction. False where another worker is at it, or nothing was to
    be done."""
    while True:
        with writing() as session:
            who = _hold(session, person_id)
            if who is None:
                return False
            if not any(part(session, who) for part in (_PARTS if who.labels_go_since else (_chats,))):
                break
    for model_id in _reported(writing, person_id):
        with writing() as session:
            if (model := session.get(Model, model_id)) is not None:
                rewards.report_anew(session, model)
    with writing() as session:
        who = _hold(session, person_id)
        if who is None:
            return False
        for project in _projects(session, who):
            project.labels_deleted_at = func.clock_timestamp()
            head_queries.forget(session, project.id)
        who.labels_go_since = who.chats_go_since = None
    log.info("what was to go with person %d is deleted", person_id)
    return True


def _hold(session: Session, person_id: int) -> User | None:
    """The person, unless all has gone or another worker does a part now."""
    theirs = select(User).where(User.id == person_id, _GOING)
    return session.scalar(
        theirs.with_for_update(skip_locked=True, key_share=True).execution_options(populate_existing=True)
    )


def _labels(session: Session, who: User) -> bool:
    items = forgetting.next_items(session, who.id, LABELS)
    held = forgetting.in_snapshots(session, who.id, items)
    if held:
        snapshot_checks.let_go(session, who.id, held[0])
    elif items:
        forgetting.delete(session, who.id, items)
    return bool(items)


def _written(session: Session, who: User) -> bool:
    return forgetting.delete_written(session, who.id, LABELS)


def _chats(session: Session, who: User) -> bool:
    some = session.scalars(select(Conversation).where(Conversation.user_id == who.id).limit(OTHERS)).all()
    for conversation in some:
        chat.delete(session, session.get_one(Project, conversation.project_id), who, conversation)
    return bool(some)


def _prompts(session: Session, who: User) -> bool:
    return their_labels.delete_prompts(session, who, OTHERS)


def _snapshots(session: Session, who: User) -> bool:
    """Those that know something else of them."""
    found = session.scalar(snapshot_queries.with_labels_of(who.id).order_by(Snapshot.id).limit(1))
    if found is not None:
        snapshot_checks.let_go(session, who.id, found.id)
    return found is not None


_PARTS = (_labels, _written, _chats, _prompts, _snapshots)


def _projects(session: Session, who: User) -> Sequence[Project]:
    """Those that had labels of them which go, see `their_labels.begin`."""
    if who.labels_go_since is None:
        return []
    return session.scalars(select(Project).where(Project.labels_deleted_at >= who.labels_go_since)).all()


def _reported(writing: Writing, person_id: int) -> Sequence[int]:
    with writing() as session:
        projects = [project.id for project in _projects(session, session.get_one(User, person_id))]
        judges = select(Model.id).where(Model.project_id.in_(projects), Model.kind == ModelKind.REWARD)
        return session.scalars(judges.order_by(Model.id)).all()
