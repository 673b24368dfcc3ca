"""The interleaved log of several processes: each line prefixed with who said it, and kept in a file of its own."""

import sys
from collections.abc import Iterator
from pathlib import Path
from threading import Lock, Thread
from typing import IO, TextIO

_COLOURS = (36, 33, 32, 35, 34, 96, 93, 92)
_KEEP_BYTES = 10_000_000
_LONGEST = 65_536  # bytes of a line; a message of ours is cut long before


class Console:
    """Writes whole lines from several threads to the terminal."""

    def __init__(self, names: list[str], stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stdout
        self._width = max(map(len, names))
        self._colours = dict(zip(names, _COLOURS * len(names), strict=False)) if self._stream.isatty() else {}
        self._lock = Lock()

    def line(self, name: str, text: str) -> None:
        """One line of one process."""
        prefix = f"{name:<{self._width}} | "
        if colour := self._colours.get(name):
            prefix = f"\x1b[{colour}m{prefix}\x1b[0m"
        self.say(prefix + text)

    def say(self, text: str) -> None:
        """A line of the supervisor's own. A closed terminal is no reason to stop."""
        with self._lock:
            try:
                self._stream.write(text + "\n")
                self._stream.flush()
            except (OSError, ValueError):
                pass


def pump(name: str, source: IO[bytes], console: Console, folder: Path) -> Thread:
    """Copy a process's output to the console and to `<folder>/<name>.log` until it ends."""

    def copy() -> None:
        with LogFile(folder / f"{name}.log") as log:
            for raw in whole_lines(source):
                log.write(raw)
                console.line(name, raw.decode(errors="replace").rstrip())

    thread = Thread(target=copy, name=f"log-{name}", daemon=True)
    thread.start()
    return thread


def whole_lines(source: IO[bytes]) -> Iterator[bytes]:
    """The lines of a stream. Of one that is too long, the beginning and a word on its length."""
    while raw := source.readline(_LONGEST):
        if len(raw) == _LONGEST and not raw.endswith(b"\n"):
            length = len(raw)
            while rest := source.readline(_LONGEST):
                length += len(rest)
                if rest.endswith(b"\n"):
                    break
            raw += f" … (cut: {length:,} bytes)\n".encode()
        yield raw


class LogFile:
    """A log that moves to `<name>.1` when it has grown to 10 MB, so that a year of it does not fill the disk."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = path.open("ab")

    def write(self, data: bytes) -> None:
        """Append, at once."""
        try:
            if self._file.tell() > _KEEP_BYTES:
                self._file.close()
                self._path.replace(self._path.with_name(self._path.name + ".1"))
                self._file = self._path.open("ab")
            self._file.write(data)
            self._file.flush()
        except OSError:
            pass  # a full disk: the console still has the line

    def __enter__(self) -> "LogFile":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
