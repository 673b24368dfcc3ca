"""How much room projects take in the store: the files of their runs, models and imports. Reading folders takes a while,
so a worker does it now and then, and what is told and permitted goes by what it found last."""

from collections.abc import Iterable, Sequence
from datetime import timedelta
from pathlib import Path

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from app import jobs
from app.imports import files
from app.models import Model, Project, Quota, Run
from app.quotas import service as quotas
from app.runs import folders
from app.settings import get_settings

TASK, QUEUE = "hone.measure_storage", "files"
HOLDS = timedelta(minutes=10)  # for which a figure does


def due(session: Session) -> Sequence[int]:
    """The projects whose figure is missing or old."""
    old = Quota.storage_measured_at < func.clock_timestamp() - HOLDS
    unknown = or_(Quota.storage_measured_at.is_(None), old)
    found = select(Project.id).outerjoin(Quota, Quota.project_id == Project.id)
    return session.scalars(found.where(Project.archived_at.is_(None), unknown).order_by(Project.id)).all()


def ask(session: Session) -> None:
    """Have a worker measure what is due."""
    if due(session):
        jobs.enqueue(session, TASK, queue=QUEUE)


def measure(session: Session, project_id: int) -> int:
    """Add up a project's files, those that several folders share once, and keep the sum; in bytes."""
    runs = session.scalars(select(Run.id).where(Run.project_id == project_id)).all()
    artifacts = session.scalars(select(Model.artifact).where(Model.project_id == project_id)).all()
    store = get_settings().store
    places = [folders.folder(run) for run in runs] + [store / each for each in artifacts if each]
    octets = _octets([*places, files.folder_of(project_id)])
    quotas.measured(session, project_id, octets)
    return octets


def _octets(places: Iterable[Path]) -> int:
    sizes: dict[tuple[int, int], int] = {}
    for place in places:
        for path in place.rglob("*"):
            try:
                found = path.lstat()
            except FileNotFoundError:  # it was deleted just now
                continue
            if path.is_symlink() or path.is_file():
                sizes[found.st_dev, found.st_ino] = found.st_size
    return sum(sizes.values())
