"""Uploaded files in the store, by project and content: the same file twice is there once. Knows no database."""

import os
import shutil
import time
from collections.abc import Callable, Iterable
from hashlib import file_digest, sha256
from pathlib import Path
from secrets import token_hex
from typing import IO

from app.settings import get_settings
from app.web.errors import NotFound, TooLarge, Unavailable

MAX_UPLOAD = 2**30  # bytes; the command line takes files of any size
_CHUNK = 2**20
_FORGOTTEN = 86_400.0  # seconds after which a file that no run names is deleted


def keep(project_id: int, source: IO[bytes], most: int | None = None) -> str:
    """Copy a file into the store, whole or not at all; its digest. TooLarge for more than `most` bytes."""
    folder = folder_of(project_id)
    digest, size = sha256(), 0
    beside = folder / f".{token_hex(8)}.part"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with beside.open("wb") as target:
            while piece := source.read(_CHUNK):
                size += len(piece)
                if most is not None and size > most:
                    raise TooLarge(
                        f"The file is larger than {most // 2**20:,} MB. Split it, compress it, or import it with "
                        "“hone import”, which takes any size.", "file",
                    )  # fmt: skip
                digest.update(piece)
                target.write(piece)
            target.flush()
            os.fsync(target.fileno())
        beside.replace(folder / digest.hexdigest())
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
    except OSError as error:
        raise Unavailable(f"The file cannot be kept: {error.strerror or error}. Tell an administrator.") from None
    finally:
        beside.unlink(missing_ok=True)
    return digest.hexdigest()


def keep_folder(project_id: int, fill: Callable[[Path], object]) -> str:
    """The same for a folder, such as `save_to_disk` writes, with all that `fill` puts into it."""
    digest = sha256()
    beside = folder_of(project_id) / f".{token_hex(8)}.part"
    try:
        beside.mkdir(parents=True)
        fill(beside)
        for each in sorted(path for path in beside.rglob("*") if path.is_file()):
            with each.open("rb") as file:
                digest.update(f"{each.relative_to(beside)}\0{file_digest(file, 'sha256').hexdigest()}\0".encode())
        if not (final := folder_of(project_id) / digest.hexdigest()).is_dir():
            beside.replace(final)
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return digest.hexdigest()


def address(project_id: int, digest: str) -> str:
    """Where a file is, from the store on."""
    return f"imports/{project_id}/{digest}"


def path(file: str) -> Path:
    """The file at an address. NotFound where it is no longer there."""
    found = get_settings().store / file
    if not found.exists():
        raise NotFound("The file is no longer there. Choose it again.")
    return found


def size(file: str) -> int:
    """Bytes of the file or folder at an address. NotFound where it is no longer there."""
    found = path(file)
    return sum(each.stat().st_size for each in (found.rglob("*") if found.is_dir() else [found]) if each.is_file())


def delete(file: str) -> None:
    """Delete the file at an address; one that is gone already is no fault."""
    found = get_settings().store / file
    if found.is_dir():
        shutil.rmtree(found, ignore_errors=True)
    else:
        found.unlink(missing_ok=True)


def delete_forgotten(project_id: int, named: Callable[[Iterable[str]], set[str]]) -> None:
    """Delete what was uploaded and never imported; `named` tells which of some addresses runs name."""
    try:
        old = [
            address(project_id, each.name)
            for each in folder_of(project_id).iterdir()
            if each.stat().st_mtime < time.time() - _FORGOTTEN
        ]
    except OSError:
        return
    for file in set(old) - named(old):
        delete(file)


def folder_of(project_id: int) -> Path:
    """Where a project's files are."""
    return get_settings().store / "imports" / str(project_id)
