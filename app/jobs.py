"""Enqueue Celery tasks by name, sent only after commit. The producer side only: knows no task's code.

After the pattern of warehouse's tasks.py: a job whose transaction rolls back is never sent; a job that is lost between
commit and send is sent again by the sweep, since the queue is derived from the rows.
"""

import logging
import time
from functools import lru_cache
from typing import Any

from celery import Celery
from sqlalchemy import event
from sqlalchemy.orm import Session

from app.settings import get_settings

log = logging.getLogger(__name__)

AGAIN = 5.0  # seconds for which a broker that did not answer is not asked again

_PENDING = "hone.pending_jobs"
_away_until: dict[str | None, float] = {}  # by the broker's address, on the monotonic clock


@lru_cache
def producer() -> Celery:
    """A Celery app that can send, and gives up quickly when the broker is away: the rows remember the work."""
    app = Celery("hone-producer", broker=get_settings().redis_url, set_as_current=False)
    app.conf.update(
        task_ignore_result=True,
        broker_connection_timeout=2,
        broker_transport_options={"socket_connect_timeout": 2, "socket_timeout": 2},
        task_publish_retry=False,
    )
    return app


def enqueue(session: Session, task: str, *args: Any, queue: str) -> None:
    """Send `task` to `queue` once the session's outermost transaction has committed."""
    session.info.setdefault(_PENDING, []).append((task, args, queue))


def send(task: str, args: tuple[Any, ...], queue: str) -> bool:
    """Send now; False when the broker cannot be reached. Then it is left alone for a while, since to find it silent
    takes seconds; a log line says so once."""
    broker = get_settings().redis_url
    if time.monotonic() < _away_until.get(broker, 0.0):
        return False
    try:
        producer().send_task(task, args=args, queue=queue, retry=False)
    except Exception as error:  # noqa: BLE001  kombu raises many kinds; the sweep sends again
        if broker not in _away_until:
            log.warning("the queue does not answer, so the sweep will send what is queued now: %s", error)
        _away_until[broker] = time.monotonic() + AGAIN
        return False
    if _away_until.pop(broker, None):
        log.warning("the queue answers again")
    return True


@event.listens_for(Session, "after_commit")
def _send_pending(session: Session) -> None:
    if session.in_nested_transaction():  # fires on a savepoint's release too
        return
    for task, args, queue in session.info.pop(_PENDING, []):
        send(task, args, queue)


@event.listens_for(Session, "after_rollback")
def _drop_pending(session: Session) -> None:
    if not session.in_nested_transaction():
        session.info.pop(_PENDING, None)
