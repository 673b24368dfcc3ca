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


def log_tail(run: Run, octets: int = 8_000) -> str | None:
    """The end of the run's log, from a whole line on; None where there is none yet."""
    try:
        with (workspace(run) / "log.txt").open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - octets))
            text = file.read().decode(errors="replace")
    except OSError:
        return None
    # A progress bar draws over itself with carriage returns: of each line the last drawing is kept.
    lines = [line.rstrip("\r").rsplit("\r", 1)[-1] for line in text.split("\n")]
    return "\n".join(lines[1:] if size > octets and len(lines) > 1 else lines)
