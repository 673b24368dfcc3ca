"""Signed-in browsers: how a session begins, is kept up to date and ends.

Random tokens leave this module once, as return values; the database holds their digests.
"""

import secrets
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from sqlalchemy import delete, func, or_, select, update
from sqlalchemy.orm import Session

from app.accounts import devices
from app.accounts.audit import record
from app.models import User, WebSession
from app.web.errors import NotFound
from app.web.signing import digest

DAYS = 30
MOST_LISTED = 200
SEEN_EVERY = timedelta(minutes=5)
_REMEMBERED = 10_000
_noted: dict[str, float] = {}  # by hashed token: when this process noted its use last, by the monotonic clock


def start(session: Session, user: User, how: str, device: str | None = None) -> str:
    """A signed-in browser's token. `how` goes to the audit trail: password, link, invitation."""
    token = _begin(session, user, timedelta(days=DAYS), device)
    record(session, user, "session.started", how=how)
    return token


def start_command(session: Session, user: User) -> str:
    """A session's token for the time of one command on this machine; no browser's, and nothing for the audit trail.
    To be ended by `end`."""
    return _begin(session, user, timedelta(days=1), devices.COMMAND_LINE)


def _begin(session: Session, user: User, lasts: timedelta, device: str | None) -> str:
    token, now = secrets.token_urlsafe(32), datetime.now(UTC)
    session.add(
        WebSession(token_hash=digest(token), user_id=user.id, expires_at=now + lasts, device=device, last_used_at=now)
    )
    return token


def note_use(session: Session, token_hash: str) -> None:
    """Keep when a session was last used; to some minutes, not written on every request. Of several requests at once one
    writes, and no other waits for it."""
    now = time.monotonic()
    if _noted.get(token_hash, -SEEN_EVERY.total_seconds()) > now - SEEN_EVERY.total_seconds():
        return
    if len(_noted) >= _REMEMBERED:
        _noted.clear()
    _noted[token_hash] = now
    stale = or_(WebSession.last_used_at.is_(None), WebSession.last_used_at < func.now() - SEEN_EVERY)
    mine = select(WebSession.id).where(WebSession.token_hash == token_hash, stale).with_for_update(skip_locked=True)
    session.execute(
        update(WebSession)
        .where(WebSession.id == mine.scalar_subquery())
        .values(last_used_at=func.now())
        .execution_options(synchronize_session=False)
    )


def of(session: Session, user_id: int) -> Sequence[WebSession]:
    """A person's sessions that have not expired, those used last first; of a great many the first."""
    latest = func.coalesce(WebSession.last_used_at, WebSession.created_at).desc()
    found = select(WebSession).where(WebSession.user_id == user_id, WebSession.expires_at > func.now())
    return session.scalars(found.order_by(latest, WebSession.id.desc()).limit(MOST_LISTED)).all()


def end(session: Session, token: str) -> None:
    """Sign this browser out, and sweep out sessions that ended by themselves."""
    session.execute(delete(WebSession).where(WebSession.token_hash == digest(token)))
    session.execute(delete(WebSession).where(WebSession.expires_at < func.now()))


def end_one(session: Session, user: User, session_id: int) -> None:
    """End a session of one's own. Raises NotFound for somebody else's, as for one that has ended already."""
    mine = delete(WebSession).where(WebSession.id == session_id, WebSession.user_id == user.id)
    if session.scalar(mine.returning(WebSession.id)) is None:
        raise NotFound("You have no such session. It may have ended already.")
    record(session, user, "session.ended")


def end_others(session: Session, user: User, token: str | None) -> int:
    """Sign out everywhere but in the browser that holds `token`; how many sessions ended."""
    ended = delete_all(session, user.id, token)
    record(session, user, "session.ended_elsewhere", count=ended)
    return ended


def end_all(session: Session, actor: User, user: User) -> int:
    """Sign somebody out everywhere, for administrators; how many sessions ended. All else stays."""
    ended = delete_all(session, user.id)
    record(session, actor, "user.signed_out", subject=user, count=ended)
    return ended


def delete_all(session: Session, user_id: int, keep_token: str | None = None) -> int:
    """End a person's sessions but the one of `keep_token`; how many there were."""
    theirs = delete(WebSession).where(WebSession.user_id == user_id)
    if keep_token is not None:
        theirs = theirs.where(WebSession.token_hash != digest(keep_token))
    return len(session.scalars(theirs.returning(WebSession.id)).all())
