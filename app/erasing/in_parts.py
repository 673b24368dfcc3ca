"""What a deleted person had goes, their chats, or their labels and prompts too, in transactions that each take a
moment, so that nobody waits for them. A worker does it; where it was killed, the next one goes on. Between two parts
all that is shown is right: an item's slots, a snapshot and what it says of itself change together with the labels."""

import logging
import time
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
from app.part_size import PartSize
from app.rewards import head_queries, snapshot_checks, snapshot_queries
from app.rewards import service as rewards

log = logging.getLogger(__name__)

TASK, QUEUE = "hone.erase_labels", "files"
LABELS, OTHERS = 200, 5  # in the first part; more hangs on each conversation and prompt
Writing = Callable[[], AbstractContextManager[Session]]
_GOING = or_(User.labels_go_since.is_not(None), User.chats_go_since.is_not(None))


@dataclass(frozen=True)
class Holds:
    """A snapshot that holds labels which are to go: it is to be read first, outside of a transaction."""

    snapshot_id: int


_Part = Callable[[Session, User, int], bool | Holds]


def waiting(session: Session) -> Sequence[int]:
    """The people of whom something is still to go."""
    return session.scalars(select(User.id).where(_GOING).order_by(User.id)).all()


def ask(session: Session) -> None:
    """Have a worker go on, where there is something to do."""
    if waiting(session):
        jobs.enqueue(session, TASK, queue=QUEUE)


class _NotOurs(Exception):
    """All has gone, or another worker does a part now."""


def go_on(writing: Writing, person_id: int) -> bool:
    """Delete all that is left; each `writing` is a transaction. False where another worker is at it, or nothing was to
    be done."""
    try:
        while sum(_go(writing, person_id, part, first) for part, first in _kinds(writing, person_id)):
            continue  # until nothing came in between, of a request that had begun before
        _settle(writing, person_id)
    except _NotOurs:
        return False
    log.info("what was to go with person %d is deleted", person_id)
    return True


def _kinds(writing: Writing, person_id: int) -> Sequence[tuple[_Part, int]]:
    """What goes, in this order, and how much in the first part."""
    with writing() as session:
        labels_too = _hold(session, person_id).labels_go_since is not None
    if not labels_too:
        return [(_chats, OTHERS)]
    return [(_labels, LABELS), (_written, LABELS), (_chats, OTHERS), (_prompts, OTHERS), (_snapshots, 1)]


def _go(writing: Writing, person_id: int, part: _Part, first: int) -> int:
    """Delete all of one kind; in how many parts."""
    size, parts = PartSize(first), 0
    while True:
        began = time.perf_counter()
        with writing() as session:
            done = part(session, _hold(session, person_id), size.rows)
        if not done:
            return parts
        parts += 1
        if isinstance(done, Holds):
            _let_go(writing, person_id, done.snapshot_id)
        else:
            size.took(time.perf_counter() - began)


def _settle(writing: Writing, person_id: int) -> None:
    """Have what was made of the labels made anew, and the person forgotten by the workers."""
    for model_id in _reported(writing, person_id):
        with writing() as session:
            if (model := session.get(Model, model_id)) is not None:
                rewards.report_anew(session, model)
    with writing() as session:
        who = _hold(session, person_id)
        for project in _projects(session, who):
            project.labels_deleted_at = func.clock_timestamp()
            head_queries.forget(session, project.id)
        who.labels_go_since = who.chats_go_since = None


def _hold(session: Session, person_id: int) -> User:
    """The person. Raises _NotOurs."""
    theirs = select(User).where(User.id == person_id, _GOING)
    found = session.scalar(
        theirs.with_for_update(skip_locked=True, key_share=True).execution_options(populate_existing=True)
    )
    if found is None:
        raise _NotOurs
    return found


def _let_go(writing: Writing, person_id: int, snapshot_id: int) -> None:
    """Take their labels out of a snapshot, unless it was changed meanwhile."""
    leaving = snapshot_checks.without(writing, person_id, snapshot_id)
    with writing() as session:
        _hold(session, person_id)
        if leaving is not None:
            snapshot_checks.let_go(session, person_id, snapshot_id, leaving)


def _labels(session: Session, who: User, most: int) -> bool | Holds:
    items = forgetting.next_items(session, who.id, most)
    held = forgetting.in_snapshots(session, who.id, items)
    if held:
        return Holds(held[0])
    if items:
        forgetting.delete(session, who.id, items)
    return bool(items)


def _written(session: Session, who: User, most: int) -> bool:
    return forgetting.delete_written(session, who.id, most)


def _chats(session: Session, who: User, most: int) -> bool:
    some = session.scalars(select(Conversation).where(Conversation.user_id == who.id).limit(most)).all()
    for conversation in some:
        chat.delete(session, session.get_one(Project, conversation.project_id), who, conversation)
    return bool(some)


def _prompts(session: Session, who: User, most: int) -> bool:
    return their_labels.delete_prompts(session, who, most)


def _snapshots(session: Session, who: User, most: int) -> bool | Holds:
    """Those that know something else of them."""
    found = session.scalar(snapshot_queries.with_labels_of(who.id).order_by(Snapshot.id).limit(most))
    return found is not None and Holds(found.id)


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
