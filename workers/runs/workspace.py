"""The folder of one attempt at a run, made from what the last attempt left, so that two attempts share no file.

A process that goes on though its claim is lost writes into a folder that nobody reads any more. Which folder counts is
in the run's row alone. Knows no database and no claim.
"""

import fcntl
import os
import shutil
from collections.abc import Callable
from pathlib import Path

PREFIX = "attempt-"
_CHUNK = 16 * 2**20
_OWN = ("config.yaml", "child.json")  # each attempt writes its own


class Changing(Exception):
    """Somebody goes on writing into the folder that is to be copied."""


def make(source: Path, target: Path, between: Callable[[], None]) -> None:
    """Make `target` with everything of `source` that a next attempt goes on from; on the disk when this returns.

    Weights are linked where the file system can: they are never written to again, and are large. All else is copied.
    `between` is called now and then, since copying may take long; what it raises ends this, with `target` removed.
    """
    try:
        for _ in range(3):
            before = _published(source)
            target.mkdir(parents=True)
            try:
                _fill(source, target, between)
            except FileNotFoundError:  # deleted meanwhile, by an attempt that does not know yet that it is over
                pass
            else:
                if _published(source) == before:
                    _sync(target)
                    _sync(target.parent)
                    return
            shutil.rmtree(target)
        raise Changing
    except BaseException:
        shutil.rmtree(target, ignore_errors=True)
        raise


def copy_model(made: Path, final: Path, between: Callable[[], None]) -> None:
    """Put a finished model to where it is looked for, whole or not at all, and leave it where it is as well."""
    final.parent.mkdir(parents=True, exist_ok=True)
    beside = final.with_name(f".{final.name}.part")
    shutil.rmtree(beside, ignore_errors=True)
    beside.mkdir()
    try:
        _fill(made, beside, between)
        _sync(beside)
        beside.rename(final)
        _sync(final.parent)
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def keep_only(folder: Path, name: str) -> None:
    """Delete everything in a run's folder but one attempt; only once the run has ended, when nobody needs the rest."""
    for path in folder.iterdir():
        if path.name != name:
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)


def locked(folder: Path) -> bool:
    """Whether a trainer that still lives holds the folder."""
    try:
        with (folder / ".lock").open("a") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def _published(folder: Path) -> list[str]:
    """What appears and goes as a whole: checkpoints, also those of the best weights, and models."""
    inside = [path for path in folder.glob("*") if path.is_dir() and not _passed_over(path)]
    return sorted(str(path) for each in inside for path in (each, *each.glob("checkpoint-*")))


def _passed_over(path: Path) -> bool:
    """Half-written things, other attempts, and what each attempt writes for itself."""
    return path.name.startswith((".", PREFIX)) or path.name in _OWN


def _fill(source: Path, target: Path, between: Callable[[], None]) -> None:
    for path in sorted(source.iterdir()) if source.exists() else ():
        if _passed_over(path):
            continue
        if path.is_dir():
            (target / path.name).mkdir()
            _fill(path, target / path.name, between)
        else:
            _carry(path, target / path.name, between)
            between()


def _carry(path: Path, to: Path, between: Callable[[], None]) -> None:
    if path.suffix == ".safetensors":
        try:
            os.link(path, to)
        except FileNotFoundError:
            raise
        except OSError:  # a file system without links
            pass
        else:
            return
    with path.open("rb") as source, to.open("wb") as target:
        while piece := source.read(_CHUNK):
            target.write(piece)
            between()
        target.flush()
        os.fsync(target.fileno())


def _sync(folder: Path) -> None:
    """Have the names in a folder, and in those below, on the disk."""
    for path in (folder, *(path for path in folder.rglob("*") if path.is_dir())):
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
