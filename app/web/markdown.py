"""Markdown of models and people to HTML that can do nothing: no script, no request, no style outside its box.

Raw HTML is shown as text; images and links are shown as text with their address, so that nothing loads or fires; what
remains passes an allowlist once more. Results are cached, since the same answer is shown again and again; those of
sampled answers are kept with them, so that nobody waits for them.
"""

import re
from collections.abc import MutableMapping, Sequence
from functools import lru_cache
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Any

import nh3
from latex2mathml.converter import convert
from markdown_it import MarkdownIt
from markdown_it.common.utils import escapeHtml
from markdown_it.renderer import RendererHTML
from markdown_it.rules_core import StateCore
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token
from markupsafe import Markup
from mdit_py_plugins.dollarmath import dollarmath_plugin
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import get_lexer_by_name
from pygments.util import ClassNotFound

MAX_RENDERED = 200_000  # characters; longer texts are shown as they are
_MAX_FORMULA = 2_000
_MAX_HIGHLIGHTED = 20_000
_CACHED = 2_048
_BEHIND = ("markdown-it-py", "mdit-py-plugins", "nh3", "pygments", "latex2mathml")

_DIRECTED = {"p", "h1", "h2", "h3", "h4", "h5", "h6", "li", "blockquote", "td", "th"}
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
_TAGS = _DIRECTED | _MATH | {
    "ul", "ol", "pre", "code", "em", "strong", "s", "br", "hr", "table", "thead", "tbody", "tr", "span", "div",
}  # fmt: skip
_ATTRIBUTES: dict[str, set[str]] = {
    **{tag: {"dir"} for tag in _DIRECTED},
    **dict.fromkeys(_MATH, _MATH_ATTRIBUTES),
    "ol": {"start"},
    "code": {"class"},
    "span": {"class", "tabindex"},
    "div": {"class", "tabindex"},
    "td": {"dir", "class"},
    "th": {"dir", "class"},
}
# What may be wider than its box scrolls in itself, so the keyboard must reach it.
_SCROLLING = {"pre": {"tabindex": "0"}, "table": {"tabindex": "0"}}
_CLOSING = {"\\(": "\\)", "\\[": "\\]", "$$": "$$"}
# A formula's spaces may be as wide as this; `\hspace{900em}` would reach over the page.
_SANE_LENGTH = re.compile(r"^-?\d{0,2}(\.\d+)?(em|ex|px|pt)?$")
_ALIGNED = re.compile(r"text-align: ?(left|right|center)")


def to_html(text: str) -> Markup:
    """`text` as safe HTML. Never raises for what a model may write."""
    return _rendered(text)


@lru_cache(maxsize=1)
def rendering() -> str:
    """Names what `to_html` does now: this module and the packages behind it. HTML that was kept under another name is
    out of date, be it for its look or for its safety."""
    behind = "".join(f"{package} {version(package)}\n" for package in _BEHIND)
    return sha256(behind.encode() + Path(__file__).read_bytes()).hexdigest()[:16]


@lru_cache(maxsize=_CACHED)
def _rendered(text: str) -> Markup:
    if len(text) > MAX_RENDERED:
        return Markup('<div class="plain">{}</div>').format(text)
    try:
        html = _parser().render(text)
    except RecursionError:
        return Markup('<div class="plain">{}</div>').format(text)
    return Markup(_cleaner().clean(html))  # noqa: S704  this is the sanitiser


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
    if name in ("width", "lspace", "rspace", "minsize", "maxsize", "rowspacing", "columnspacing", "linethickness"):
        return value if _SANE_LENGTH.match(value) else None
    return value


@lru_cache(maxsize=1)
def _parser() -> MarkdownIt:
    parser = MarkdownIt("commonmark", {"html": False, "linkify": False, "highlight": _highlight})
    parser.enable(["table", "strikethrough"])
    dollarmath_plugin(parser, allow_space=False, allow_digits=False)
    parser.inline.ruler.before("math_inline", "more_math", _more_math)
    parser.core.ruler.push("shape", _shape)
    for name, rule in {
        "math_inline": _inline_formula,
        "math_inline_double": _display_formula,
        "math_block": _block_formula,
        "math_block_label": _block_formula,
        "image": _image,
        "link_open": _link_open,
        "link_close": _link_close,
    }.items():
        parser.add_render_rule(name, rule)
    return parser


def _shape(state: StateCore) -> None:
    """Direction by content on every block; a cell's alignment as a class."""
    for token in state.tokens:
        if token.nesting == 1 and token.tag in _DIRECTED:
            token.attrSet("dir", "auto")
            aligned = _ALIGNED.search(str(token.attrs.pop("style", "")))
            if aligned:
                token.attrSet("class", f"align-{aligned[1]}")


def _more_math(state: StateInline, silent: bool) -> bool:
    r"""`\(a\)`, `\[a\]` and, within a line, `$$a$$`: as most models write formulas."""
    opening = state.src[state.pos : state.pos + 2]
    if opening not in _CLOSING:
        return False
    end = state.src.find(_CLOSING[opening], state.pos + 2, state.pos + 2 + _MAX_FORMULA)
    if end < 0 or not state.src[state.pos + 2 : end].strip():
        return False
    if not silent:
        kind = "math_inline" if opening == "\\(" else "math_inline_double"
        state.push(kind, "math", 0).content = state.src[state.pos + 2 : end].strip()
    state.pos = end + 2
    return True


def _highlight(code: str, language: str, attributes: str) -> str:
    if not language or len(code) > _MAX_HIGHLIGHTED:
        return ""
    try:
        lexer = get_lexer_by_name(language, stripnl=False)
    except ClassNotFound:
        return ""
    return highlight(code, lexer, HtmlFormatter(nowrap=True))


def _formula(latex: str, *, block: bool) -> str:
    """LaTeX as MathML; what cannot be read is shown as it was written."""
    if len(latex) <= _MAX_FORMULA:
        try:
            return str(convert(latex, display="block" if block else "inline"))
        except Exception:  # noqa: BLE001, S110  the converter raises many kinds, down to IndexError, on broken LaTeX
            pass
    return f'<code class="latex">{escapeHtml(latex)}</code>'


def _inline_formula(
    renderer: RendererHTML, tokens: Sequence[Token], index: int, options: Any, env: MutableMapping[str, Any]
) -> str:
    return _formula(tokens[index].content, block=False)


def _display_formula(
    renderer: RendererHTML, tokens: Sequence[Token], index: int, options: Any, env: MutableMapping[str, Any]
) -> str:
    return f'<span class="formula" tabindex="0">{_formula(tokens[index].content, block=True)}</span>'


def _block_formula(
    renderer: RendererHTML, tokens: Sequence[Token], index: int, options: Any, env: MutableMapping[str, Any]
) -> str:
    return f'<div class="formula" tabindex="0">{_formula(tokens[index].content, block=True)}</div>\n'


def _image(
    renderer: RendererHTML, tokens: Sequence[Token], index: int, options: Any, env: MutableMapping[str, Any]
) -> str:
    token = tokens[index]
    alt = renderer.renderInlineAsText(token.children or [], options, env) or "image"
    return f'<span class="inert">{escapeHtml(alt)} {_address(str(token.attrGet("src") or ""))}</span>'


def _link_open(
    renderer: RendererHTML, tokens: Sequence[Token], index: int, options: Any, env: MutableMapping[str, Any]
) -> str:
    env.setdefault("addresses", []).append(str(tokens[index].attrGet("href") or ""))
    return '<span class="inert">'


def _link_close(
    renderer: RendererHTML, tokens: Sequence[Token], index: int, options: Any, env: MutableMapping[str, Any]
) -> str:
    address = env["addresses"].pop()
    shown = tokens[index - 1].content
    return "</span>" if shown in (address, address.removeprefix("mailto:")) else f" {_address(address)}</span>"


def _address(address: str) -> str:
    return f'<span class="address">({escapeHtml(address)})</span>'
