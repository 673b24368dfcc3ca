"""Rows as the bytes of a file, batch by batch: JSON lines, CSV, Parquet. Knows no label."""

import csv
import io
import json
from typing import Any, Protocol

import pyarrow as pa
import pyarrow.parquet as pq

Row = dict[str, Any]


class Encoder(Protocol):
    """One file in the making."""

    def encode(self, rows: list[Row]) -> bytes:
        """The next bytes, with these rows in them or in what comes later."""

    def end(self) -> bytes:
        """The last bytes."""


class JsonLines:
    """One object a line."""

    def __init__(self, schema: pa.Schema) -> None:
        pass

    def encode(self, rows: list[Row]) -> bytes:
        """See Encoder."""
        return b"".join(json.dumps(row, ensure_ascii=False).encode() + b"\n" for row in rows)

    def end(self) -> bytes:
        """See Encoder."""
        return b""


class Csv:
    """With a line of names. Lists are JSON."""

    def __init__(self, schema: pa.Schema) -> None:
        self._text = io.StringIO()
        self._writer = csv.DictWriter(self._text, fieldnames=schema.names)
        self._writer.writeheader()

    def encode(self, rows: list[Row]) -> bytes:
        """See Encoder."""
        for row in rows:
            self._writer.writerow({name: _cell(value) for name, value in row.items()})
        return self.end()

    def end(self) -> bytes:
        """See Encoder."""
        text = self._text.getvalue()
        self._text.seek(0)
        self._text.truncate()
        return text.encode()


def _cell(value: Any) -> Any:
    """A text that a spreadsheet would run as a formula gets a quote in front."""
    if isinstance(value, list):
        return json.dumps(value, ensure_ascii=False)
    return f"'{value}" if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r") else value


class Parquet:
    """Compressed with zstd, a row group a batch."""

    def __init__(self, schema: pa.Schema) -> None:
        self._schema = schema
        self._written = _Drain()
        self._writer = pq.ParquetWriter(self._written, schema, compression="zstd")

    def encode(self, rows: list[Row]) -> bytes:
        """See Encoder."""
        if rows:
            self._writer.write_table(pa.Table.from_pylist(rows, schema=self._schema))
        return self._written.drain()

    def end(self) -> bytes:
        """See Encoder."""
        self._writer.close()
        return self._written.drain()


class _Drain(io.RawIOBase):
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
