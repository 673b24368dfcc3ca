r"""Formulas in texts: `$a$`, `$$a$$`, `\(a\)` and `\[a\]`, where they read as formulas, as MathML.

Sums of money, names of shares and escaped brackets look alike: where in doubt, it is text. A formula of which the
converter leaves something out is shown as it was written.
"""

import re
from collections import Counter
from dataclasses import dataclass
from html import unescape
from unicodedata import normalize

from latex2mathml.converter import convert

from app.web.markdown.escaping import escaped

MAX_FORMULA = 2_000
MAX_CONVERTED = 5_000  # characters of all formulas of a text, which take about 10 µs each; further ones as written
_COST = 12  # characters' worth of time that a formula takes besides

_CLOSING = {"\\(": "\\)", "\\[": "\\]", "$$": "$$"}
_DOLLARS = re.compile(r"\$((?:[^$\\\n]|\\[^\n]){1,2000}+)\$")
_BLANK_LINE = re.compile(r"\n[ \t>]*\n")
_NEW_BLOCK = re.compile(r"\n[ \t>]*(?:[-*+|]|#{1,6}|\d+[.)])[ \t]")
_LINE_START = re.compile(r"\n[ \t]*(?:>[ \t]?)*")
# What in LaTeX is no text of the formula: names of commands, and arguments that are not shown.
_UNSHOWN = re.compile(
    r"\\(?:begin|end)\s*\{[^{}]*\}(?:\s*\{[lcr| ]*\})?|\\(?:[hv]space|color|class)\*?\s*\{[^{}]*\}|\\[A-Za-z]+"
)
_WORDED = re.compile(r"\\(?:text\w*|math\w+|operatorname\*?|mbox|tag|label)\s*\{[^{}]*\}|[_^]\{[^{}]*\}")
_PROSE = re.compile(r"[^\W\d_]{4,}|[^\W\d_]{2,}[,;:]?\s+[^\W\d_]{2,}|\d\s+[^\W\d_]{2,}\s+\d")
_SIGNS = re.compile(r"[\\^_=+<>/*|{}]")
_WORD = re.compile(r"[^\W\d_]{3,}")
_TAGS = re.compile(r"<[^>]*>")
_NOT_ALNUM = re.compile(r"[\W_]+")


@dataclass(frozen=True)
class Formula:
    """Its place in the text, delimiters included, and what is between them."""

    start: int
    end: int
    latex: str
    block: bool


def formula_at(text: str, start: int, opening: str, limit: int) -> Formula | None:
    """The formula that begins at `start` with `opening` and ends before `limit`; None where it does not read as one."""
    if opening == "$":
        return _in_dollars(text, start, limit)
    closing = _CLOSING.get(opening)
    if closing is None:
        return None
    end = text.find(closing, start + 2, min(limit, start + MAX_FORMULA))
    latex = text[start + 2 : end]
    if end < 0 or not latex.strip() or (opening != "$$" and opening in latex) or _BLANK_LINE.search(latex):
        return None
    if not _reads_as_formula(opening, latex) or (opening == "$$" and text[end + 2 : end + 3].isalnum()):
        return None
    return Formula(start, end + 2, _LINE_START.sub("\n", latex).strip(), block=opening != "\\(")


def _in_dollars(text: str, start: int, limit: int) -> Formula | None:
    found = _DOLLARS.match(text, start, limit)
    if not found or text[start - 1 : start].isalnum() or text[found.end() : found.end() + 1].isalnum():
        return None
    latex = found[1]
    if latex[0].isspace() or latex[-1].isspace() or _PROSE.search(_bare(latex)):
        return None
    return Formula(start, found.end(), latex, block=False)


def _reads_as_formula(opening: str, latex: str) -> bool:
    if opening == "\\(" and _NEW_BLOCK.search(latex):
        return False
    if _SIGNS.search(latex):
        return True
    return opening != "\\[" and not _WORD.search(latex)  # `\[1\]` and `\[sic\]` are brackets that were escaped


def _bare(latex: str) -> str:
    return _UNSHOWN.sub(" ", _WORDED.sub(" ", latex))


def cost(formula: Formula) -> int:
    """Of converting it, in characters: see MAX_CONVERTED."""
    return len(formula.latex) + _COST


def as_mathml(formula: Formula) -> str | None:
    """As MathML; None where it cannot be read, or would not be shown whole."""
    try:
        html = str(convert(formula.latex, display="block" if formula.block else "inline"))
    except Exception:  # noqa: BLE001  the converter raises many kinds, down to IndexError, on broken LaTeX
        return None
    return html if _signs(_UNSHOWN.sub(" ", formula.latex)) <= _signs(unescape(_TAGS.sub("", html))) else None


def as_written(source: str) -> str:
    """LaTeX that is not converted."""
    return f'<code class="latex">{escaped(source)}</code>'


def _signs(text: str) -> Counter[str]:
    """How often each letter and digit is in `text`, whatever its style: a bold or curled R is an R."""
    return Counter(_NOT_ALNUM.sub("", normalize("NFKC", text)))
