"""Rows in batches that are bounded by their number and by their size. Knows no database."""

from collections.abc import Iterator

from app.imports.reading import Ready
from formats import Refusal

BATCH = 500
MOST_CHARACTERS = 8_000_000
"""A batch that comes to more ends with the row that does."""
Row = tuple[int, Ready | Refusal]


def batches(rows: Iterator[Row], most: int) -> Iterator[list[Row]]:
    """The rows, up to `most` at a time."""
    batch: list[Row] = []
    size = 0
    for row in rows:
        batch.append(row)
        size += characters(row[1])
        if len(batch) == most or size >= MOST_CHARACTERS:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def characters(row: Ready | Refusal) -> int:
    """About how long a row is: all of its texts."""
    if isinstance(row, Refusal):
        return len(row.raw)
    return _length([row.messages, row.extra, *((each.text, each.metadata) for each in row.responses)])


def _length(value: object) -> int:
    if isinstance(value, str):
        return len(value)
    if isinstance(value, dict):
        return sum(_length(each) for each in value.values())
    return sum(map(_length, value)) if isinstance(value, list | tuple) else 8
