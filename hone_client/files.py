"""Files that are sent, and files that are answered. Knows no call."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Self

import httpx

from hone_client.errors import Unreachable

_NAME = re.compile(r'filename="?([^";]+)"?')


@contextmanager
def opened(file: Path | BinaryIO | None) -> Iterator[BinaryIO | None]:
    """A file to be sent: opened here where it is a path."""
    if not isinstance(file, Path):
        yield file
        return
    with file.open("rb") as stream:
        yield stream


class Download:
    """An answer that is a file, read while it comes: iterate over its bytes, or `save` it. Close it, or use `with`."""

    def __init__(self, response: httpx.Response) -> None:
        self._response = response
        found = _NAME.search(response.headers.get("content-disposition", ""))
        self.name: str | None = Path(found[1]).name if found else None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the connection."""
        self._response.close()

    def __iter__(self) -> Iterator[bytes]:
        try:
            yield from self._response.iter_bytes()
        except httpx.TransportError as error:
            raise Unreachable(f"The file broke off: {error or type(error).__name__}.") from error

    def read(self) -> bytes:
        """All of it."""
        with self:
            return b"".join(self)

    def save(self, path: str | Path) -> Path:
        """Write it to `path`, which is there only when it is whole."""
        path = Path(path)
        beside = path.with_name(f".{path.name}.part")
        try:
            with self, beside.open("wb") as file:
                for piece in self:
                    file.write(piece)
            return beside.replace(path)
        finally:
            beside.unlink(missing_ok=True)
