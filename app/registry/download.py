"""A model's folder as a tar file, made while it is read: nothing is written to disk and little held in memory."""

import re
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

CHUNK = 1 << 20
MEDIA_TYPE = "application/x-tar"
_LEFT_OUT = "prepared.json"  # which folder of this server a model was read from
_END = bytes(2 * tarfile.BLOCKSIZE)


@dataclass(frozen=True)
class _Entry:
    path: Path
    header: bytes
    size: int

    @property
    def padding(self) -> bytes:
        return bytes(-self.size % tarfile.BLOCKSIZE)


class Tar:
    """The plain files of a folder under `name/`, in the order of their names. `length`: of the tar file, in bytes."""

    def __init__(self, folder: Path, name: str) -> None:
        found = [each for each in folder.rglob("*") if each.is_file() and not each.is_symlink()]
        self._entries = [_entry(path, f"{name}/{path.relative_to(folder)}") for path in sorted(found)
                         if path != folder / _LEFT_OUT]  # fmt: skip
        self.length = len(_END) + sum(len(one.header) + one.size + len(one.padding) for one in self._entries)

    def __iter__(self) -> Iterator[bytes]:
        """Its bytes. Raises OSError where a file has become shorter since."""
        for entry in self._entries:
            yield entry.header
            left = entry.size
            with entry.path.open("rb") as file:
                while left:
                    chunk = file.read(min(CHUNK, left))
                    if not chunk:
                        raise OSError(f"{entry.path} was cut short while it was sent")
                    left -= len(chunk)
                    yield chunk
            yield entry.padding
        yield _END


def _entry(path: Path, name: str) -> _Entry:
    info, status = tarfile.TarInfo(name), path.stat()
    info.size, info.mtime, info.mode = status.st_size, int(status.st_mtime), 0o644
    return _Entry(path, info.tobuf(tarfile.PAX_FORMAT), info.size)


def file_name(name: str) -> str:
    """What a download of a model of this name is called, in plain letters."""
    return re.sub(r"[^a-z0-9.]+", "-", name.lower()).strip("-.") or "model"
