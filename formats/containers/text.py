"""Text out of bytes: its encoding, and lines that are bounded. Knows no format."""

import codecs
import io
import re
from collections.abc import Iterator

from formats.containers.sources import Damaged
from formats.records import BadRow, Unreadable

MAX_ROW = 50_000_000  # characters of one row
_MARKS = (
    (b"\xff\xfe\x00\x00", "utf-32-le"),
    (b"\x00\x00\xfe\xff", "utf-32-be"),
    (b"\xef\xbb\xbf", "utf-8"),
    (b"\xff\xfe", "utf-16-le"),
    (b"\xfe\xff", "utf-16-be"),
)
_NO_FILES = {"idna", "punycode", "unicode_escape", "raw-unicode-escape", "unicode-escape", "undefined", "utf-7"}
_BROKEN = re.compile("[\ud800-\udfff]")


def encoding_of(head: bytes, declared: str | None = None) -> tuple[str, int]:
    """The encoding's name and the length of the byte order mark. Raises Unreadable where this is no text.

    Without a mark it is UTF-8, except where every other byte of the first ones is zero: what a byte above 127 means in
    an older encoding cannot be seen, so such an encoding has to be declared.
    """
    for mark, name in _MARKS:
        if head.startswith(mark):
            return name, len(mark)
    if declared:
        return _known(declared), 0
    start = head[:4096]
    if b"\0" not in start or _is_utf8(start):
        return "utf-8", 0
    if len(start) >= 4 and len(start) % 2 == 0:
        even, odd = start[::2], start[1::2]
        if even.count(0) > 0.4 * len(even) and not any(odd[i] == 0 for i in range(min(8, len(odd)))):
            return "utf-16-be", 0
        if odd.count(0) > 0.4 * len(odd) and not any(even[i] == 0 for i in range(min(8, len(even)))):
            return "utf-16-le", 0
    raise Unreadable("This is not a text file, nor another file that can be read. Save it as UTF-8, CSV or JSON Lines.")


def _known(declared: str) -> str:
    """The plain name of an encoding that somebody names. Raises Unreadable where no file is in such a one."""
    try:
        name = codecs.lookup(declared).name
        "a".encode(name)  # those that are none of text refuse
    except (LookupError, ValueError):
        name = ""
    if not name or name in _NO_FILES:
        raise Unreadable(f"There is no text encoding {declared!r}.")
    return "utf-8" if name == "utf-8-sig" else name


def _is_utf8(start: bytes) -> bool:
    """Whether this is UTF-8 with a few null characters in it, by which rows are refused."""
    if start.count(0) * 20 > len(start):
        return False
    try:
        start[: start.rfind(b"\n")].decode()
    except UnicodeDecodeError:
        return False
    return True


def open_text(file: io.BufferedReader, encoding: str, mark: int, newline: str = "\n") -> io.TextIOWrapper:
    """The text after the mark, lines ended as they are. Bytes that are no text come as lone surrogates: see whole."""
    file.read(mark)
    errors = "surrogatepass" if encoding.startswith(("utf-16", "utf-32")) else "surrogateescape"
    return io.TextIOWrapper(file, encoding, errors, newline=newline)


def lines(text: io.TextIOWrapper, limit: int = MAX_ROW) -> Iterator[tuple[int, str | None]]:
    """(line number from 1, the line with its end). None stands for a line over the limit. Raises Damaged."""
    number = 0
    try:
        while line := text.readline(limit + 1):
            number += 1
            if len(line) <= limit or line.endswith("\n"):
                yield number, line
                continue
            while (rest := text.readline(1 << 20)) and not rest.endswith("\n"):
                pass
            yield number, None
    except UnicodeError as error:
        raise not_text(error) from None


def not_text(error: UnicodeError) -> Damaged:
    """What a failure to decode says to a person."""
    reason = getattr(error, "reason", str(error))
    return Damaged(f"The text is not in the encoding that the file began with ({reason}).")


def too_long(limit: int = MAX_ROW) -> str:
    """Why a row over the limit is refused."""
    return f"It is longer than {limit // 1_000_000} million characters."


def whole(text: str, encoding: str | None = None) -> str:
    """The text, where all of its bytes could be decoded. Raises BadRow."""
    if text.isascii() or not (broken := _BROKEN.search(text)):
        return text
    if encoding not in (None, "utf-8"):
        raise BadRow(f"This is not valid {encoding} (character {broken.start() + 1}).")
    before = len(text[: broken.start()].encode("utf-8", "surrogatepass")) + 1
    raise BadRow(
        f"This is not valid UTF-8 (byte {before}). If the file is in another encoding, say which, for example cp1252."
    )
