"""Enqueue Celery tasks by name, sent only after commit. The producer side only: knows no task's code.

After the pattern of warehouse's tasks.py: a job whose transaction rolls back is never sent; a job that is lost between
commit and send is sent again by the beat task, since the queue is derived from the rows.
"""

import logging
from functools import lru_cache
from typing import Any

from celery import Celery
from sqlalchemy import event
from sqlalchemy.orm import Session

from app.settings import get_settings

log = logging.getLogger(__name__)

_PENDING = "hone.pending_jobs"


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
    """Send now; False (and a log line) when the broker cannot be reached."""
    try:
        producer().send_task(task, args=args, queue=queue, retry=False)
    except Exception as error:  # noqa: BLE001  kombu raises many kinds; the beat task sends again
        log.warning("could not send %s%r to the queue %s, the sweep will: %s", task, args, queue, error)
        return False
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
