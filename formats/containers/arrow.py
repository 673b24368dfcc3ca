"""Rows of Parquet and Arrow files, batch by batch."""

import base64
import datetime
import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import IO, Any

from formats.containers.sources import Damaged
from formats.containers.text import MAX_ROW
from formats.records import BadRow, Octets, Refusal, Row, Unreadable
from formats.strict_json import MAX_DEPTH, shown, storable

PARQUET, ARROW_FILE, ARROW_STREAM = b"PAR1", b"ARROW1", b"\xff\xff\xff\xff"
_NO_TEXT = re.compile(r"[\x00-\x08\x0e-\x1f]")
_BATCH = 256
_BATCH_BYTES = 16_000_000


def rows_in_parquet(file: IO[bytes]) -> int:
    """How many rows a Parquet file says it has; 0 where it cannot be read."""
    pyarrow = _pyarrow("Parquet")
    import pyarrow.parquet as parquet

    try:
        return int(parquet.read_metadata(file).num_rows)
    except (pyarrow.ArrowException, OSError, ValueError):
        return 0


def parquet_rows(file: IO[bytes]) -> Iterator[Row | Refusal]:
    """The rows of a Parquet file. Raises Unreadable, and Damaged from where it cannot be read on."""
    pyarrow = _pyarrow("Parquet")
    import pyarrow.parquet as parquet

    try:
        opened = parquet.ParquetFile(file, pre_buffer=False)
    except (pyarrow.ArrowException, OSError, ValueError) as error:
        raise Unreadable(f"This cannot be read as Parquet, it is damaged ({_first(error)}).") from None
    _require_names(opened.schema_arrow)
    yield from _rows(opened.iter_batches(batch_size=_batch_of(opened.metadata)), 0)


def _batch_of(metadata: Any) -> int:
    """How many rows are decoded at once: fewer of large ones, by the groups' own word. A text in a column's dictionary
    is there once, however many rows have it, and each of them takes its room; none is larger than the whole column."""
    groups = [metadata.row_group(i) for i in range(metadata.num_row_groups)]
    rows = [group.total_byte_size / max(1, group.num_rows) for group in groups]
    columns = [group.column(i) for group in groups for i in range(group.num_columns)]
    texts = [each for each in columns if each.physical_type == "BYTE_ARRAY" and each.has_dictionary_page]
    largest = max([*rows, *(each.total_uncompressed_size for each in texts)], default=0)
    return max(1, min(_BATCH, int(_BATCH_BYTES / max(1, largest))))


def arrow_rows(files: Sequence[Path]) -> Iterator[Row | Refusal]:
    """The rows of Arrow files, as `save_to_disk` writes them, one after another."""
    line = 0
    for path in files:
        for row in _arrow_file(path, line):
            line = row.line
            yield row


def _arrow_file(path: Path, line: int) -> Iterator[Row | Refusal]:
    pyarrow = _pyarrow("Arrow")
    try:
        with pyarrow.OSFile(str(path)) as file:
            start = file.read(6)
            file.seek(0)
            if start == ARROW_FILE:
                opened = pyarrow.ipc.open_file(file)
                batches = (opened.get_batch(i) for i in range(opened.num_record_batches))
            else:
                opened = pyarrow.ipc.open_stream(file)
                batches = iter(opened)
            _require_names(opened.schema)
            size = 1 if any(_shares(field.type) for field in opened.schema) else _BATCH
            pieces = (batch.slice(i, size) for batch in batches for i in range(0, batch.num_rows, size))
            yield from _rows(pieces, line)
    except Unreadable:
        raise
    except (pyarrow.ArrowException, OSError, ValueError) as error:
        raise Damaged(f"The file {path.name} cannot be read as Arrow ({_first(error)}).") from None


def _require_names(schema: Any) -> None:
    """Unreadable where two columns have one name: only one of them would come."""
    twice = [name for name, count in Counter(schema.names).items() if count > 1]
    if twice:
        raise Unreadable(f"Two columns are named {shown(twice[0])!r}. Give each column a name of its own.")


def _shares(kind: Any) -> bool:
    """Whether several rows may have one text between them, which is there once until they are made values."""
    from pyarrow import types

    return bool(types.is_dictionary(kind) or types.is_string_view(kind) or types.is_binary_view(kind))


def _rows(batches: Iterator[Any], line: int) -> Iterator[Row | Refusal]:
    import pyarrow

    while True:
        try:
            batch = next(batches, None)
            if batch is None:
                return
            rows = _values(batch)
        except (pyarrow.ArrowException, OSError, ValueError, OverflowError) as error:
            raise Damaged(f"The file is damaged ({_first(error)}).") from None
        for row in rows:
            line += 1
            if isinstance(row, str):
                yield Refusal(line, row)
                continue
            try:
                cleaned = _clean(row, 0)
                storable(cleaned)
                yield Row(line, cleaned)
            except BadRow as error:
                yield Refusal(line, str(error), repr(row)[:1000])


def _values(batch: Any) -> list[dict[str, Any] | str]:
    """The rows of a batch; a sentence stands for one that cannot be used."""
    if _octets(batch) <= MAX_ROW:
        try:
            return list(batch.to_pylist())
        except (UnicodeDecodeError, ValueError, OverflowError):
            pass  # by some of its rows
    return [_value(batch.slice(i, 1)) for i in range(batch.num_rows)]


def _value(row: Any) -> dict[str, Any] | str:
    if _octets(row) > MAX_ROW:
        return f"It has more than {MAX_ROW // 1_000_000} million bytes."
    try:
        return dict(row.to_pylist()[0])
    except UnicodeDecodeError:
        return "It has text that is not valid UTF-8."
    except (ValueError, OverflowError) as error:
        return f"It has a value that cannot be read ({_first(error)})."


def _octets(rows: Any) -> int:
    """What these rows take, but for texts that they share with others."""
    return sum(column.nbytes for column in rows.columns if not _shares(column.type))


def _clean(value: Any, depth: int) -> Any:
    """The value as JSON has it. Missing numbers (NaN) are absent. Raises BadRow."""
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if depth > MAX_DEPTH:
        raise BadRow("It is nested too deeply.")
    if isinstance(value, dict):
        return {str(name): _clean(inner, depth + 1) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_clean(inner, depth + 1) for inner in value]
    if isinstance(value, datetime.datetime | datetime.date | datetime.time):
        return value.isoformat()
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() and abs(value) < 2**63 else float(value)
    if isinstance(value, bytes):
        if len(value) > 1 << 20:
            raise BadRow("It has more than a megabyte of binary data in one field. Leave that column out.")
        return _text_of(value)
    return str(value)


def _text_of(value: bytes) -> str:
    """Bytes that are text, as older programs write it; others, such as pictures, in base64."""
    try:
        text = value.decode()
    except UnicodeDecodeError:
        text = "\0"
    return Octets(base64.b64encode(value).decode()) if _NO_TEXT.search(text) else text


def _pyarrow(what: str) -> Any:
    try:
        import pyarrow
    except ImportError:
        raise Unreadable(f"{what} needs the package pyarrow: install it, or save the file as JSON Lines.") from None
    return pyarrow


def _first(error: BaseException) -> str:
    return str(error).strip().partition("\n")[0].rstrip(".")[:200]
