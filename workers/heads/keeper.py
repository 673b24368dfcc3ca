"""Keeps the heads of all projects, in a thread of the process that leads: labels in, ranks and reports out.

Nothing waits for it: a head that is slow or away leaves the queue in the order that it has.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
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
from app.rewards.head_queries import Features
from app.runs import queries as runs_queries
from rlhf.feature_space import FEWEST, FeatureSpace, usable
from rlhf.live_head import unsureness
from workers.heads import order
from workers.heads.head import Head
from workers.heads.measure import Floats

log = logging.getLogger(__name__)

LOOK_SECONDS = 0.25  # between looks for new labels
WRITE_SECONDS = 1.0  # between two writings of ranks
AGAIN_SECONDS = 5.0  # after which what waits is looked at again though no label came, and projects are
MOST_WAITING = 2000
MOST_LABELS = 20_000  # preferences that are learned from: the newest
LATE = 200  # labels before the newest among which one may still appear: transactions end in any order


@dataclass
class Kept:
    """A head with where its labels and features come from."""

    project_id: int
    model_id: int
    scored: int  # the scoring run after which features were last read
    deleted: datetime | None  # when labels had last been deleted: what was learned from them must not stay
    head: Head | None = None
    space: FeatureSpace | None = None
    last: int = 0  # its newest label
    behind: bool = False  # there are newer ones
    due: float = 0.0
    written: float = 0.0  # when it was
    fresh: bool = True  # there is something to write
    vectors: dict[int, Floats | None] = field(default_factory=dict)  # of responses that wait
    unusable: set[int] = field(default_factory=set)  # responses whose features are not finite


class Keeper:
    """The heads that this process keeps."""

    def __init__(self) -> None:
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
                self._kept[project_id] = Kept(project_id, *wanted)
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
                    _begin(session, kept)
                if kept.head is not None:
                    _learn(session, kept, kept.head)
            kept.behind = False
        with task_session() as session:
            _write(session, kept)
        kept.written = now
        kept.due = now + (WRITE_SECONDS if kept.fresh else AGAIN_SECONDS)
        kept.fresh = False


def _begin(session: Session, kept: Kept) -> None:
    """A space of features: the one that is written down, or a new one of the responses that wait or were labelled."""
    written = head_queries.head(session, kept.project_id)
    if written is not None and written.model_id == kept.model_id and written.space is not None:
        kept.space = FeatureSpace.from_bytes(written.space)
    else:
        rows = head_queries.preferences_after(session, kept.project_id, 0, MOST_LABELS)
        ids = {each for row in rows for each in (row.first, row.second)}
        ids |= {each for item in queue.waiting(session, kept.project_id, MOST_WAITING) for each in item.responses}
        states, tokens = _states(list(head_queries.features(session, kept.model_id, sorted(ids)[-2 * MOST_WAITING :])))
        good = usable(states, tokens)
        if good.sum() < FEWEST:
            return
        try:
            fitted = FeatureSpace.fit(states[good], tokens[good])
        except ValueError:  # they are all the same
            return
        kept.space = FeatureSpace.from_bytes(fitted.to_bytes())  # to the bit what a restart will read
    kept.head = Head(kept.space.size)


def _states(found: Sequence[Features]) -> tuple[Floats, Floats]:
    """States (n, width) of responses, and their lengths (n,). Those of another width than most are left out: they are
    of another trunk."""
    widths = Counter(len(each.states) for each in found)
    found = [each for each in found if len(each.states) == widths.most_common(1)[0][0]]
    states = np.frombuffer(b"".join(each.states for each in found), dtype="<f2").astype(np.float64)
    return states.reshape(len(found), -1) if found else np.zeros((0, 1)), np.array([float(f.tokens) for f in found])


def _vectors(session: Session, kept: Kept, response_ids: Sequence[int]) -> dict[int, Floats]:
    """The head's features of responses that have some it can use."""
    if kept.space is None:
        return {}
    vectors: dict[int, Floats] = {}
    width = 2 * len(kept.space.centre)
    for start in range(0, len(response_ids), head_queries.AT_ONCE):
        found = head_queries.features(session, kept.model_id, response_ids[start : start + head_queries.AT_ONCE])
        own = [each for each in found if len(each.states) == width]
        if not own:
            continue
        states, tokens = _states(own)
        good = usable(states, tokens)
        kept.unusable |= {each.response_id for each, fine in zip(own, good, strict=True) if not fine}
        ids = [each.response_id for each, fine in zip(own, good, strict=True) if fine]
        vectors |= zip(ids, kept.space(states[good], tokens[good]), strict=True)
    return vectors


def _learn(session: Session, kept: Kept, head: Head) -> None:
    since = max(kept.last - LATE, 0)
    known = [id_ for id_ in range(since + 1, kept.last + 1) if id_ in head.labels]
    rows = head_queries.preferences_after(session, kept.project_id, since, MOST_LABELS, known)
    checked = head_queries.checks_after(session, kept.project_id, since)
    kept.last = max([kept.last, *(row.label_id for row in (*rows[-1:], *checked[-1:]))])
    shown = {each for row in rows for each in (row.first, row.second)}
    vectors = {id_: vector for id_ in shown if (vector := kept.vectors.get(id_)) is not None}  # they waited just now
    vectors |= _vectors(session, kept, sorted(shown - vectors.keys()))
    head.take(rows, vectors, checked)
    kept.fresh = kept.fresh or bool(rows)


def _write(session: Session, kept: Kept) -> None:
    """Place what is asked next, and tell how things stand."""
    project = session.get_one(Project, kept.project_id)
    if project.queue_order is QueueOrder.RANDOM and not kept.fresh:
        return
    waiting = queue.waiting(session, kept.project_id, MOST_WAITING)
    unsure = _unsure(session, kept, waiting)
    choosable = order.choosable(waiting, unsure) if kept.head else {}
    state = _state(project, kept, bool(choosable), bool(waiting))
    given = len(kept.head.labels) if kept.head else 0
    placed = order.front(waiting, choosable, given) if state is HeadState.ORDERS else []
    if changes := order.ranks(waiting, placed, given):
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
    found = _vectors(session, kept, new) if new else {}
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
