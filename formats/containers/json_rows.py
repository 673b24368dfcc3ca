"""Rows of JSON: one a line, elements of a list, objects one after another, or a list inside an object.

Only one row is in memory at a time. A row that cannot be read is refused and the next one is read, where it can be told
where that begins.
"""

import io
import json
import re
from collections.abc import Iterator
from typing import Any

from formats.containers.sources import Damaged
from formats.containers.text import MAX_ROW, lines, not_text, too_long, whole
from formats.records import BadRow, Refusal, Row
from formats.strict_json import DECODER, check, parse, why

_SPACE = re.compile(r"[ \t\r\n]*")
_OUTSIDE, _INSIDE = re.compile(r'[\[\]{}",]'), re.compile(r'["\\]')
_TURNS = re.compile(r'\[\s*\{\s*"(?:role|from|content|value)"')
_LISTS_OF_ROWS = {
    "data",
    "rows",
    "records",
    "examples",
    "items",
    "instances",
    "train",
    "test",
    "validation",
    "valid",
    "dev",
}
SPLITS = {"train", "test", "validation", "valid", "dev", "eval", "holdout"}


def row_of(value: Any, line: int, raw: str) -> Row:
    """A row out of a JSON value: an object, a list of turns, or a text, which is a prompt. Raises BadRow."""
    if isinstance(value, dict):
        return Row(line, value, raw)
    if isinstance(value, list) and value and all(isinstance(turn, dict) for turn in value):
        return Row(line, {"messages": value}, raw)
    if isinstance(value, str):
        return Row(line, {"prompt": value}, raw)
    raise BadRow("It is not a JSON object.")


def by_line(text: io.TextIOWrapper, limit: int = MAX_ROW) -> Iterator[Row | Refusal]:
    """The rows of JSON Lines; blank lines are none."""
    for number, line in lines(text, limit):
        if line is None:
            yield Refusal(number, too_long(limit))
        elif stripped := line.strip():
            try:
                yield row_of(parse(whole(stripped, text.encoding)), number, stripped)
            except BadRow as error:
                yield Refusal(number, str(error), stripped)


def is_by_line(head: str) -> bool:
    """Whether the first lines are JSON values each on its own."""
    filled = [line.rstrip() for line in head.split("\n")[:40] if line.strip()]
    if not filled:
        return False
    if len(filled) == 1:
        return _is_value(filled[0], alone=True) and not rows_in(head)
    # After a first line that is torn, most of the others have to be whole.
    whole_lines = [_is_value(line, alone=False) for line in filled]
    return whole_lines[0] or 2 * sum(whole_lines) >= len(filled)


def _is_value(line: str, alone: bool) -> bool:
    """Whether a line is an object or a list; one that stands alone is a list of rows, unless it is of turns."""
    if line[0] not in "{[" or line[-1] not in "]}":
        return False
    try:
        return isinstance(json.loads(line), dict) or not alone or _TURNS.match(line) is not None
    except (ValueError, RecursionError):
        return False


def are_texts(head: str) -> bool:
    """Whether each of the first lines is a text in JSON's quotes."""
    filled = [line.strip() for line in head.split("\n")[:40] if line.strip()]
    try:
        return all(isinstance(json.loads(line), str) for line in filled)
    except (ValueError, RecursionError):
        return False


def rows_in(head: str) -> bool:
    """Whether the text is an object (or its beginning) with a list of rows in it."""
    try:
        buffer = _Buffer(io.StringIO(head), len(head) + 1)
        return next(buffer.lists(), None) is not None
    except (Damaged, BadRow):
        return False


def elements(text: io.TextIOBase, limit: int = MAX_ROW) -> Iterator[Row | Refusal]:
    """The elements of a list."""
    buffer = _Buffer(text, limit)
    buffer.next()
    buffer.at += 1
    yield from buffer.elements()
    if buffer.next():
        yield Refusal(buffer.line, "There is more after the end of the list, which cannot be read.", rest=True)


def one_after_another(text: io.TextIOBase, limit: int = MAX_ROW) -> Iterator[Row | Refusal]:
    """Values with nothing but space between them."""
    buffer = _Buffer(text, limit)
    while start := buffer.next():
        if start not in "{[":
            yield Refusal(buffer.line, "What comes here is no row, and nothing from here on can be read.", rest=True)
            return
        yield buffer.row()


def inside_object(text: io.TextIOBase, limit: int = MAX_ROW) -> Iterator[Row | Refusal]:
    """The rows of the lists of an object; under a split's name they have it as their `split`."""
    buffer = _Buffer(text, limit)
    try:
        for name in buffer.lists():
            for row in buffer.elements():
                if isinstance(row, Row) and name in SPLITS and "split" not in row.values:
                    row = Row(row.line, {**row.values, "split": name}, row.raw)
                yield row
    except BadRow as error:
        yield Refusal(buffer.line, f"{error} What comes after it cannot be read.", rest=True)


class _Buffer:
    """A window on a text, moved along value by value."""

    def __init__(self, text: io.TextIOBase, limit: int) -> None:
        self._file, self._limit = text, limit
        self._text, self.at, self.line = "", 0, 1
        self._ended = False

    def next(self) -> str:
        """The next character that is no space, or nothing at the end; it is not taken."""
        while True:
            end = _SPACE.match(self._text, self.at).end()  # type: ignore[union-attr]
            self._take(end)
            if end < len(self._text):
                return self._text[end]
            if not self._more():
                return ""

    def elements(self) -> Iterator[Row | Refusal]:
        """The elements of a list whose bracket was taken, up to and with its end."""
        if self.next() == "]":
            self.at += 1
            return
        while True:
            if not self.next():
                yield Refusal(self.line, "The file ends before its list does: rows are missing.", rest=True)
                return
            yield self.row()
            after = self.next()
            self.at += bool(after)
            if after == "]":
                return
            if after != ",":
                yield Refusal(
                    self.line,
                    "A comma is missing between two rows; what comes after it cannot be read."
                    if after
                    else "The file ends before its list does: rows are missing.",
                    rest=True,
                )
                self._text, self.at, self._ended = "", 0, True
                return

    def lists(self) -> Iterator[str]:
        """The names of the object's fields that are lists of rows, each right after its bracket. Raises BadRow."""
        if self.next() != "{":
            return
        self.at += 1
        first = True
        while self.next() not in ("}", ""):
            name = self._value()
            if not isinstance(name, str) or self.next() != ":":
                raise BadRow("This is not valid JSON: a field's name is missing.")
            self.at += 1
            if self.next() == "[" and (first or name in _LISTS_OF_ROWS) and self._holds_rows():
                self.at += 1
                yield name
            else:
                self._value()
            first = False
            if self.next() == ",":
                self.at += 1
            elif self.next() != "}":
                raise BadRow("This is not valid JSON: a comma is missing.")

    def row(self) -> Row | Refusal:
        """The next value as a row."""
        line = self.line
        end, value, error = self._decode()
        if error is None:
            raw = self._text[self.at : end]
            self._take(end)
            try:
                whole(raw, getattr(self._file, "encoding", None))
                check(value, raw)
                return row_of(value, line, raw)
            except BadRow as refused:
                return Refusal(line, str(refused), raw)
        return Refusal(line, str(error), self._skip())

    def _value(self) -> Any:
        end, value, error = self._decode()
        if error is not None:
            raise error
        self._take(end)
        return value

    def _holds_rows(self) -> bool:
        while True:
            end = _SPACE.match(self._text, self.at + 1).end()  # type: ignore[union-attr]
            if end < len(self._text):
                break
            if not self._more():
                return False
        if self._text[end] != "{":
            return False
        # Turns and the like are parts of a row, not rows.
        return _TURNS.match(self._text, self.at, end + 200) is None

    def _decode(self) -> tuple[int, Any, BadRow | None]:
        """(end, value, None) of the value at `at`, or what is wrong with it."""
        while True:
            try:
                value, end = DECODER.raw_decode(self._text, self.at)
                if end == len(self._text) and self._more():
                    continue  # a number may go on
                too_large = BadRow(too_long(self._limit)) if end - self.at > self._limit else None
                return end, value, too_large
            except json.JSONDecodeError as error:
                inside = not error.msg.startswith("Unterminated") and error.pos < len(self._text) - 16
                failed = BadRow(
                    f"This is not valid JSON: {error.msg.removesuffix(' at')} at character {error.pos - self.at + 1}."
                )
            except (ValueError, RecursionError) as error:
                inside, failed = True, why(error)
            if inside:
                return self.at, None, failed
            if len(self._text) - self.at > self._limit:
                return self.at, None, BadRow(too_long(self._limit))
            if not self._more():
                return self.at, None, failed

    def _skip(self) -> str:
        """Go past a value that cannot be read, and what could be kept of its text."""
        kept, depth, quoted, at = "", 0, False, self.at
        while True:
            found = (_INSIDE if quoted else _OUTSIDE).search(self._text, at)
            if found is None or (quoted and found.group() == "\\" and found.end() >= len(self._text)):
                start = self.at
                cut = found.start() if found else len(self._text)
                kept = (kept + self._text[start:cut])[: 1 << 20]
                self._take(cut)
                if not self._more():
                    self._take(len(self._text))
                    return kept
                at = self.at
                continue
            mark, at = found.group(), found.end()
            if quoted:
                at += mark == "\\"
                quoted = mark != '"'
            elif mark == '"':
                quoted = True
            elif mark in "[{":
                depth += 1
            elif mark != "," or not depth:
                depth -= mark != ","
                if depth <= 0:
                    end = at if mark != "," and depth == 0 else found.start()
                    kept = (kept + self._text[self.at : end])[: 1 << 20]
                    self._take(end)
                    return kept

    def _take(self, end: int) -> None:
        self.line += self._text.count("\n", self.at, end)
        self.at = end

    def _more(self) -> bool:
        if self._ended:
            return False
        rest = self._text[self.at :]
        try:
            piece = self._file.read(max(1 << 16, len(rest)))
        except UnicodeError as error:
            raise not_text(error) from None
        self._ended = not piece
        self._text, self.at = rest + piece, 0
        return bool(piece)
