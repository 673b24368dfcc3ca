"""The life of a flag: raised by whoever the item was put before, answered by managers and its person, closed once."""

from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app.accounts import audit
from app.labels import leases
from app.models import Flag, FlagMessage, Project, User
from app.web.errors import Conflict, Invalid


def raise_flag(session: Session, project: Project, user: User, assignment_id: int, message: str) -> Flag:
    """Ask the managers about an item that was put before this person. Where they have an open flag on it, the message
    goes there. Raises NotFound, Invalid."""
    item = leases.task_of(session, project, user, assignment_id).item_id
    text = _written(message, "Write what the managers should know about it.")
    flag = _open_flag(session, user, item)
    if flag is None:
        flag = Flag(project_id=project.id, item_id=item, person_id=user.id)
        try:
            with session.begin_nested():
                session.add(flag)
                session.flush()
        except IntegrityError:  # the same press, twice at once
            flag = _open_flag(session, user, item)
            if flag is None:
                raise Conflict("This flag has just been closed. Send it again to raise another one.") from None
        else:
            audit.record(session, user, "flag.raised", project_id=project.id, subject=flag, item=item)
    return _write(session, user, flag, text)


def reply(session: Session, user: User, flag: Flag, message: str) -> Flag:
    """Write in the thread. Raises Conflict where it is closed, Invalid."""
    text = _written(message, "Write a message.")
    session.refresh(flag, ["closed_at"], with_for_update=True)
    if flag.closed_at is not None:
        raise Conflict("This flag is closed, so nothing can be added to it. Flag the item again if it is not settled.")
    if user.id != flag.person_id:
        audit.record(session, user, "flag.answered", project_id=flag.project_id, subject=flag, item=flag.item_id)
    return _write(session, user, flag, text)


def close(session: Session, user: User, flag: Flag) -> None:
    """Settle a flag; once more changes nothing."""
    session.refresh(flag, ["closed_at"], with_for_update=True)
    if flag.closed_at is None:
        flag.closed_at, flag.closed_by_id = session.scalar(select(func.clock_timestamp())), user.id
        audit.record(session, user, "flag.closed", project_id=flag.project_id, subject=flag, item=flag.item_id)
        session.flush()


def seen(session: Session, user: User, flag: Flag) -> None:
    """Note that its person has read the thread."""
    if user.id == flag.person_id:
        flag.seen_at = session.scalar(select(func.clock_timestamp()))
        session.flush()


def _open_flag(session: Session, user: User, item_id: int) -> Flag | None:
    mine = (Flag.item_id == item_id, Flag.person_id == user.id, Flag.closed_at.is_(None))
    return session.scalar(select(Flag).where(*mine).with_for_update())


def _written(message: str, ask: str) -> str:
    if not message.strip():
        raise Invalid(ask, "message")
    return message


def _write(session: Session, user: User, flag: Flag, text: str) -> Flag:
    last = flag.messages[-1] if flag.messages else None
    if last is None or (last.author_id, last.text) != (user.id, text):  # a double click is one message
        flag.messages.append(FlagMessage(author_id=user.id, text=text))
        session.flush()
    return flag
