"""Prompts of plain text: one a line, or blocks set apart by lines of `---` or, without any, by blank lines."""

import io
import re
from collections.abc import Iterator
from unicodedata import category

from formats.containers.text import MAX_ROW, lines, too_long, whole
from formats.records import BadRow, Refusal, Row

RULE = "---"
# What is, or was, JSON, markup, or a quoted table.
_DATA = re.compile(
    r"""\s*(?: [\[{<] | "[^"\n]*"\s*[:,;\t] | ["}\]]+,?\s*$
    | (?:-\s)?(?:prompt|text|question|instruction|messages|role|content|chosen|rejected|response):
    | .*"\s*:\s*["\[{\d] )""",
    re.VERBOSE,
)
# A first line of YAML, TOML, SQL, a certificate, a patch, a dump of bytes.
_CODE = re.compile(
    r"""[a-z_][\w-]*:\s*\n\s*(?: -\s | [ ]\s*[\w-]+:(?:\s|$)) | (?:[a-z_][\w-]*:[ ].*\n)+[a-z_][\w-]*:\s*\n\s*-\s
    | [\w.-]+\s*=\s*["'\[{] | -----BEGIN\ | diff\ --git\ | ---\ a/ | [0-9a-f]{7,8}:?\ +(?:[0-9a-f]{2,4}\ ){4}
    | (?:INSERT\ INTO|CREATE\ TABLE|DROP\ TABLE|COPY)\ [\w."`]+[\ (] | \#!/ | %YAML | \%!PS""",
    re.VERBOSE,
)
_SCALAR = re.compile(r"\s*(?:null|true|false|NaN|-?\d[\d.,eE+-]*)\s*")
_UNBROKEN = re.compile(r"\s*[\w+/=-]{40,}\s*", re.ASCII)
_ASCII = frozenset(b"\n\r\t" + bytes(range(0x20, 0x7F)))
_NOBODYS = frozenset(("Cn", "Co", "Cs"))  # characters that are unassigned, of private use, or halves
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1f\x7f]")


def is_plain(head: str) -> bool:
    """Whether the first lines are text that somebody wrote, rather than data in some other form."""
    filled = [line for line in head.split("\n")[:200] if line.strip()]
    if not filled or _CONTROL.search(head) or _CODE.match(head.lstrip("\r\n")):
        return False
    if all(map(_SCALAR.fullmatch, filled)) or 2 * sum(map(bool, map(_UNBROKEN.fullmatch, filled))) > len(filled):
        return False
    if sum(not ord(character) % 256 for character in head) * 2 > len(head):
        return False  # UTF-16 from which a byte is missing
    if head.count("\ufffd") * 10 > len(head) or (len(head) > 8 and sum(map(_is_two, head)) * 10 > 9 * len(head)):
        return False  # a byte order mark that tells another encoding than the text has
    if sum(character == "\ufffd" or category(character) in _NOBODYS for character in head) * 25 > len(head):
        return False  # such a mark before bytes that are no text at all
    looks = [bool(_DATA.match(line)) for line in filled]
    return not any(looks[:3]) and sum(looks) * 10 < len(looks)


def _is_two(character: str) -> bool:
    """Whether this is two bytes of ASCII taken for one character of UTF-16."""
    high, low = divmod(ord(character), 256)
    return all(byte in _ASCII for byte in (high, low))


def by_line(text: io.TextIOWrapper, limit: int = MAX_ROW) -> Iterator[Row | Refusal]:
    """A row with the column `text` for each line that is not blank."""
    for number, line in lines(text, limit):
        if line is None:
            yield Refusal(number, too_long(limit))
        elif line.strip():
            yield _row(number, line.removesuffix("\n").removesuffix("\r"))


def by_block(text: io.TextIOWrapper, ruled: bool, limit: int = MAX_ROW) -> Iterator[Row | Refusal]:
    """A row with the column `text` for each block."""
    block: list[str] = []
    start, size = 0, 0
    for number, line in lines(text, limit):
        entry = "" if line is None else line.removesuffix("\n").removesuffix("\r")
        if line is not None and (entry.strip() == RULE if ruled else not entry.strip()):
            yield from _block(block, start, size > limit, limit)
            block, size = [], 0
            continue
        if not block:
            if line is not None and not entry.strip():
                continue
            start = number
        size += limit + 1 if line is None else len(line)
        block.append(entry if size <= limit else "")
    yield from _block(block, start, size > limit, limit)


def _block(block: list[str], start: int, long: bool, limit: int) -> Iterator[Row | Refusal]:
    while block and not block[-1].strip() and not long:
        block.pop()
    if long:
        yield Refusal(start, too_long(limit))
    elif block:
        yield _row(start, "\n".join(block))


def _row(number: int, entry: str) -> Row | Refusal:
    try:
        if "\0" in whole(entry):
            raise BadRow("It contains a null character.")
    except BadRow as error:
        return Refusal(number, str(error), entry)
    return Row(number, {"text": entry}, entry)
