"""The data folder: its parts, and the lock that lets one `hone up` at a time work in it."""

import fcntl
import os
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from app.settings import Settings

_OURS = {"secret_key", "postgres"}  # one of which every data folder has that was ever used
_EVERYWHERE = {"lost+found"}


class Unusable(Exception):
    """The platform cannot start or a command cannot go on; the message is a sentence that says what to do."""


class FolderInUse(Unusable):
    """Another process holds the data folder."""


def prepare_folder(settings: Settings) -> Path:
    """Make the data folder and its parts, or find them, and close them to everybody but their owner; the folder's
    absolute path."""
    folder = settings.data_dir.expanduser().resolve()
    try:
        found = sorted(path.name for path in folder.iterdir()) if folder.exists() else []
        for part in (folder, folder / "logs", folder / "run", settings.store):
            part.mkdir(mode=0o700, parents=True, exist_ok=True)
        close_to_others(folder, found)
        probe = folder / "run" / f".write-test-{os.getpid()}"
        probe.write_bytes(b"x" * 4096)
        probe.unlink()
    except OSError as error:
        raise Unusable(
            f"The data folder {folder} cannot be written ({error.strerror}). "
            "Free some space or correct its owner, or set HONE_DATA_DIR to another folder."
        ) from None
    return folder


def close_to_others(folder: Path, found: list[str]) -> None:
    """Take group and others every right to the data folder and to the keys, addresses and logs in it, or say why that
    is left alone. What was `found` there tells whether the folder is Hone's: as root, HONE_DATA_DIR=/var or /tmp must
    not shut everybody else out."""
    mode = stat.S_IMODE(folder.stat().st_mode)
    if mode & 0o077:
        if mode & stat.S_ISVTX or not (_OURS.intersection(found) or set(found) <= _EVERYWHERE):
            return _warn(folder, mode, "holds other things than Hone's")
        if folder.stat().st_uid != os.geteuid() != 0:
            return _warn(folder, mode, "belongs to another user")
        folder.chmod(0o700)
    for path in (*folder.iterdir(), *(folder / "logs").iterdir(), *(folder / "run").iterdir()):
        if path.is_file() and not path.is_symlink() and path.stat().st_mode & 0o077:
            with suppress(PermissionError):  # another user's
                path.chmod(0o600)
    return None


def _warn(folder: Path, mode: int, why: str) -> None:
    print(
        f"The data folder {folder} {why}, so its mode {mode:o} stays, and others on this machine may look into it. "
        "Set HONE_DATA_DIR to a folder of Hone's own.",
        file=sys.stderr,
    )


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
