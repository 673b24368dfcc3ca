"""Bytes out of a path, bytes or a stream, as often as they are asked for, with gzip and zstd taken off.

A failure while reading, a truncated archive say, is `Damaged`, whatever library noticed it.
"""

import gzip
import io
import shutil
import tempfile
import weakref
import zlib
from collections.abc import Callable
from os import PathLike
from pathlib import Path
from typing import IO, Any

from formats.records import Unreadable

MAX_LAYERS = 3  # of compression
UNPACKED = 2**34  # bytes that lie in a temporary file, of what cannot be read while it is unpacked
UNPACKED_WHILE_WAITING = 2**28  # the same where somebody waits: unpacked in about two seconds
_PIECE = 2**20
_GZIP, _ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
SourceLike = str | PathLike[str] | bytes | IO[bytes]


class Damaged(Exception):
    """The bytes end too early or make no sense; the message is a sentence."""


class Stopped(Exception):
    """As many bytes were read as were asked for; more may follow."""


class Source:
    """Something whose bytes can be read from the start again and again; where somebody waits, no more than `most`."""

    def __init__(self, source: SourceLike, max_bytes: int | None = None, most: int | None = None) -> None:
        self._max_bytes, self._most = max_bytes, most
        self._unpacked: IO[bytes] | None = None
        self.damaged: str | None = None
        self.stopped = False  # whether the last reader came to the end of `most`
        self.path: Path | None = None
        if isinstance(source, bytes):
            self._open: Callable[[], IO[bytes]] = lambda: io.BytesIO(source)
        elif isinstance(source, str | PathLike):
            self.path = path = Path(source)
            self._open = lambda: path.open("rb")
        else:
            self._open = _again(source)
        self.compression: tuple[str, ...] = ()
        self._raw: _Guarded | None = None
        if self.path is None or not self.path.is_dir():
            self._find_compression()

    def open(self) -> "io.BufferedReader[Any]":
        """The bytes from the start, decompressed. Raises Unreadable where there are none to open."""
        try:
            file = self._open()
        except (OSError, ValueError) as error:
            raise Unreadable(f"{self.path} cannot be opened: {_first(error)}.") from None
        self._raw = _Guarded(file, None)
        reader: io.BufferedReader[Any] = io.BufferedReader(self._raw, 1 << 16)
        for name in self.compression:
            reader = io.BufferedReader(_Guarded(_UNPACK[name](reader), self._max_bytes), 1 << 16)
        return reader

    def looked_at(self) -> "io.BufferedReader[Any]":
        """The same, up to the first `most`, where reading more raises Stopped."""
        self.stopped = False
        reader = self.open()
        return reader if self._most is None else io.BufferedReader(_Bounded(reader, self._most, self._stop), 1 << 16)

    def _stop(self) -> None:
        self.stopped = True
        raise Stopped

    @property
    def share(self) -> float | None:
        """How much of the file the last reader has taken, from 0 to 1; None where its size is not known."""
        size = self.path.stat().st_size if self.path is not None and self.path.exists() else 0
        return min(1.0, self._raw.given / size) if size and self._raw is not None else None

    def head(self, size: int = 1 << 18) -> bytes:
        """The first bytes; `damaged` says why they are fewer than there should be. Raises Unreadable where not even one
        can be read."""
        pieces: list[bytes] = []
        self.damaged = None
        try:
            with self.open() as file:
                while size > 0 and (piece := file.read1(size)):
                    pieces.append(piece)
                    size -= len(piece)
        except Damaged as error:
            self.damaged = str(error)
            if not pieces:
                raise Unreadable(str(error)) from None
        return b"".join(pieces)

    def seekable(self) -> IO[bytes]:
        """The bytes as a file that can be read from anywhere, one reader at a time. Decompressed bytes lie in a
        temporary file, as long as this source is in use. Raises Unreadable where they cannot, or are too many."""
        if not self.compression:
            try:
                return self._open()
            except OSError as error:
                raise Unreadable(f"{self.path} cannot be opened: {_first(error)}.") from None
        if self._unpacked is None:
            self._unpacked = self._unpack(UNPACKED if self._most is None else UNPACKED_WHILE_WAITING)
            weakref.finalize(self, self._unpacked.close)
        return _Kept(self._unpacked, 0)  # type: ignore[return-value]

    def _unpack(self, most: int) -> IO[bytes]:
        copy = tempfile.TemporaryFile()  # noqa: SIM115
        try:
            with self.open() as file:
                while piece := file.read(_PIECE):
                    if copy.tell() + len(piece) > most:
                        raise Unreadable(
                            f"It has more than {most // 2**20:,} MB once it is unpacked, and cannot be read before. "
                            f"Take the {self.compression[0]} off: columns of Parquet are compressed already."
                        )
                    copy.write(piece)
                copy.flush()
        except Damaged as error:
            copy.close()
            raise Unreadable(str(error)) from None
        except OSError as error:
            copy.close()
            raise Unreadable(f"There is no room to unpack it: {_first(error)}.") from None
        except Unreadable:
            copy.close()
            raise
        return copy

    def _find_compression(self) -> None:
        while True:
            start = self.head(4)
            name = "gzip" if start[:2] == _GZIP else "zstd" if start == _ZSTD else None
            if name is None:
                return
            if len(self.compression) == MAX_LAYERS:
                raise Unreadable(f"It is compressed more than {MAX_LAYERS} times over.")
            self.compression = (*self.compression, name)


class _Over(io.RawIOBase):
    """What is read through a file, which it closes with itself."""

    def __init__(self, file: Any) -> None:
        self._file = file

    def readable(self) -> bool:
        return True

    def close(self) -> None:
        if not self.closed:
            super().close()
            self._file.close()


class _Guarded(_Over):
    """Reads from a file, turns what can go wrong into Damaged, and stops at a limit."""

    def __init__(self, file: Any, max_bytes: int | None) -> None:
        super().__init__(file)
        self._left = max_bytes
        self.given = 0
        # What comes before a truncation is read: read() of gzip would drop all of its last piece.
        self._read = getattr(file, "read1", file.read)

    def readinto(self, buffer: Any) -> int:
        try:
            data = self._read(len(buffer))
        except Damaged:
            raise
        except (OSError, EOFError, ValueError, zlib.error) as error:  # Arrow's errors are among these
            raise Damaged(f"The file ends too early or is damaged ({_first(error)}).") from None
        if self._left is not None:
            self._left -= len(data)
            if self._left < 0:
                raise Damaged("It is larger than can be taken once it is decompressed.")
        self.given += len(data)
        buffer[: len(data)] = data
        return len(data)


class _Bounded(_Over):
    """The first `most` bytes of a file; `stop` is called where more are asked for and there are any."""

    def __init__(self, file: Any, most: int, stop: Callable[[], None]) -> None:
        super().__init__(file)
        self._left, self._stop = most, stop

    def readinto(self, buffer: Any) -> int:
        data = self._file.read1(min(len(buffer), max(self._left, 1)))
        if data and not self._left:
            self._stop()
        self._left -= len(data)
        buffer[: len(data)] = data
        return len(data)


class _Kept:
    """A caller's stream from where it stood; closing it is the caller's."""

    def __init__(self, stream: IO[bytes], start: int) -> None:
        self._stream = stream
        stream.seek(start)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def close(self) -> None:
        pass


def _again(stream: IO[bytes]) -> Callable[[], IO[bytes]]:
    if not stream.seekable():
        copy = tempfile.TemporaryFile()  # noqa: SIM115
        shutil.copyfileobj(stream, copy)
        copy.seek(0)
        stream = copy
    start = stream.tell()
    return lambda: _Kept(stream, start)  # type: ignore[return-value]


def _zstd(file: io.BufferedReader) -> Any:
    try:
        import pyarrow
    except ImportError:
        raise Unreadable("zstd needs the package pyarrow: install it, or decompress the file first.") from None
    return pyarrow.CompressedInputStream(pyarrow.PythonFile(file, mode="r"), "zstd")


_UNPACK: dict[str, Callable[[io.BufferedReader], Any]] = {
    "gzip": lambda file: gzip.GzipFile(fileobj=file),
    "zstd": _zstd,
}


def _first(error: BaseException) -> str:
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return str(text).splitlines()[0].rstrip(".")
