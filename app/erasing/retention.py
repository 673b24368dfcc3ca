"""What may go after a time: the folders of runs that ended long ago, and chats that nobody has gone on with."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from os import stat_result
from pathlib import Path

from sqlalchemy import ColumnElement, func, or_, select
from sqlalchemy.orm import Session

from app.accounts import audit
from app.chat import service as chat
from app.models import Conversation, Project, Run, Turn, User
from app.quotas import service as quotas
from app.registry import service as registry
from app.runs import folders
from app.runs.queries import ACTIVE
from app.runs.service import ENDED


@dataclass(frozen=True)
class Found:
    """What a rule takes, and what it leaves since it is in use: numbers of runs that began so long ago and are queued
    or at work. `chat_bytes` of text in the database."""

    runs: Sequence[Run]
    conversations: Sequence[Conversation]
    chat_bytes: int
    in_use: Sequence[int]


def find(session: Session, runs: int | None, chats: int | None) -> Found:
    """What goes by a rule, in days; None takes nothing of it."""
    talks = old_chats(session, chats) if chats is not None else []
    octets = select(func.sum(func.octet_length(Turn.content))).where(Turn.conversation_id.in_([t.id for t in talks]))
    at_work: Sequence[int] = []
    if runs is not None:
        begun = Run.created_at < func.clock_timestamp() - timedelta(days=runs)
        at_work = session.scalars(select(Run.id).where(Run.state.in_(ACTIVE), begun).order_by(Run.id)).all()
    old = old_runs(session, runs) if runs is not None else []
    return Found(old, talks, session.scalar(octets) or 0 if talks else 0, at_work)


def apply(session: Session, actor: User | None, found: Found) -> None:
    """Delete what was found."""
    audit.record(
        session,
        actor,
        "retention.applied",
        runs=len(found.runs),
        conversations=len(found.conversations),
        bytes=freed(found.runs),
    )
    delete_folders(session, found.runs)
    delete_chats(session, found.conversations)


def old_runs(session: Session, days: int) -> Sequence[Run]:
    """Runs that ended so many days ago and have a folder: inputs, log, checkpoints, what was sampled. Locked: nobody
    resumes them meanwhile. Models lie elsewhere."""
    old = Run.ended_at < func.clock_timestamp() - timedelta(days=days)
    statement = select(Run).where(Run.state.in_(ENDED), old, Run.workspace.is_not(None), _stays(Run)).order_by(Run.id)
    return session.scalars(statement.with_for_update(skip_locked=True)).all()


def old_chats(session: Session, days: int) -> Sequence[Conversation]:
    """Conversations whose last turn is so many days old."""
    last = select(func.max(Turn.created_at)).where(Turn.conversation_id == Conversation.id).scalar_subquery()
    old = func.coalesce(last, Conversation.created_at) < func.clock_timestamp() - timedelta(days=days)
    return session.scalars(
        select(Conversation).where(old, _stays(Conversation)).order_by(Conversation.id).with_for_update()
    ).all()


def _stays(table: type[Run] | type[Conversation]) -> ColumnElement[bool]:
    """Not of a project that is being deleted with all that it has."""
    going = select(Project.id).where(Project.goes_since.is_not(None))
    return or_(table.project_id.is_(None), table.project_id.not_in(going))


def freed(runs: Iterable[Run]) -> int:
    """The bytes that go with the folders of these runs. A file that is linked from elsewhere too, as weights may be,
    frees nothing."""
    seen: Counter[tuple[int, int]] = Counter()
    about: dict[tuple[int, int], stat_result] = {}
    for run in runs:
        for path in _files(folders.folder(run.id)):
            found = path.lstat()
            key = found.st_dev, found.st_ino
            seen[key], about[key] = seen[key] + 1, found
    return sum(found.st_size for key, found in about.items() if seen[key] == found.st_nlink)


def _files(folder: Path) -> Iterable[Path]:
    return (path for path in folder.rglob("*") if path.is_symlink() or path.is_file())


def delete_folders(session: Session, runs: Iterable[Run]) -> None:
    """Delete what these runs left in the store; their rows, curves and models stay. Resumed, they begin anew."""
    for run in runs:
        registry.delete_after_commit(session, folders.folder(run.id))
        run.workspace = None
        quotas.freed(session, run.project_id)
    session.flush()


def delete_chats(session: Session, conversations: Iterable[Conversation]) -> None:
    """Delete these, as their people may themselves."""
    for each in conversations:
        project, person = session.get_one(Project, each.project_id), session.get_one(User, each.user_id)
        chat.delete(session, project, person, each)
