"""A text that was read, as HTML: everything in it is shown, in its order.

Marks of Markdown are left out where they make something that is seen: a heading, bold words, a table. What the parser
would leave out is put in from the text: numbers of lists, titles and addresses of links, the words beside the opening
of a code block, cells beyond a table's head, and marks that read as something else, as in `2*3*4` and `__init__`.
"""

import re
from typing import Any

from app.web.markdown.code import MAX_COLOURED, coloured
from app.web.markdown.escaping import escaped
from app.web.markdown.formulas import MAX_CONVERTED, as_mathml, as_written, cost
from app.web.markdown.source import Source, TooMuch

MAX_DEPTH = 10  # lists and quotes within each other; a page has no room for more
MAX_STYLES = 30  # bold in italic in bold …; browsers and the sanitiser are slow with many

_STYLES = {"Emphasis": ("em", 1), "Strong": ("strong", 2), "Strikethrough": ("s", 2)}
# Shown as written: a number, and a sign that may belong to the number which is the whole item.
_MARKER = re.compile(r"\s*(\d+[.)]|\+|[-*](?=[ \t]*[\d.,]+\s*\Z))")
_SHORT_UNDERLINE = re.compile(r"[ \t>]*(--?|==?)\s*")
_SPACE = re.compile(r"\s*")
_NAME = re.compile(r"\w+")
_ITEM = re.compile(r"(?:[-*+]|\d+[.)])(?: {1,4}(?=\S)| ?)")
_FENCE = re.compile(r"[`~]{3,}([^\n]*)")
_LOOK_AHEAD = 2_000
_FIRST_LETTER = re.compile(r"[^\W\d_]")
_RIGHT_TO_LEFT = re.compile("[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc\U00010800-\U00010fff\U0001e800-\U0001efff]")
# Beside one of these a mark is an operator or part of a path; see `Drawing._reads_as_style`.
_GLUED_BEFORE = ")]}/\\=$"
_GLUED_AFTER = "([{/\\=$"
_CLOSING_SIGNS = ".,;:!?)]}/\\="
_OPENING_SIGNS = "([{/\\="


_BLOCK_EDGES = ("\n", '">', "</pre>", "</ul>", "</ol>", "</blockquote>", "</table>", "</p>", "<hr>", "</div>")


class Drawing:
    """The HTML of a source, made by `drawn`; `said` is what of the text is in it, in its order."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.text = source.text
        self.out: list[str] = []
        self.said: list[str] = []
        self._formulas = iter(source.formulas)
        self._formula = next(self._formulas, None)
        self._convertible = MAX_CONVERTED
        self._colourable = MAX_COLOURED
        self._ends: list[str] = []  # what closes the styles that are open
        self._inside = 0  # where what was last drawn ends
        self._broken = -1  # where the line begins that has just been begun; -1 within a line
        self._margins = [0]  # columns before the content of the items that are open
        self._depth = 0
        self._code: tuple[str, list[str]] | None = None  # language and pieces of the block that is open
        self._aligned: tuple[str, ...] = ()
        self._column = 0
        self._head = False
        self._underline = ""  # of one or two signs, below the heading that is open
        self._heading = 0  # how much was drawn when the heading began

    def drawn(self) -> str:
        """The HTML; raises TooMuch."""
        for kind, value, start, end in self.source.events():
            if self._broken >= 0:
                self._indent(start)
            if kind == "Text":
                self._piece(value, start, end)
            elif kind in ("SoftBreak", "HardBreak"):
                self.out.append("<br>")
                self._broken = self._inside = end
            elif kind == "Code":
                self._code_span(start, end)
            elif kind == "Rule":
                self.out.append("<hr>" + self._line())
            else:
                name, detail = (value, None) if isinstance(value, str) else next(iter(value.items()))
                (self._open if kind == "Start" else self._close)(name, detail, start, end)
        return "".join(self.out)

    # -- text within a line --

    def _put(self, start: int, end: int) -> None:
        """Characters of the text as they are, formulas in them as formulas."""
        self._inside = end
        self.said.append(self.text[start:end])
        while self._formula is not None and self._formula.start < end:
            if self._formula.start >= start:
                self.out.append(escaped(self.text[start : self._formula.start]))
                self._put_formula()
                start = self._formula.end
            self._formula = next(self._formulas, None)
        self.out.append(escaped(self.text[start:end]))

    def _put_formula(self) -> None:
        formula = self._formula
        assert formula is not None  # noqa: S101  for the type checker
        html = None
        if cost(formula) <= self._convertible:
            self._convertible -= cost(formula)
            html = as_mathml(formula)
        html = html or as_written(self.text[formula.start : formula.end])
        self.out.append(f'<span class="formula" tabindex="0">{html}</span>' if formula.block else html)

    def _piece(self, value: str, start: int, end: int) -> None:
        if self._code is None:
            self._put(start, end)
        else:
            self._code[1].append(self.text[start:end] or value)  # a tab that is cut in two comes as spaces
            self._inside = end

    def _indent(self, start: int) -> None:
        """The spaces at the beginning of a line, less those that put it into its item or quote."""
        gap = self.text[self._broken : start]
        if not gap.strip(" \t>"):
            quoted = gap.rfind(">") + 1
            cut = quoted + 1 if quoted else self._margins[-1]
            self.out.append(gap[cut:])
        self._broken = -1

    def _code_span(self, start: int, end: int) -> None:
        text = self.text[start:end]
        ticks = len(text) - len(text.lstrip("`"))
        inside = re.sub(r"\n[ \t]*(?:>[ \t]?)*" if self._depth else r"\n", " ", text[ticks : len(text) - ticks])
        if inside.startswith(" ") and inside.endswith(" ") and inside.strip():
            inside = inside[1:-1]
        self.out.append(f"<code>{escaped(inside)}</code>")
        self.said.append(text)
        self._inside = end

    def _reads_as_style(self, start: int, end: int, marks: int) -> bool:
        """Whether what is between these marks is meant to look different: else they are signs, as in `2*3*4`."""
        text = self.text
        first, last = start + marks, end - marks
        if text[start] == "~":
            return text[start + 1] == "~"
        if text[first] in _CLOSING_SIGNS or text[last - 1] in _OPENING_SIGNS:
            return False
        if text[start] == "_" and marks == 2 and _NAME.fullmatch(text, first, last):
            return False  # `__init__`
        before, after = text[start - 1 : start], text[end : end + 1]
        if _in_word(before) or (before and before in _GLUED_BEFORE):
            return False
        # **F**irst **L**etters, but no `**2**3`
        return not (after and after in _GLUED_AFTER) and (not _in_word(after) or (marks == 2 and after.isalpha()))

    # -- blocks, styles and links --

    def _open(self, name: str, detail: Any, start: int, end: int) -> None:
        out = self.out
        if name in _STYLES:
            tag, marks = _STYLES[name]
            if self._reads_as_style(start, end, marks):
                out.append(f"<{tag}>")
                self._ends.append(f"</{tag}>")
            else:
                marks = 1 if self.text[start + 1] != self.text[start] else marks
                out.append(self.text[start : start + marks])
                self._ends.append(self.text[start : start + marks])
            self._inside = start + marks
            if len(self._ends) > MAX_STYLES:
                raise TooMuch
        elif name == "Paragraph":
            out.append('<p dir="auto">')
        elif name == "Heading":
            last = self.text.rfind("\n", start, end - 1) + 1
            short = _SHORT_UNDERLINE.fullmatch(self.text, last, end) if last else None
            self._underline = short[1] if short else ""
            out.append('<p dir="auto">' if self._underline else f'<{detail["level"].lower()} dir="auto">')
            self._inside, self._heading = start, len(out)
        elif name == "List":
            self._deeper()
            self._block()
            out.append(f"<{'ul' if detail is None else 'ol'}{self._direction(start, end)}>")
        elif name == "Item":
            self._open_item(start, end)
        elif name == "BlockQuote":
            self._deeper()
            self._block()
            out.append(f"<blockquote{self._direction(start, end)}>")
        elif name == "CodeBlock":
            self._open_code(start, fenced=isinstance(detail, dict))
        elif name in ("Link", "Image"):
            out.append('<span class="inert">')
            self._inside = start + (2 if name == "Image" else 1)
            self._ends.append(str(self._inside))
        elif name == "Table":
            self._aligned, self._head = detail, True
            self._block()
            out.append(f"<table{self._direction(start, end)}>")
        elif name in ("TableHead", "TableRow"):
            self._head, self._column, self._inside = name == "TableHead", 0, start
            out.append("<thead><tr>" if self._head else "<tr>")
        elif name == "TableCell":
            aligned = self._aligned[self._column]
            self._column += 1
            css = "" if aligned == "None" else f' class="align-{aligned.lower()}"'
            out.append(f'<{"th" if self._head else "td"} dir="auto"{css}>')

    def _close(self, name: str, detail: Any, start: int, end: int) -> None:
        out = self.out
        if name in _STYLES:
            out.append(self._ends.pop())
            self._inside = end
        elif name == "Paragraph":
            out.append("</p>\n")
        elif name == "Heading":
            if self._underline:  # a dash or two below a line are text
                out.append(f"<br>{self._underline}</p>{self._line()}")
                return
            left = self.text[self._inside : end].strip()
            if len(out) == self._heading or left == "#":  # nothing but marks, or a C# that closes
                out.append(f" {left}" if len(out) > self._heading else escaped(left))
            out.append(f"</{detail.lower()}>{self._line()}")
        elif name == "List":
            self._depth -= 1
            out.append(("</ol>" if detail else "</ul>") + self._line())
        elif name == "Item":
            self._margins.pop()
            out.append("</li>\n")
        elif name == "BlockQuote":
            self._depth -= 1
            out.append("</blockquote>" + self._line())
        elif name == "CodeBlock":
            self._close_code()
        elif name in ("Link", "Image"):
            self._address(int(self._ends.pop()), end)
        elif name == "Table":
            out.append("</tbody></table>" + self._line())
        elif name == "TableHead":
            out.append("</tr></thead>\n<tbody>")
        elif name == "TableRow":
            self._further_cells(end)
        elif name == "TableCell":
            out.append("</th>\n" if self._head else "</td>\n")
            self._inside = max(self._inside, end)

    def _block(self) -> None:
        """Begin a block below an item's own line, so that copied text has its lines too."""
        if len(self._margins) > 1 and not self.out[-1].endswith(_BLOCK_EDGES):
            self.out.append("\n")

    def _line(self) -> str:
        """What follows a block: a line break, except in items, where it would be shown."""
        return "" if len(self._margins) > 1 else "\n"

    def _deeper(self) -> None:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise TooMuch

    def _direction(self, start: int, end: int) -> str:
        """Of a box, by its first letter: `dir=auto` would not look into the blocks that have their own."""
        letter = _FIRST_LETTER.search(self.text, start, min(end, start + _LOOK_AHEAD))
        return ' dir="rtl"' if letter and _RIGHT_TO_LEFT.match(letter[0]) else ' dir="ltr"'

    def _open_item(self, start: int, end: int) -> None:
        self.out.append(f"<li{self._direction(start, end)}>")
        marker = _MARKER.match(self.text, start, end)
        if marker:
            self.out.append(f'<span class="marker">{marker[1]}</span> ')
            self.said.append(marker[1])
        space = _SPACE.match(self.text, start, end)
        place = space.end() if space else start
        item = _ITEM.match(self.text, place, end)
        line = self.text.rfind("\n", 0, place) + 1
        self._margins.append((item.end() if item else place) - line)
        self._inside = place

    def _open_code(self, start: int, *, fenced: bool) -> None:
        self._block()
        info = ""
        if fenced:
            fence = _FENCE.match(self.text, start)
            info = fence[1].strip() if fence else ""
        if info:
            self.out.append(f'<div class="info" dir="auto">{escaped(info)}</div>')
            self.said.append(info)
        self._code = (info.split()[0].lower() if info else "", [])

    def _close_code(self) -> None:
        assert self._code is not None  # noqa: S101  for the type checker
        language, pieces = self._code
        code = "".join(pieces)
        self._code = None
        if len(code) <= self._colourable:
            self._colourable -= len(code)
            html = coloured(code, language)
        else:
            html = escaped(code)
        self.out.append(f'<pre dir="auto"><code>{html}</code></pre>{self._line()}')
        self.said.append(code)

    def _address(self, start: int, end: int) -> None:
        """Address and title of a link or an image, which begins inside at `start`, as they are written."""
        before, _, address = self.text[self._inside : end].partition("](")
        shown = self.text[start : self._inside]
        self.out.append(escaped(before))
        if not shown or address[:-1] != shown:
            space = " " if shown.strip() else ""
            self.out.append(f'{space}<span class="address">({escaped(address)}</span>')
        self.out.append("</span>")
        self.said.append(before + address)
        self._inside = end

    def _further_cells(self, end: int) -> None:
        """The end of a row, with what it holds beyond the columns of the head."""
        left = self.text[self._inside : end].strip().removeprefix("|").removesuffix("|").strip()
        if left.strip("| \t"):
            start = self.text.index(left, self._inside)
            self.out.append('<td dir="auto">')
            self._put(start, start + len(left))
            self.out.append("</td>")
        self.out.append("</tr>\n")


def _in_word(sign: str) -> bool:
    """Whether it is part of a word that is set apart by spaces, as those of Chinese and Japanese are not."""
    return sign.isalnum() and not "\u2e80" <= sign <= "\uffdc"
