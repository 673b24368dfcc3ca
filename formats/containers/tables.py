"""Rows of CSV and its kin in any delimiter. Cells are text, kept byte for byte; an empty cell is an absent one.

Quotes follow RFC 4180. Where they do not match, nobody can tell where the following rows begin: the rest is refused.
"""

import csv
import io
import re
from collections import Counter
from collections.abc import Iterator

from formats.containers.text import MAX_ROW, not_text, too_long, whole
from formats.records import BadRow, Refusal, Row, Unreadable
from formats.strict_json import shown

DELIMITERS = ",;\t|"
_RARE = "\x1f\x01^~¦§"
_NAME = re.compile(r"[^\W\d][\w .:/\-\[\]()]{0,63}")
# Names by which a header is known for one, even where its rows are ragged.
_USUAL = (
    "id prompt prompts text question instruction query input context history system messages conversations chosen "
    "rejected response output completion generations response_a response_b response_0 response_1 response_2 response1 "
    "response2 answer1 answer2 output_1 output_2 human_ref_a human_ref_b winner choice preference annotator"
)
_COMMON = frozenset(_USUAL.split())
_LONE = {"prompt", "prompts", "text", "question", "questions", "instruction", "instructions", "query", "messages"}
_RULED = re.compile(r"\|?\s*:?-+:?\s*(?:\|\s*:?-+:?\s*)+\|?")
QUOTED = "quoted_formulas"
"""A column by which a table says that an apostrophe before a cell's text is for spreadsheets alone, as Hone's are."""
_ABOVE = 10  # lines that may stand above the names
NOTHING = "\ufffe"  # delimits the cells of one column: no text has it
csv.field_size_limit(MAX_ROW)


def delimiter_of(head: str, declared: str | None = None) -> str | None:
    """The delimiter of a table whose first lines these are; None where they are no table.

    A table has a line of names; where none of them is a usual one, most of the rows are as long as that. One column is
    a table where its name is a usual one: then nothing delimits, and a line is a row unless it is quoted.
    """
    if declared:
        return declared if len(declared) == 1 else None
    if (said := _said(head)) is not None:
        return said
    found: list[tuple[bool, int, str]] = []
    for delimiter in DELIMITERS + _RARE:
        rows = _first_rows(head, delimiter)
        if not rows or len(rows[0]) < 2:
            continue
        names = [name.strip() for name in rows[0]]
        known = len(_COMMON.intersection(name.lower() for name in names))
        named = all(_NAME.fullmatch(name) for name in rows[0])
        if known and named:
            found.append((True, len(names), delimiter))
            continue
        widths = Counter(map(len, rows[1:]))
        share = widths[len(names)] / len(rows[1:]) if len(rows) > 1 else 0.0
        if delimiter in DELIMITERS and share >= (0.5 if known else 0.8) and (known or named):
            found.append((bool(known), len(names), delimiter))
    if found:
        return max(found)[2]
    first = head.lstrip("\r\n").partition("\n")[0].strip().strip('"').lower()
    return NOTHING if first in _LONE else None


def is_tabular(head: str) -> bool:
    """Whether this is a table whatever its first line is: its rows have the same number of cells, by a usual delimiter.

    Two cells by commas are no table: sentences have them.
    """
    for delimiter in DELIMITERS:
        rows = _first_rows(head, delimiter)
        width, count = Counter(map(len, rows)).most_common(1)[0] if rows else (0, 0)
        if len(rows) >= 2 and width > (1 if delimiter in "\t|" else 2) and count >= 0.8 * len(rows):
            return True
    return False


def names_below(head: str) -> int | None:
    """The number of the line that names the columns of a table, where others stand above it: a title, a comment."""
    lines = head.split("\n", _ABOVE + 1)
    for number in range(1, min(_ABOVE, len(lines) - 1)):
        if not lines[number].strip():
            continue
        rest = head.split("\n", number)[number]
        for delimiter in DELIMITERS:
            names, *rows = _first_rows(rest, delimiter) or [[]]
            known = _COMMON.intersection(name.strip().lower() for name in names)
            alike = sum(len(row) == len(names) for row in rows)
            if len(known) > 1 and rows and 2 * alike > len(rows) and all(_NAME.fullmatch(name) for name in names):
                return number + 1
    return None


def is_markdown(head: str) -> bool:
    """Whether the first lines are a table of Markdown: under the names stands a line of dashes."""
    lines = [line.strip() for line in head.split("\n", 50)[:50] if line.strip()]
    return len(lines) > 1 and "|" in lines[0] and _RULED.fullmatch(lines[1]) is not None


def table_rows(text: io.TextIOWrapper, delimiter: str, limit: int = MAX_ROW) -> Iterator[Row | Refusal]:
    """The rows under the line of names. Raises Unreadable where that line cannot be used."""
    feed = _Feed(text, limit)
    records = csv.reader(feed, delimiter=delimiter, strict=True)
    names: list[str] | None = None
    while True:
        feed.begin()
        try:
            cells = next(records)
        except StopIteration:
            return
        except csv.Error as error:
            reason = f"{_reason(error, limit)} The rows after it cannot be told apart."
            yield Refusal(feed.line, reason, feed.raw(), rest=True)
            return
        if not feed.long and (not cells or (len(cells) == 1 and not cells[0].strip())):
            continue
        raw = feed.raw()
        if names is None:
            if feed.long:
                raise Unreadable("Its first line is far too long to name columns.")
            names = _header(cells, raw)
            if names is not None:
                plain_names = _plain(cells)
            continue
        try:
            if feed.long:
                raise BadRow(too_long(limit))
            whole(raw, text.encoding)
            if "\0" in raw:
                raise BadRow("It contains a null character.")
            if cells[0] and _plain(cells) == plain_names:
                raise BadRow("The line of names stands here again.")
            if len(cells) != len(names):
                raise BadRow(f"It has {len(cells)} cells; the line of names has {len(names)}.")
            values = {name: cell or None for name, cell in zip(names, cells, strict=True)}
            if QUOTED in values:
                del values[QUOTED]
                values = {name: cell and cell.removeprefix("'") for name, cell in values.items()}
            yield Row(feed.line, values, raw, tabular=True)
        except BadRow as error:
            yield Refusal(feed.line, str(error), raw)


class _Feed:
    """Lines for the csv module, remembered since the last record began."""

    def __init__(self, text: io.TextIOWrapper, limit: int) -> None:
        self._text, self._limit = text, limit
        self._taken: list[str] = []
        self._size, self._number = 0, 0
        self.line, self.long = 1, False

    def begin(self) -> None:
        self._taken, self._size, self.long = [], 0, False

    def raw(self) -> str:
        return "".join(self._taken).rstrip("\r\n")

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        try:
            line = self._next()
        except UnicodeError as error:
            raise not_text(error) from None
        if not line:
            raise StopIteration
        self._number += 1
        if not self._taken:
            self.line = self._number
        self._taken.append(line)
        self._size += len(line)
        return line

    def _next(self) -> str:
        room = self._limit - self._size
        line = self._text.readline(max(room, 0) + 2)
        if len(line) <= room:
            return line
        # What is over the limit is dropped, except that a quote stands for an odd number of them.
        self.long = True
        quotes, piece = line.count('"'), line
        while piece and not piece.endswith("\n"):
            piece = self._text.readline(1 << 20)
            quotes += piece.count('"')
        return '"\n' if quotes % 2 else "\n"


def _header(cells: list[str], raw: str) -> list[str] | None:
    """The columns' names; None where the line only tells the delimiter, as Excel's `sep=;` does."""
    if raw.lower().startswith("sep=") and len(raw) <= 5:
        return None
    try:
        whole(raw)
    except BadRow as error:
        raise Unreadable(f"The line of names cannot be read. {error}") from None
    names = [name.strip() for name in cells]
    if "" in names and "\0" not in raw:
        # A spreadsheet's empty columns at the end have no name.
        names = [name or f"column {i}" for i, name in enumerate(names, start=1)]
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise Unreadable(f"Two columns are named {shown(twice[0])!r}. Give each column a name of its own.")
    if any("\0" in name for name in names):
        raise Unreadable("A column's name contains a null character.")
    return names


def _plain(names: list[str]) -> list[str]:
    """Names as they are compared: programs that put files together write them each in their way."""
    return [name.strip("\ufeff \t").casefold() for name in names]


def _said(head: str) -> str | None:
    first = head.partition("\n")[0].rstrip("\r")
    return first[4] if len(first) == 5 and first.lower().startswith("sep=") else None


def _first_rows(head: str, delimiter: str) -> list[list[str]]:
    rows: list[list[str]] = []
    reader = csv.reader(io.StringIO(head, newline=""), delimiter=delimiter, strict=True)
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                rows.append(cells)
            if len(rows) > 50:
                return rows
    except csv.Error:
        return rows
    # The last one may be torn, where the head is only a part.
    return rows if len(rows) <= 2 or head.endswith("\n") else rows[:-1]


def _reason(error: csv.Error, limit: int) -> str:
    text = str(error)
    if "field larger" in text:
        return too_long(limit)
    if "unexpected end" in text:
        return "A quote that begins here is never closed."
    if "new-line" in text:
        return "A line ends inside a cell that is not quoted."
    return "Its quotes do not match: a quote inside a quoted cell is written twice."
