"""Rows as the bytes of a file, batch by batch: JSON lines, a JSON list, CSV, Parquet, Arrow. Knows no label.

A file may be made in parts, by one encoder each. Those of text are one file when they are put together; `first` and
`last` say which part it is.
"""

import csv
import io
import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import pyarrow as pa
import pyarrow.parquet as pq

from app.models.export_settings import ExportFormat
from formats.containers.tables import QUOTED

Row = dict[str, Any]
GROUP = 2000  # rows that are compressed together


class Encoder(Protocol):
    """One part of a file in the making."""

    def encode(self, rows: Sequence[Row]) -> bytes:
        """The next bytes, with these rows in them or in what comes later."""

    def end(self, last: bool = True) -> bytes:
        """The last bytes."""


class JsonLines:
    """One object a line."""

    def __init__(self, schema: pa.Schema | None, first: bool = True) -> None:
        pass

    def encode(self, rows: Sequence[Row]) -> bytes:
        """See Encoder."""
        return b"".join(json.dumps(row, ensure_ascii=False).encode() + b"\n" for row in rows)

    def end(self, last: bool = True) -> bytes:
        """See Encoder."""
        return b""


class JsonList:
    """A list with one object a line."""

    def __init__(self, schema: pa.Schema | None, first: bool = True) -> None:
        self._before = b"[\n" if first else b",\n"

    def encode(self, rows: Sequence[Row]) -> bytes:
        """See Encoder."""
        pieces = []
        for row in rows:
            pieces += [self._before, json.dumps(row, ensure_ascii=False).encode()]
            self._before = b",\n"
        return b"".join(pieces)

    def end(self, last: bool = True) -> bytes:
        """See Encoder."""
        if not last:
            return b""
        return (b"[" if self._before.startswith(b"[") else b"") + b"\n]\n"


class Csv:
    """With a line of names. Lists, objects and truth values are JSON, what is not known is empty, text is itself."""

    def __init__(self, schema: pa.Schema, first: bool = True) -> None:
        self._text = io.StringIO()
        self._names = self._columns(schema.names)
        self._writer = csv.writer(self._text)
        if first:
            self._writer.writerow(self._names)

    def encode(self, rows: Sequence[Row]) -> bytes:
        """See Encoder."""
        self._writer.writerows([self._cell(row.get(name)) for name in self._names] for row in rows)
        return self.end()

    def end(self, last: bool = True) -> bytes:
        """See Encoder."""
        text = self._text.getvalue()
        self._text.seek(0)
        self._text.truncate()
        return text.encode()

    def _columns(self, names: list[str]) -> list[str]:
        return names

    def _cell(self, value: Any) -> Any:
        return json.dumps(value, ensure_ascii=False) if isinstance(value, list | dict | bool) else value


class Excel(Csv):
    """For spreadsheets, which take CSV for UTF-8 only by its byte order mark, and run a cell that begins like a
    formula. Such a cell gets an apostrophe in front; so does one that begins with an apostrophe, so that one and the
    same rule takes it away again. A column says that it is so: `formats` reads the texts as they were."""

    _SIGNS = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20", "\t", "\r", "\n", "'")

    def __init__(self, schema: pa.Schema, first: bool = True) -> None:
        super().__init__(schema, first)
        self._mark = b"\xef\xbb\xbf" if first else b""

    def end(self, last: bool = True) -> bytes:
        """See Encoder."""
        mark, self._mark = self._mark, b""
        return mark + super().end(last)

    def _columns(self, names: list[str]) -> list[str]:
        return [*names, QUOTED]

    def encode(self, rows: Sequence[Row]) -> bytes:
        """See Encoder."""
        return super().encode([{**row, QUOTED: "yes"} for row in rows])

    def _cell(self, value: Any) -> Any:
        value = super()._cell(value)
        return f"'{value}" if isinstance(value, str) and value.startswith(self._SIGNS) else value


class _Columns(ABC):
    """Rows gathered into groups, each written as a table."""

    def __init__(self, schema: pa.Schema, first: bool = True) -> None:
        self._schema = schema
        self._written = Drain()
        self._rows: list[Row] = []
        self._writer = self._open()

    @abstractmethod
    def _open(self) -> Any:
        """What the tables are written to."""

    def encode(self, rows: Sequence[Row]) -> bytes:
        """See Encoder."""
        self._rows += rows
        if len(self._rows) >= GROUP:
            self._write()
        return self._written.drain()

    def end(self, last: bool = True) -> bytes:
        """See Encoder."""
        self._write()
        self._writer.close()
        return self._written.drain()

    def _write(self) -> None:
        if self._rows:
            self._writer.write_table(pa.Table.from_pylist(self._rows, schema=self._schema))
            self._rows = []


class Parquet(_Columns):
    """Compressed with zstd."""

    def _open(self) -> Any:
        return pq.ParquetWriter(self._written, self._schema, compression="zstd")


class Arrow(_Columns):
    """A stream of record batches, as `datasets` keeps a table."""

    def _open(self) -> Any:
        return pa.ipc.new_stream(pa.PythonFile(self._written, mode="w"), self._schema)


class Drain(io.RawIOBase):
    """A file that forgets what was taken out of it; it knows only how long it is."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._length = 0

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        piece = bytes(data)
        self._pieces.append(piece)
        self._length += len(piece)
        return len(piece)

    def tell(self) -> int:
        return self._length

    def drain(self) -> bytes:
        taken, self._pieces = b"".join(self._pieces), []
        return taken


ENCODERS: dict[ExportFormat, Callable[[Any, bool], Encoder]] = {
    ExportFormat.JSONL: JsonLines,
    ExportFormat.JSON: JsonList,
    ExportFormat.CSV: Csv,
    ExportFormat.EXCEL: Excel,
    ExportFormat.PARQUET: Parquet,
    ExportFormat.DATASET: Arrow,
}
SUFFIXES = {ExportFormat.EXCEL: "csv", ExportFormat.DATASET: "arrow"}
JOINED = (ExportFormat.JSONL, ExportFormat.JSON, ExportFormat.CSV, ExportFormat.EXCEL)
"""Formats whose parts are one file when they are put together."""
MEDIA_TYPES = {
    ExportFormat.JSONL: "application/jsonl",
    ExportFormat.JSON: "application/json",
    ExportFormat.CSV: "text/csv; charset=utf-8",
    ExportFormat.EXCEL: "text/csv; charset=utf-8",
    ExportFormat.PARQUET: "application/vnd.apache.parquet",
}


def suffix(format_: ExportFormat) -> str:
    """How a file's name ends."""
    return SUFFIXES.get(format_, format_.value)
