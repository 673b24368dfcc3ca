"""Runs that read a file into a project, and those that take out what one has brought."""

from typing import cast

from app.imports import storing, undoing
from app.models import UndoConfig
from app.models.documents import RunSummary
from workers.runs.attempt import Attempt, Cancelled
from workers.runs.outcome import Outcome
from workers.runs.telling import Telling, beating


def bring_in(attempt: Attempt) -> Outcome:
    """Read the run's file into its project. One that is cancelled leaves nothing that it stored."""
    with beating(attempt):
        try:
            counts = storing.bring_in(attempt.writing, Telling(attempt))
        except Cancelled:
            undoing.take_out(attempt.writing, attempt.run_id, Telling(attempt).quietly)
            raise
    return Outcome(cast(RunSummary, counts))


def undo(attempt: Attempt) -> Outcome:
    """Take out what an import has brought."""
    with attempt.writing() as (_, run):
        import_id = run.asked(UndoConfig).import_id
    with beating(attempt):
        return Outcome(undoing.take_out(attempt.writing, import_id, Telling(attempt)))
