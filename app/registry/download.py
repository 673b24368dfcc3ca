"""A folder as a tar file, made while it is read: nothing is written to disk and little held in memory."""

import tarfile
from collections.abc import Iterator
from pathlib import Path

CHUNK = 1 << 20


def tar_stream(folder: Path, name: str) -> Iterator[bytes]:
    """The bytes of a tar file with the folder's plain files under `name/`, in the order of their names."""
    for path in sorted(each for each in folder.rglob("*") if each.is_file()):
        info = tarfile.TarInfo(f"{name}/{path.relative_to(folder)}")
        status = path.stat()
        info.size, info.mtime, info.mode = status.st_size, int(status.st_mtime), 0o644
        yield info.tobuf(tarfile.PAX_FORMAT)
        left = info.size
        with path.open("rb") as file:
            while left:
                chunk = file.read(min(CHUNK, left))
                if not chunk:
                    raise OSError(f"{path} was cut short while it was sent")
                left -= len(chunk)
                yield chunk
        yield bytes(-info.size % tarfile.BLOCKSIZE)
    yield bytes(2 * tarfile.BLOCKSIZE)
