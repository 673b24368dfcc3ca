"""The SQL of imports: how far one is, what it refused, and which files are still asked for."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from sqlalchemy import func, insert, select
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import Session

from app.models import ImportProgress, RefusedRow, Run, RunKind
from app.models.documents import ImportCounts
from formats import Refusal

_KINDS = (RunKind.IMPORT, RunKind.UNDO)


def progress(session: Session, run_id: int) -> ImportProgress:
    """How far an import is, which nobody else changes until this transaction ends."""
    session.execute(postgresql.insert(ImportProgress).values(run_id=run_id).on_conflict_do_nothing())
    return session.scalars(
        select(ImportProgress)
        .where(ImportProgress.run_id == run_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).one()


def counts(session: Session, run_id: int) -> ImportCounts:
    """What an import has come to so far."""
    found = session.get(ImportProgress, run_id, populate_existing=True)
    return found.counts if found is not None else {}


def forget(session: Session, run_id: int) -> None:
    """Have an import that was taken out begin anew, should it be resumed."""
    done = progress(session, run_id)
    made = ("prompts", "pairs", "labels", "duplicates")
    done.stored, done.counts = 0, {name: count for name, count in done.counts.items() if name not in made}


def refuse(session: Session, run_id: int, rows: Sequence[tuple[int, Refusal]]) -> None:
    """Write down refused rows, by their numbers."""
    if rows:
        session.execute(
            insert(RefusedRow),
            [
                {"run_id": run_id, "number": number, "line": each.line, "reason": each.reason, "raw": each.raw}
                for number, each in rows
            ],
        )


def refused(session: Session, run_id: int, limit: int) -> list[RefusedRow]:
    """The first refused rows."""
    found = select(RefusedRow).where(RefusedRow.run_id == run_id).order_by(RefusedRow.number).limit(limit)
    return list(session.scalars(found))


def all_refused(session: Session, run_id: int) -> Iterator[Sequence[Any]]:
    """(line, reason, raw) of all refused rows, batch by batch as the server has them."""
    statement = select(RefusedRow.line, RefusedRow.reason, RefusedRow.raw).where(RefusedRow.run_id == run_id)
    yield from session.execute(statement.order_by(RefusedRow.number), execution_options={"yield_per": 500}).partitions()


def named(session: Session, project_id: int, files: Iterable[str]) -> set[str]:
    """Which of these files runs of the project name."""
    file = Run.config["file"].as_string()
    found = select(file).where(Run.project_id == project_id, Run.kind == RunKind.IMPORT, file.in_(list(files)))
    return set(session.scalars(found))


def runs(project_id: int) -> Any:
    """The project's imports and what undid them, to be read in pages."""
    return select(Run).where(Run.project_id == project_id, Run.kind.in_(_KINDS))


def undone_by(session: Session, project_id: int, import_id: int) -> Run | None:
    """The run that undid an import, or is about to."""
    about = Run.config["import_id"].as_integer()
    found = select(Run).where(Run.project_id == project_id, Run.kind == RunKind.UNDO, about == import_id)
    return session.scalar(found.order_by(Run.id.desc()).limit(1))


def following(session: Session, run: Run) -> int:
    """How many imports of the project came after this one."""
    later = select(func.count()).where(Run.project_id == run.project_id, Run.kind == RunKind.IMPORT, Run.id > run.id)
    return session.scalar(later) or 0
