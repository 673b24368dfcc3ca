"""A copy of the embedded database before its schema changes, to go back with where a migration has no way back.

Knows no table. A server that DATABASE_URL names has its operator's own backups.
"""

import os
import signal
import subprocess
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from workers.platform.folder import Unusable
from workers.platform.postgres import programs
from workers.platform.processes import spawn, stop

_SAID_EVERY = 5.0  # seconds


def dump(url: str, folder: Path, revision: str, tell: Callable[[str], None]) -> Path:
    """Write what `pg_restore` reads to `folder`/dumps, whole or not at all; its path.

    Raises Unusable where it cannot be written: the database is as it was.
    """
    dumps = folder / "dumps"
    dumps.mkdir(mode=0o700, exist_ok=True)
    made = dumps / f"schema-{revision}-{datetime.now(UTC):%Y%m%dT%H%M%SZ}.dump"
    beside = made.with_suffix(".part")
    for left in dumps.glob("*.part"):  # by a start that was killed
        left.unlink()
    tell(f"Saving a copy of the database to {made} before it is upgraded.")
    command = [str(programs() / "pg_dump"), "--format=custom", "--compress=1", f"--file={beside}", url]
    process = spawn(command, output=subprocess.PIPE)
    try:
        said = _watch(process, beside, tell)
    finally:
        stop(process, 5, first=signal.SIGINT)
    if process.returncode:
        beside.unlink(missing_ok=True)
        raise Unusable(
            f"The database could not be copied before its upgrade, so nothing was changed: {said}. "
            f"Free some space or make {dumps} writable, and start again."
        )
    with beside.open("rb") as written:
        os.fsync(written.fileno())
    return beside.rename(made)


def _watch(process: subprocess.Popen[bytes], path: Path, tell: Callable[[str], None]) -> str:
    """Tell how much is written until the process ends; its last words."""
    began = time.monotonic()
    while True:
        try:
            said, _ = process.communicate(timeout=_SAID_EVERY)
        except subprocess.TimeoutExpired:
            size = path.stat().st_size if path.exists() else 0
            seconds = time.monotonic() - began
            tell(f"  {size / 1e6:,.0f} MB after {seconds:.0f} s ({size / 1e6 / seconds:,.1f} MB/s)")
            continue
        lines = [line for line in said.decode(errors="replace").splitlines() if line.strip()]
        return lines[-1].removeprefix("pg_dump: error: ").rstrip(".") if lines else "pg_dump gave no reason"
