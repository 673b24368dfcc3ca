"""What happens by itself: silent workers lose their runs, lost messages are sent again, queues are kept filled."""

import logging
from collections.abc import Callable
from datetime import timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from app import jobs
from app.db import task_session
from app.models import Project
from app.pairs import leases
from app.pairs import service as pairs
from app.registry import service as registry
from app.rewards import retraining
from app.runs import service as runs
from app.web.errors import Refused

log = logging.getLogger(__name__)

STALE = timedelta(seconds=15)  # fifteen missed beats: the worker is dead, stopped or cut off from the database


def sweep() -> None:
    """Each step in a transaction of its own, so that one that fails holds up none of the others."""
    _step("requeue silent runs", lambda session: runs.requeue_stale(session, STALE))
    _step("send queued runs again", runs.resend_queued)
    _step("send models to prepare again", _resend_models)
    _step("take back expired leases", leases.expire_leases)
    with task_session() as session:
        projects = session.scalars(select(Project.id).where(Project.archived_at.is_(None))).all()
    for project_id in projects:
        _step(f"fill the queue of project {project_id}", _for(project_id, pairs.plan_sampling))
        _step(f"train the reward model of project {project_id}", _for(project_id, retraining.retrain_if_due))


def _step(name: str, act: Callable[[Session], object]) -> None:
    try:
        with task_session() as session:
            act(session)
    except Refused as refusal:
        log.info("%s: %s", name, refusal)
    except Exception:
        log.exception("could not %s", name)


def _for(project_id: int, act: Callable[[Session, Project], object]) -> Callable[[Session], object]:
    return lambda session: act(session, session.get_one(Project, project_id))


def _resend_models(session: Session) -> None:
    """A doubled message does no harm: one process at a time prepares a model."""
    for model in registry.unprepared(session):
        jobs.enqueue(session, registry.TASK, model.id, queue="sampling")
