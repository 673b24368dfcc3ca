"""What a deleted project has left goes in transactions that each take a moment, so that nobody waits for them. A worker
does it; where it was killed, the next one goes on. Nobody sees any of it: see `project`."""

import logging
import shutil
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from app import jobs
from app.imports import files
from app.labels.outside import hold_snapshots
from app.models import Model, Project, Run
from app.part_size import PartSize
from app.runs import folders
from app.settings import get_settings

log = logging.getLogger(__name__)

TASK, QUEUE = "hone.erase_labels", "files"  # the one that deletes people's labels
Writing = Callable[[], AbstractContextManager[Session]]

_RUNS = "run_id = any(array(select id from run where project_id = :project))"
_HERE = "project_id = :project"
_OF_SNAPSHOTS = "snapshot_id = any(array(select id from snapshot where project_id = :project))"
# In this order, so many rows in the first part: more hangs on each of the later ones. Assignments go with their items.
# Nothing finds labels by their instructions: for each version all are read once, so it is one at a time.
MANY = (
    ("snapshot_label", _OF_SNAPSHOTS, 1_000),
    ("label", _HERE, 300),
    ("conversation", _HERE, 5),
    ("item", _HERE, 100),
    ("prompt", _HERE, 20),
    ("run_metric", _RUNS, 1_000),
    ("run_sample", _RUNS, 100),
    ("refused_row", _RUNS, 100),
    ("imported_annotator", _HERE, 20),
    ("instructions", _HERE, 1),
)
# Models and runs name each other and those that they come from: those ties are cut first.
_TIES = (
    "update model set run_id = null, parent_id = null where project_id = :project",
    "update run set parent_id = null where project_id = :project",
)
# Once the files are gone, whose folders these rows name. For each one PostgreSQL looks through the entries that what
# named it has left in indexes: one at a time at first.
NAMING = (("run", _HERE, 1), ("snapshot", _HERE, 1), ("live_head", _HERE, 1), ("model", _HERE, 1))
# What came in between, of a request that had begun before. What is not named here goes with the project.
_REST = (
    *(f"delete from {table} where {where}" for table, where, _ in MANY),  # noqa: S608  fixed fragments
    *_TIES,
    *(f"delete from {table} where {where}" for table, where, _ in NAMING),  # noqa: S608  fixed fragments
    "delete from audit_event where project_id = :project",
    "delete from project where id = :project",
)


def waiting(session: Session) -> Sequence[int]:
    """The projects that are still to go."""
    return session.scalars(select(Project.id).where(Project.goes_since.is_not(None)).order_by(Project.id)).all()


def ask(session: Session) -> None:
    """Have a worker go on, where there is something to do."""
    if waiting(session):
        jobs.enqueue(session, TASK, queue=QUEUE)


def go_on(writing: Writing, project_id: int) -> bool:
    """Delete all that is left; each `writing` is a transaction. False where another worker is at it, or nothing was to
    be done. Files go before the rows that name them, so that none is forgotten."""
    if not all(_go(writing, project_id, *kind) for kind in MANY):
        return False
    with writing() as session:
        if not _hold(session, project_id):
            return False
        places = _places(session, project_id)
    for place in places:
        if place.exists():
            shutil.rmtree(place)
    with writing() as session:
        if not _hold(session, project_id):
            return False
        for statement in _TIES:
            session.execute(text(statement), {"project": project_id})
    if not all(_go(writing, project_id, *kind) for kind in NAMING):
        return False
    with writing() as session:
        if not _hold(session, project_id, last=True):
            return False
        for statement in _REST:
            session.execute(text(statement), {"project": project_id})
    log.info("project %d is deleted", project_id)
    return True


def _go(writing: Writing, project_id: int, table: str, where: str, first: int) -> bool:
    """Delete all rows of one kind, a part at a time; False where another worker is at it."""
    size, gone = PartSize(first), first
    while gone:
        began = time.perf_counter()
        with writing() as session:
            if not _hold(session, project_id):
                return False
            hold_snapshots(session, project_id)  # a person's deletion takes the same rows
            gone = _part(session, project_id, table, where, size.rows)
        size.took(time.perf_counter() - began)
    return True


def _part(session: Session, project_id: int, table: str, where: str, most: int) -> int:
    some = f"select ctid from {table} where {where} limit :most"  # noqa: S608  fixed fragments
    part = text(f"delete from {table} where ctid = any(array({some})) returning 1")  # noqa: S608  fixed fragments
    return len(session.scalars(part, {"project": project_id, "most": most}).all())


def _hold(session: Session, project_id: int, *, last: bool = False) -> bool:
    """Whether it is still to go and no other worker does a part now. At the `last` nobody adds anything more."""
    found = select(Project.id).where(Project.id == project_id, Project.goes_since.is_not(None))
    return session.scalar(found.with_for_update(skip_locked=True, key_share=not last)) is not None


def _places(session: Session, project_id: int) -> list[Path]:
    """Its folders in the store."""
    runs = session.scalars(select(Run.id).where(Run.project_id == project_id)).all()
    artifacts = session.scalars(select(Model.artifact).where(Model.project_id == project_id)).all()
    store = get_settings().store
    return [
        *(folders.folder(run) for run in runs),
        *(store / artifact for artifact in artifacts if artifact),
        files.folder_of(project_id),
    ]
