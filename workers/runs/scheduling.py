"""What happens by itself: silent workers lose their runs, lost messages are sent again, queues are kept filled."""

import logging
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta

from sqlalchemy import select, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from app.db import task_session
from app.erasing import in_parts, project_in_parts, storage
from app.items import service as items
from app.labels import leases
from app.models import Project, RunKind
from app.rewards import features, retraining
from app.runs import service as runs
from app.runs import work as run_work
from app.settings import get_settings
from app.web.errors import Refused
from workers.runs.deadlines import STALE
from workers.runs.leading import Lease
from workers.runs.patience import Patience

log = logging.getLogger(__name__)

# A leader that is cut off in the middle of a step would keep rows locked from the one that takes over.
_LET_GO = text("set local idle_in_transaction_session_timeout = '10s'")

_lease = Lease()
_patience = Patience()
_leads: bool | None = None
_away = False
_asked = float("-inf")  # when a worker was last asked for what needs no run, on the monotonic clock


def sweep() -> None:
    """Do everything once, if this process leads. While the database is away, a line says so once."""
    global _leads, _away
    try:
        led, _leads = _leads, _lease.take()
        if _leads is not led:
            log.info("this process leads" if _leads else "another process leads")
        if _away:
            _patience.begin()
        if _leads:
            _do_everything()
        if _away:
            log.warning("the database is back, and automatic work goes on")
        _away = False
    except OperationalError as error:
        if not _away:
            log.warning("the database is away, nothing automatic happens until it is back: %s", _line(error))
        _away = True


def leads() -> bool:
    """Whether this process leads, as the last sweep found."""
    return _lease.held


def give_back() -> None:
    """Leave the lead to another process, because this one ends."""
    with suppress(OperationalError):  # then it lapses
        _lease.give_back()


def _do_everything() -> None:
    """Each step in a transaction of its own, so that one that fails holds up none of the others."""
    _step("requeue silent runs", lambda session: _patience.over(session) and run_work.requeue_stale(session, STALE))
    _step("send queued runs again", run_work.resend_queued)
    _step("take back expired leases", leases.expire_leases)
    _step("delete the files of old exports", _delete_old_exports)
    _ask_workers()
    with task_session() as session:
        projects = session.scalars(select(Project.id).where(Project.archived_at.is_(None))).all()
    for project_id in projects:
        _step(f"fill the queue of project {project_id}", _for(project_id, items.plan_sampling))
        _step(f"read what waits in project {project_id}", _for(project_id, features.read_if_due))
        _step(f"train the reward model of project {project_id}", _for(project_id, retraining.retrain_if_due))
    if _lease.holds():
        _lease.note_sweep()


def _delete_old_exports(session: Session) -> None:
    runs.delete_files(session, RunKind.EXPORT, timedelta(days=get_settings().export_days))


def _ask_workers() -> None:
    """Once a minute: while the workers are busy, messages would gather."""
    global _asked
    if time.monotonic() - _asked >= 60:
        _asked = time.monotonic()
        _step("have the store measured", storage.ask)
        _step("have what deleted people had deleted", in_parts.ask)
        _step("have deleted projects deleted", project_in_parts.ask)


def _step(name: str, act: Callable[[Session], object]) -> None:
    if not _lease.holds():
        return
    try:
        with task_session() as session:
            session.execute(_LET_GO)
            act(session)
    except Refused as refusal:
        log.info("%s: %s", name, refusal)
    except OperationalError as error:
        if error.connection_invalidated:  # the database is away
            raise
        log.warning("could not %s: %s", name, _line(error))
    except Exception:
        log.exception("could not %s", name)


def _line(error: OperationalError) -> str:
    return " ".join(str(error.orig).split())


def _for(project_id: int, act: Callable[[Session, Project], object]) -> Callable[[Session], object]:
    return lambda session: act(session, session.get_one(Project, project_id))
