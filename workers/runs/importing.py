"""Runs that read a file into a project, and those that take out what one has brought."""

from typing import cast

from app.imports import files, storing, undoing
from app.models import ImportConfig, UndoConfig
from app.models.documents import RunSummary
from app.runs.service import project_of
from app.web.errors import Invalid
from formats import Unreadable
from formats.containers import hub
from workers.runs.attempt import Attempt, Cancelled
from workers.runs.outcome import Outcome
from workers.runs.telling import Telling, beating

_MB = 2**20


def bring_in(attempt: Attempt) -> Outcome:
    """Read the run's file into its project. One that is cancelled leaves nothing that it stored."""
    with beating(attempt):
        try:
            tell = Telling(attempt)
            _fetch(attempt, tell)
            counts = storing.bring_in(attempt.writing, tell)
        except Cancelled:
            undoing.take_out(attempt.writing, attempt.run_id, Telling(attempt).quietly)
            raise
    return Outcome(cast(RunSummary, counts))


def _fetch(attempt: Attempt, tell: Telling) -> None:
    """Bring a data set of the hub into the store, whole or not at all, unless an earlier attempt has. It may be as
    large as an upload, since others wait for the disk and for this worker too."""
    with attempt.writing() as (_, run):
        config, project = run.asked(ImportConfig), project_of(run)
    if (name := config.hub) is None or config.file:
        return

    def tell_fetched(here: int, whole: int) -> None:
        tell(here // _MB, -(-whole // _MB), "MB fetched")

    try:
        digest = files.keep_folder(project, lambda folder: hub.fetch(name, folder, files.MAX_UPLOAD, tell_fetched))
    except Unreadable as error:
        raise Invalid(str(error)) from None
    with attempt.writing() as (_, run):
        file = files.address(project, digest)
        run.config = config.model_copy(update={"file": file, "size": files.size(file)})


def undo(attempt: Attempt) -> Outcome:
    """Take out what an import has brought."""
    with attempt.writing() as (_, run):
        import_id = run.asked(UndoConfig).import_id
    with beating(attempt):
        return Outcome(undoing.take_out(attempt.writing, import_id, Telling(attempt)))
