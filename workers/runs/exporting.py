"""Runs that write labels to a file."""

from app.db import patient_session
from app.exports import parts
from app.exports.export import Export
from app.models import ExportConfig, Project
from app.runs.service import project_of
from workers.runs.attempt import Attempt
from workers.runs.outcome import Outcome
from workers.runs.telling import Telling, beating


def export(attempt: Attempt) -> Outcome:
    """Write the run's file, or what an earlier attempt left of it to be written."""
    with attempt.writing() as (session, run):
        wanted = run.asked(ExportConfig).wanted
        made = Export(session.get_one(Project, project_of(run)), wanted)
    folder = attempt.folder / parts.FOLDER
    with beating(attempt), patient_session() as session:
        state = parts.write(session, made, folder, Telling(attempt))
    size = sum((folder / part.file).stat().st_size for part in state.parts)
    return Outcome({"rows": state.rows, "bytes": size})
