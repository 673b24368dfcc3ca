"""Markdown of models and people to HTML that can do nothing: no script, no request, no style outside its box. And that
hides nothing: people judge what they see, so every letter and digit of a text is in what is shown.

Raw HTML is shown as text; images and links are shown as text with their address, so that nothing loads or fires; what
remains passes an allowlist once more. The time is in proportion to the text, whatever it is; what would take more than
a page has is shown as it was written. Results are cached, since the same response is shown again and again; those of
sampled responses are kept with them, so that nobody waits for them.
"""

import re
from functools import lru_cache
from hashlib import sha256
from html import unescape
from importlib.metadata import version
from pathlib import Path
from threading import Lock

import nh3
from markupsafe import Markup

from app.web.markdown.drawing import Drawing
from app.web.markdown.escaping import finished
from app.web.markdown.source import TooMuch, normalised, read

MAX_RENDERED = 200_000  # characters; longer texts are shown as they are
_SHORT = 10_000
_CACHED_SHORT = 2_048
_CACHED_LONG = 64
_BEHIND = ("pyromark", "nh3", "latex2mathml")

_DIRECTED = {"p", "h1", "h2", "h3", "h4", "h5", "h6", "ul", "ol", "li", "blockquote", "table", "td", "th", "pre", "div"}
_MATH = {
    "math", "mrow", "mi", "mo", "mn", "ms", "mtext", "mspace", "msup", "msub", "msubsup", "mfrac", "msqrt", "mroot",
    "mover", "munder", "munderover", "mmultiscripts", "mprescripts", "none", "mtable", "mtr", "mtd", "mstyle",
    "mpadded", "mphantom", "menclose",
}  # fmt: skip
_MATH_ATTRIBUTES = {
    "display", "displaystyle", "scriptlevel", "mathvariant", "stretchy", "fence", "separator", "accent", "accentunder",
    "form", "linethickness", "columnalign", "rowspacing", "columnspacing", "largeop", "movablelimits", "notation",
    "lspace", "rspace", "symmetric", "minsize", "maxsize", "width",
}  # fmt: skip
_TAGS = _DIRECTED | _MATH | {"code", "em", "strong", "s", "br", "hr", "thead", "tbody", "tr", "span"}
_ATTRIBUTES: dict[str, set[str]] = {
    **{tag: {"dir"} for tag in _DIRECTED},
    **dict.fromkeys(_MATH, _MATH_ATTRIBUTES),
    "code": {"class"},
    "p": {"dir", "class"},
    "span": {"class", "tabindex"},
    "div": {"dir", "class"},
    "td": {"dir", "class"},
    "th": {"dir", "class"},
}
# What may be wider than its box scrolls in itself, so the keyboard must reach it.
_SCROLLING = {"pre": {"tabindex": "0"}, "table": {"tabindex": "0"}}
# A formula's spaces may be as wide as this; `\hspace{900em}` would reach over the page.
_SANE_LENGTH = re.compile(r"^-?\d{0,2}(\.\d+)?(em|ex|px|pt)?$")
_LENGTHS = {"width", "lspace", "rspace", "minsize", "maxsize", "rowspacing", "columnspacing", "linethickness"}

_NOT_ALNUM = re.compile(r"[\W_]+")
# What has no shape on a screen: Unicode's Default_Ignorable_Code_Point, and the blank of Braille.
_SHAPELESS = (
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u2800\u3164\ufe00-\ufe0f"
    "\ufeff\uffa0\ufff0-\ufff8\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
_NAMED = re.compile(rf"[{_SHAPELESS}]|[^\S \n\t\r]")
# Nor is anything seen of the signs of which Markdown alone makes a box with nothing in it.
_SEEN = re.compile(rf"[^{_SHAPELESS}#*+\-_>`~\s]")
_SHAPE = re.compile(rf"[^{_SHAPELESS}\s]")
_LISTED = 40  # characters of a text without content that are named

# Long texts are rendered one at a time: several at once would take the interpreter from everybody else's requests.
_one_at_a_time = Lock()


def has_shape(text: str) -> bool:
    """Whether anything of the text would be seen as it stands."""
    return _SHAPE.search(text) is not None


def to_html(text: str, what: str = "answer") -> Markup:
    """`text` as safe HTML; "(an empty answer)", or whatever it is, where nothing would be seen. Never raises for what
    a model may write."""
    return _rendered(text, what) if len(text) <= _SHORT else _rendered_long(text, what)


def to_kept_html(text: str) -> Markup:
    """The same of an answer whose HTML is kept with it. A worker that renders thousands asks for none of them again."""
    return _rendered.__wrapped__(text, "answer") if len(text) <= _SHORT else _rendered_long.__wrapped__(text, "answer")


@lru_cache(maxsize=1)
def rendering() -> str:
    """Names what `to_html` does now: this package and those behind it. HTML that was kept under another name is out of
    date, be it for its look or for its safety."""
    behind = "".join(f"{package} {version(package)}\n" for package in _BEHIND)
    modules = b"".join(path.read_bytes() for path in sorted(Path(__file__).parent.glob("*.py")))
    return sha256(behind.encode() + modules).hexdigest()[:16]


@lru_cache(maxsize=_CACHED_SHORT)
def _rendered(text: str, what: str) -> Markup:
    return _render(text, what)


@lru_cache(maxsize=_CACHED_LONG)
def _rendered_long(text: str, what: str) -> Markup:
    with _one_at_a_time:
        return _render(text, what)


def _render(text: str, what: str) -> Markup:
    shown = normalised(text)
    if not _SEEN.search(unescape(shown)):
        return _empty(text, what)
    html = _drawn(shown) if len(text) <= MAX_RENDERED else None
    if html is None:
        return Markup('<div class="plain" dir="auto">{}</div>').format(shown)
    return Markup(finished(_cleaner().clean(html)))  # noqa: S704  this is the sanitiser


def _drawn(text: str) -> str | None:
    """The HTML of `text`; None where it would take too long, or leave something out after all."""
    try:
        drawing = Drawing(read(text))
        html = drawing.drawn()
    except (TooMuch, RecursionError):
        return None
    return html if _NOT_ALNUM.sub("", "".join(drawing.said)) == _NOT_ALNUM.sub("", text) else None


def _empty(text: str, what: str) -> Markup:
    """A text with nothing to see, and what it consists of."""
    note = Markup('<p class="muted">(an empty {})</p>').format(what)
    if not text.strip():
        return note
    named = _NAMED.sub(lambda found: f" U+{ord(found[0]):04X} ", text[:_LISTED])
    more = " …" if len(text) > _LISTED else ""
    return note + Markup('<p class="muted">As written: <code>{}</code>{}</p>').format(" ".join(named.split()), more)


@lru_cache(maxsize=1)
def _cleaner() -> nh3.Cleaner:
    return nh3.Cleaner(
        tags=_TAGS,
        attributes=_ATTRIBUTES,
        attribute_filter=_keep,
        set_tag_attribute_values=_SCROLLING,
        link_rel=None,
        strip_comments=True,
    )


def _keep(tag: str, name: str, value: str) -> str | None:
    return value if name not in _LENGTHS or _SANE_LENGTH.match(value) else None
