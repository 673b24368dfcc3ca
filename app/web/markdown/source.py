"""How a text is read: which of its characters are Markdown, and which stay what they are.

The parser never sees the text itself but a stand-in of the same length, in plain ASCII, in which everything that must
stay as it was written is a letter: formulas, escapes, entities, HTML, definitions of links. What is shown is cut from
the text by the places that the parser reports, so nothing that it would leave out or rewrite can be lost on the way.
"""

import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pyromark

from app.web.markdown.escaping import NEVER_TEXT
from app.web.markdown.formulas import Formula, formula_at

MAX_EVENTS = 20_000  # of the parser, and marks in the text; a text with more is shown as it is

_OPTIONS = pyromark.Options.ENABLE_TABLES | pyromark.Options.ENABLE_STRIKETHROUGH
_BREAKS = re.compile("\r\n?|[\x85\u2028\u2029]")
# Control characters as the pictures that Unicode has for them: a browser shows nothing at all.
_PICTURES = {code: 0x2400 + code for code in range(32) if code not in (9, 10)} | {0: 0xFFFD, 127: 0x2421}
_NO_CHARACTERS = re.compile(f"[\ud800-\udfff{NEVER_TEXT}]")
_BLANK_START = re.compile(r"\A(?:[ \t]*\n)+")
_INDENTED_LINE = re.compile(r"\n[ \t]+\S")
# Marks beside these are at the edge of a word, as beside a space; beside any other character they are inside it.
_FOREIGN_EDGE = re.compile("[\u00a0\u00ab\u00bb\u1680\u2000-\u206f\u3000]")
_FOREIGN = re.compile("[^\x00-\x7f]")
_PLAIN = str.maketrans("<&", "xx")
_MARK = re.compile(r"\\[!-/:-@\[-`{-~\n]|\$\$?")


class TooMuch(Exception):
    """More markup than can be rendered in the time that a page has."""


@dataclass(frozen=True)
class Source:
    """A text as it is shown, its formulas in their order, and the stand-in that the parser reads."""

    text: str
    formulas: list[Formula]
    stand_in: str

    def events(self) -> Iterator[tuple[str, Any, int, int]]:
        """(kind, value, start, end) of each event of the parser, e.g. ("Start", "Item", 0, 9); raises TooMuch."""
        return _events(self.stand_in)


def normalised(text: str) -> str:
    """`text` as it is shown: one kind of line break, no character that a browser swallows, no space around it.

    A sampled response often begins with a space that is no indentation. Where further lines are indented, it may be
    one.
    """
    text = _NO_CHARACTERS.sub("\ufffd", _BREAKS.sub("\n", text)).translate(_PICTURES).rstrip()
    text = _BLANK_START.sub("", text)
    return text if _INDENTED_LINE.search(text) else text.lstrip()


def read(text: str) -> Source:
    """`text`, which is normalised, taken apart; raises TooMuch."""
    stand_in = text if text.isascii() else _FOREIGN.sub("x", _FOREIGN_EDGE.sub(",", text))
    stand_in = stand_in.translate(_PLAIN).replace("]:", "]x")
    if "\\" not in text and "$" not in text:
        return Source(text, [], stand_in)
    return _without_marks(text, stand_in)


def _without_marks(text: str, stand_in: str) -> Source:
    """With the escapes and formulas outside of code hidden from the parser too."""
    code = _code(stand_in)
    starts = [start for start, _ in code]
    formulas: list[Formula] = []
    pieces: list[str] = []
    at = marks = 0
    while found := _MARK.search(text, at):
        marks += 1
        if marks > MAX_EVENTS:
            raise TooMuch
        start, end = found.span()
        place = bisect_right(starts, start)
        if place and code[place - 1][1] > start:
            end = max(code[place - 1][1], end)
            pieces.append(stand_in[at:end])
        else:
            formula = formula_at(text, start, found[0], starts[place] if place < len(starts) else len(text))
            if formula:
                formulas.append(formula)
                end = formula.end
            hidden = formula or found[0][0] == "\\"
            pieces += [stand_in[at:start], "x" * (end - start) if hidden else stand_in[start:end]]
            if not formula and found[0] == "\\\n":
                pieces[-1] = "x\n"
        at = end
    return Source(text, formulas, "".join(pieces) + stand_in[at:])


def _code(stand_in: str) -> list[tuple[int, int]]:
    """Where code is: spans and blocks."""
    return [
        (start, end)
        for kind, value, start, end in _events(stand_in)
        if kind == "Code" or (kind == "Start" and isinstance(value, dict) and "CodeBlock" in value)
    ]


def _events(stand_in: str) -> Iterator[tuple[str, Any, int, int]]:
    found = pyromark.events_with_range(stand_in, options=_OPTIONS)
    for number, (event, place) in enumerate(found):
        if number >= MAX_EVENTS:
            raise TooMuch
        kind, value = (event, None) if isinstance(event, str) else next(iter(event.items()))
        yield kind, value, place["start"], place["end"]
