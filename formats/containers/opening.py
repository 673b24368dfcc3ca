"""Opens a file, folder, stream or hub name: which container it is, by its content, and its rows one by one."""

import io
import re
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from formats.containers import arrow, folders, hub, json_rows, plain, tables
from formats.containers.sources import Damaged, Source, SourceLike, Stopped
from formats.containers.text import encoding_of, open_text
from formats.records import Refusal, Row, Unreadable

Rows = Iterator[Row | Refusal]
KINDS = ("jsonl", "json", "csv", "lines", "blocks", "parquet", "arrow", "folder")
HUB = "hub:"
_FOREIGN = (
    (b"PK\x03\x04", "a ZIP archive or an Excel workbook. Unpack it, or save the sheet as CSV"),
    (b"%PDF", "a PDF"),
    (b"\xd0\xcf\x11\xe0", "an old Office document. Save the sheet as CSV"),
    (b"BZh", "compressed with bzip2. Decompress it, or use gzip or zstd"),
    (b"\xfd7zXZ", "compressed with xz. Decompress it, or use gzip or zstd"),
    (b"7z\xbc\xaf", "a 7z archive. Unpack it"),
    (b"SQLite format 3", "an SQLite database. Export its table as CSV"),
    (b"PARE", "encrypted Parquet. Save it without encryption"),
    (b"version https://git-lfs", "a pointer of Git LFS and not the file itself. Fetch that with “git lfs pull”"),
    (b"\x80\x04\x95", "a Python pickle, which is never opened. Save it as JSON Lines"),
)


@dataclass(frozen=True, slots=True)
class Container:
    """What the rows are in."""

    kind: str  # one of KINDS
    compression: tuple[str, ...] = ()  # from the outside in
    encoding: str | None = None  # of text
    delimiter: str | None = None  # of a table


@dataclass(frozen=True)
class Opened:
    """A container, whose rows can be read from the start as often as wanted, one reading at a time."""

    container: Container
    _start: Callable[[], Rows]
    _share: Callable[[int], float | None] = lambda rows: None
    _stopped: Callable[[], bool] = lambda: False

    @property
    def stopped(self) -> bool:
        """Whether the last reading came to the end of what is looked at, and not of the whole."""
        return self._stopped()

    def share(self, rows: int) -> float | None:
        """How much of the whole is read once so many rows are, from 0 to 1, about; None where that is not known."""
        return self._share(rows)

    def rows(self) -> Rows:
        """The rows and the refused ones in their order. Where reading has to stop, the last one is a refusal.

        Raises Unreadable where not even the first can be read.
        """
        line = 0
        try:
            for row in self._start():
                line = row.line
                yield row
        except Stopped:
            return
        except (Damaged, Unreadable) as error:
            if not line and isinstance(error, Unreadable):
                raise
            yield Refusal(line + 1, f"{error} Nothing from here on can be read.", rest=True)


def open_rows(
    source: SourceLike,
    *,
    kind: str | None = None,
    encoding: str | None = None,
    delimiter: str | None = None,
    max_bytes: int | None = None,
    most: int | None = None,
) -> Opened:
    """Open a path, bytes, a stream of bytes, or `hub:owner/name`.

    What it holds is seen from its content; `kind` ("jsonl", "json", "csv", "lines", "blocks"), `encoding` and
    `delimiter` overrule that for text. `max_bytes` bounds what decompression may give; of text, no more than the first
    `most` bytes are looked at. Raises Unreadable.
    """
    if kind is not None and kind not in KINDS:
        raise Unreadable(f"There is no container {kind!r}. There are: {', '.join(KINDS)}.")
    if isinstance(source, str) and source.startswith(HUB):
        return _folder(hub.download(source.removeprefix(HUB)), max_bytes)
    opened = Source(source, max_bytes, most)
    if opened.path is not None and opened.path.is_dir():
        return _folder(opened.path, max_bytes)
    head = opened.head()
    if not head.strip():
        raise Unreadable("The file is empty.")
    if head[:4] == arrow.PARQUET:
        return Opened(Container("parquet", opened.compression), lambda: _parquet(opened), _of_parquet(opened))
    if opened.path is not None and not opened.compression and _is_arrow(head):
        path = opened.path
        return Opened(Container("arrow"), lambda: arrow.arrow_rows([path]))
    for start, what in _FOREIGN:
        if head.startswith(start) and kind is None:
            raise Unreadable(f"This file is {what}.")
    return _text(opened, head, kind, encoding, delimiter)


def _is_arrow(head: bytes) -> bool:
    return head.startswith((arrow.ARROW_FILE, arrow.ARROW_STREAM))


def _parquet(source: Source) -> Rows:
    with closing(source.seekable()) as file:
        yield from arrow.parquet_rows(file)


def _of_parquet(source: Source) -> Callable[[int], float | None]:
    """Its number of rows is told at its end."""
    if source.compression:
        return lambda rows: None
    with closing(source.seekable()) as file:
        total = arrow.rows_in_parquet(file)
    return lambda rows: rows / total if total else None


def _text(source: Source, head: bytes, kind: str | None, encoding: str | None, delimiter: str | None) -> Opened:
    encoding, mark = encoding_of(head, encoding)
    # A character may be torn at the end of the head; an old Mac's lines end with \r alone.
    errors = "surrogateescape" if encoding == "utf-8" else "replace"
    start = head[mark:].decode(encoding, errors)
    newline = "\r" if "\n" not in start and "\r" in start.rstrip("\r") else "\n"
    start = start.replace("\r", "\n") if newline == "\r" else start
    if kind is None:
        kind = _kind(start, delimiter)
        if source.damaged and kind in ("lines", "blocks"):
            raise Unreadable(source.damaged)  # what little was read may be the beginning of anything
    ruled = any(line.strip() == plain.RULE for line in start.split("\n"))
    if kind == "csv" and (delimiter := tables.delimiter_of(start, delimiter)) is None:
        raise Unreadable("This is no table: it needs a line with the columns' names, and rows under it.")
    readers: dict[str, Callable[[io.TextIOWrapper], Rows]] = {
        "jsonl": json_rows.by_line,
        "json": _json_reader(start),
        "csv": lambda text: tables.table_rows(text, delimiter or ","),
        "lines": plain.by_line,
        "blocks": lambda text: plain.by_block(text, ruled),
    }
    if kind not in readers:
        raise Unreadable(f"This is no {kind} file.")

    def rows() -> Rows:
        with closing(open_text(source.looked_at(), encoding, mark, newline)) as text:
            yield from readers[kind](text)

    container = Container(kind, source.compression, encoding, delimiter if kind == "csv" else None)
    return Opened(container, rows, lambda _: source.share, lambda: source.stopped)


def _kind(start: str, delimiter: str | None) -> str:
    if not start.strip():
        raise Unreadable("The file is empty.")
    if delimiter:
        return "csv"
    if json_rows.is_by_line(start):
        return "jsonl"
    if tables.is_markdown(start):
        raise Unreadable("This is a table of Markdown. Save it as CSV, or as JSON Lines.")
    if re.match(r"\s*(?:\[\s*[\[{\"\]]|\{\s*[\"}])", start):
        return "json" if not _torn_lines(start) else "jsonl"
    if tables.delimiter_of(start):
        return "csv"
    if json_rows.are_texts(start):
        return "jsonl"
    if (line := tables.names_below(start)) is not None:
        raise Unreadable(f"The columns' names stand in line {line}. Delete what is above them.")
    if tables.is_tabular(start):
        raise Unreadable(
            "This looks like a table, but its first line does not name the columns. Write their names there; if it is "
            "text with one prompt a line, say so."
        )
    if plain.is_plain(start):
        return "blocks" if any(line.strip() == plain.RULE for line in start.split("\n")) else "lines"
    raise Unreadable(
        "It cannot be told what this file holds. Give JSON Lines, a JSON list, CSV with the columns' names in its "
        "first line, or Parquet; if it is plain text, say so."
    )


def _torn_lines(start: str) -> bool:
    """Whether these are JSON Lines the first of which are torn: a text does not go on in the next line of JSON."""
    filled = [line for line in start.split("\n")[:40] if line.strip()]
    return len(filled) > 1 and all(line.startswith('{"') for line in filled[:2])


def _json_reader(start: str) -> Callable[[io.TextIOWrapper], Rows]:
    if start.lstrip().startswith("["):
        return json_rows.elements
    return json_rows.inside_object if json_rows.rows_in(start) else json_rows.one_after_another


def _folder(path: Path, max_bytes: int | None) -> Opened:
    if (parts := folders.arrow_parts(path)) is not None:
        return Opened(Container("arrow"), lambda: _numbered((split, arrow.arrow_rows(files)) for split, files in parts))
    found = folders.data_files(path)
    return Opened(
        Container("folder"),
        lambda: _numbered((split, open_rows(file, max_bytes=max_bytes).rows()) for split, file in found),
    )


def _numbered(parts: Iterator[tuple[str | None, Rows]]) -> Rows:
    """The rows of all parts, numbered through; those of a split have it as their `split`."""
    labelled = chain.from_iterable(((split, row) for row in rows) for split, rows in parts)
    for number, (split, row) in enumerate(labelled, start=1):
        if isinstance(row, Refusal):
            yield Refusal(number, row.reason, row.raw, row.rest)
            continue
        values: dict[str, Any] = dict(row.values)
        if split is not None:
            values.setdefault("split", split)
        yield Row(number, values, row.raw, row.tabular)
