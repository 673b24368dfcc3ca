"""What a deleted person had goes, their chats, or their labels and prompts too, in transactions that each take a
moment, so that nobody waits for them. A worker does it; where it was killed, the next one goes on. Between two parts
all that is shown is right: an item's slots, a snapshot and what it says of itself change together with the labels."""

import logging
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

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


@dataclass(frozen=True)
class Holds:
    """A snapshot that holds labels which are to go: it is to be read first, outside of a transaction."""

    snapshot_id: int


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
            parts = _PARTS if who.labels_go_since else (_chats,)
            found = next((done for part in parts if (done := part(session, who))), None)
        if found is None:
            break
        if isinstance(found, Holds) and not _let_go(writing, person_id, found.snapshot_id):
            return False
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


def _let_go(writing: Writing, person_id: int, snapshot_id: int) -> bool:
    """Take their labels out of a snapshot, unless it was changed meanwhile; False where another worker is at it."""
    leaving = snapshot_checks.without(writing, person_id, snapshot_id)
    with writing() as session:
        if _hold(session, person_id) is None:
            return False
        if leaving is not None:
            snapshot_checks.let_go(session, person_id, snapshot_id, leaving)
    return True


def _labels(session: Session, who: User) -> bool | Holds:
    items = forgetting.next_items(session, who.id, LABELS)
    held = forgetting.in_snapshots(session, who.id, items)
    if held:
        return Holds(held[0])
    if items:
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


def _snapshots(session: Session, who: User) -> bool | Holds:
    """Those that know something else of them."""
    found = session.scalar(snapshot_queries.with_labels_of(who.id).order_by(Snapshot.id).limit(1))
    return found is not None and Holds(found.id)


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
