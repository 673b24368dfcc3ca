"""Keeps the heads of all projects, in a thread of the process that leads: labels in, ranks and reports out.

Nothing waits for it: a head that is slow or away leaves the queue in the order that it has.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from datetime import datetime

import numpy as np
from sqlalchemy import select
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from app.db import task_session
from app.items import queue
from app.items.queue import Waiting
from app.models import HeadReport, HeadState, Project, QueueOrder, RunKind
from app.rewards import features, head_queries
from app.runs import queries as runs_queries
from rlhf.live_head import unsureness
from workers.heads import labels, order
from workers.heads.head import MOST_LABELS
from workers.heads.labels import MOST_WAITING, Kept

log = logging.getLogger(__name__)

LOOK_SECONDS = 0.25  # between looks for new labels
WRITE_SECONDS = 1.0  # between two writings of ranks
AGAIN_SECONDS = 5.0  # after which what waits is looked at again though no label came, and projects are
CHECK_SECONDS = 60.0  # after new labels, when what a head holds is compared with what stands
IDLE_SECONDS = 600.0  # after which it is though none came


class Keeper:
    """The heads that this process keeps."""

    def __init__(self, most: int = MOST_LABELS) -> None:
        self._most = most  # preferences that a head holds
        self._kept: dict[int, Kept] = {}
        self._last = 0
        self._projects_due = 0.0

    def forget(self) -> None:
        """Leave all heads to another process."""
        self._kept.clear()
        self._last, self._projects_due = 0, 0.0

    def look(self) -> None:
        """Do what is due."""
        now = time.monotonic()
        if now >= self._projects_due:
            self._find_projects()
            self._projects_due = now + AGAIN_SECONDS
        if not self._kept:
            return
        with task_session() as session:
            newest = head_queries.newest_labels(session, self._last)
        self._last = max([self._last, *newest.values()])
        for kept in list(self._kept.values()):
            try:
                self._tend(kept, newest.get(kept.project_id, 0))
            except OperationalError:
                raise
            except Exception:
                log.exception("could not keep the head of project %d", kept.project_id)
                del self._kept[kept.project_id]

    def _find_projects(self) -> None:
        """Begin, and begin anew where there is another reward model, features have come or labels gone."""
        found: dict[int, tuple[int, int, datetime | None]] = {}
        with task_session() as session:
            for project in session.scalars(select(Project).where(Project.archived_at.is_(None))):
                model = features.trunk(session, project)
                if model is not None:
                    scored = runs_queries.last_succeeded(session, project.id, RunKind.SCORING)
                    found[project.id] = model.id, scored, project.labels_deleted_at
        for project_id in [*self._kept.keys() - found.keys()]:
            del self._kept[project_id]
        for project_id, wanted in found.items():
            kept = self._kept.get(project_id)
            if kept is None or (kept.model_id, kept.scored, kept.deleted) != wanted:
                self._kept[project_id] = Kept(project_id, *wanted, self._most)
                self._last = 0

    def _tend(self, kept: Kept, newest: int) -> None:
        """Learn and write, once in `WRITE_SECONDS` at most, however many labels come."""
        if newest > kept.last:
            kept.behind = True
            kept.due = min(kept.due, kept.written + WRITE_SECONDS)  # at once where nothing was written for a while
        now = time.monotonic()
        if now < kept.due:
            return
        if kept.head is None or kept.behind:
            with task_session() as session:
                if kept.head is None:
                    labels.begin(session, kept)
                if kept.head is not None:
                    labels.learn(session, kept, kept.head)
            kept.behind = False
            kept.check_due = min(kept.check_due, now + CHECK_SECONDS)
        if kept.head is not None and now >= kept.check_due:
            with task_session() as session:
                labels.check(session, kept, kept.head)
            kept.check_due = now + IDLE_SECONDS
        with task_session() as session:
            _write(session, kept)
        kept.written = now
        kept.due = now + (WRITE_SECONDS if kept.fresh else AGAIN_SECONDS)
        kept.fresh = False


def _write(session: Session, kept: Kept) -> None:
    """Place what is asked next, and tell how things stand."""
    project = session.get_one(Project, kept.project_id)
    if project.queue_order is QueueOrder.RANDOM and not kept.fresh:
        return
    waiting = queue.waiting(session, kept.project_id, MOST_WAITING)
    unsure = _unsure(session, kept, waiting)
    choosable = order.choosable(waiting, unsure) if kept.head else {}
    state = _state(project, kept, bool(choosable), bool(waiting))
    given = kept.head.given if kept.head else 0
    placed = order.front(waiting, choosable, given) if state is HeadState.ORDERS else []
    if changes := order.ranks(waiting, placed):
        queue.place(session, kept.project_id, changes)
        kept.fresh = True
    shown = [id_ for item in waiting for id_ in item.responses]
    unread = [id_ for id_ in shown if kept.vectors.get(id_) is None]
    report = kept.head.report(state) if kept.head else HeadReport(state=state)
    report = report.model_copy(
        update={
            "able": kept.head is not None and kept.head.state is HeadState.ORDERS,
            "waiting": len(waiting),
            "usable": len(choosable),
            "unusable_features": len(kept.unusable.intersection(shown)),
            "foreign_features": head_queries.foreign_features(session, kept.model_id, unread),
        }
    )
    written = head_queries.written(session, kept.project_id)
    if written is not None and (written.report, written.model_id) == (report, kept.model_id):
        return
    space: dict[str, bytes | None] = {}
    if kept.space is not None and (written is None or written.model_id != kept.model_id or not written.has_space):
        space = {"space": kept.space.to_bytes()}
    elif kept.space is None:
        space = {"space": None}
    head_queries.tell(
        session,
        kept.project_id,
        report,
        model_id=kept.model_id,
        knowledge=kept.head.live.to_bytes() if kept.head else None,
        **space,
    )


def _unsure(session: Session, kept: Kept, waiting: Sequence[Waiting]) -> order.Unsure:
    shown = {each for item in waiting for each in item.responses}
    new = sorted(shown - kept.vectors.keys())
    found = labels.vectors(session, kept, new) if new else {}
    kept.vectors = {id_: vector for id_, vector in kept.vectors.items() if id_ in shown} | {
        id_: found.get(id_) for id_ in new
    }

    known = {id_: vector for id_, vector in kept.vectors.items() if vector is not None}
    scores: dict[int, float] = {}
    if kept.head is not None and known:
        scores = dict(zip(known, kept.head.live.scores(np.stack([*known.values()])).tolist(), strict=True))
    return lambda ids: unsureness([scores[id_] for id_ in ids]) if scores.keys() >= set(ids) else None


def _state(project: Project, kept: Kept, choosable: bool, waits: bool) -> HeadState:
    if project.queue_order is QueueOrder.RANDOM:
        return HeadState.OFF
    if kept.head is None:
        return HeadState.NO_FEATURES
    state = kept.head.state
    return HeadState.NO_FEATURES if state is HeadState.ORDERS and waits and not choosable else state


def keep(leads: Callable[[], bool], stopping: threading.Event) -> None:
    """Keep heads for as long as this process leads, until it stops."""
    keeper, away = Keeper(), False
    while not stopping.wait(LOOK_SECONDS):
        if not leads():
            keeper.forget()
            continue
        try:
            keeper.look()
            away = False
        except OperationalError as error:
            if not away:  # that the database is away, and back, is for the sweep to tell
                log.info("live heads wait: %s", " ".join(str(error.orig).split()))
            away = True
            keeper.forget()
        except Exception:
            log.exception("could not keep live heads")
            keeper.forget()
