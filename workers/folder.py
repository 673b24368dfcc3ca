"""The data folder: its parts, and the lock that lets one `hone up` at a time work in it."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from app.settings import Settings


class Unusable(Exception):
    """The platform cannot start or a command cannot go on; the message is a sentence that says what to do."""


class FolderInUse(Unusable):
    """Another process holds the data folder."""


def prepare_folder(settings: Settings) -> Path:
    """Make the data folder (readable by its owner alone) and its parts; its absolute path."""
    folder = settings.data_dir.expanduser().resolve()
    try:
        fresh = not folder.exists()
        for part in (folder, folder / "logs", folder / "run", settings.store):
            part.mkdir(parents=True, exist_ok=True)
        if fresh:
            folder.chmod(0o700)
        probe = folder / "run" / f".write-test-{os.getpid()}"
        probe.write_bytes(b"x" * 4096)
        probe.unlink()
    except OSError as error:
        raise Unusable(
            f"The data folder {folder} cannot be written ({error.strerror}). "
            "Free some space or correct its owner, or set HONE_DATA_DIR to another folder."
        ) from None
    return folder


@contextmanager
def lock(folder: Path) -> Iterator[None]:
    """Hold the data folder. Raises FolderInUse, naming the holder; the system lets go when the holder dies."""
    handle = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(handle, 32, 0).decode().strip() or "unknown"
            raise FolderInUse(
                f"The data folder {folder} is in use by process {holder}. "
                "Stop that one first, or set HONE_DATA_DIR to another folder."
            ) from None
        os.ftruncate(handle, 0)
        os.pwrite(handle, str(os.getpid()).encode(), 0)
        yield
    finally:
        os.close(handle)
