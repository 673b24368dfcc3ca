"""Where a run's files are in the store."""

from pathlib import Path

from app.models import Run
from app.settings import get_settings


def folder(run_id: int) -> Path:
    """The run's folder, in which each attempt has one of its own."""
    return get_settings().store / "runs" / str(run_id)


def workspace(run: Run) -> Path:
    """Where the run's inputs, log, checkpoints and results are: the folder of the last attempt that began to work."""
    return folder(run.id) / (run.workspace or "")
