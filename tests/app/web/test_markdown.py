"""Rendered Markdown: what it shows, and that nothing in it can act."""

import time
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.web.markdown import _ATTRIBUTES, _SCROLLING, _TAGS, MAX_RENDERED, _rendered, to_html
from tests.app.web.xss_vectors import VECTORS


class Elements(HTMLParser):
    """Every element and attribute of a text."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_comment(self, data: str) -> None:
        raise AssertionError(f"a comment: {data}")

    def handle_decl(self, decl: str) -> None:
        raise AssertionError(f"a declaration: {decl}")


def assert_inert(html: str) -> None:
    for tag, attributes in Elements(html).found:
        assert tag in _TAGS
        assert set(attributes) <= _ATTRIBUTES.get(tag, set()) | set(_SCROLLING.get(tag, {}))
        assert not set(attributes) & {"href", "src", "style", "id", "srcset", "action"}
        assert not any(name.startswith(("on", "hx-", "data-", "xlink")) for name in attributes)
        if "class" in attributes:
            assert (attributes["class"] or "").split()[0] not in ("choice", "primary")


def test_the_collection_is_large() -> None:
    assert len(set(VECTORS)) >= 150


@pytest.mark.parametrize("vector", VECTORS, ids=[f"{n}" for n in range(len(VECTORS))])
def test_nothing_in_a_text_can_act(vector: str) -> None:
    started = time.monotonic()
    assert_inert(_rendered.__wrapped__(vector))
    assert_inert(_rendered.__wrapped__(f"Some *text* before.\n\n- a list\n- {vector}\n\nAnd after."))
    assert time.monotonic() - started < 5


@given(st.text(alphabet=st.sampled_from("<>&\"'`$\\[](){}!*_-|#~:=/ \nabcjsonerx1"), max_size=120))
def test_no_mixture_of_markup_can_act(text: str) -> None:
    assert_inert(_rendered.__wrapped__(text))


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("**b**", '<p dir="auto"><strong>b</strong></p>'),
        ("~~s~~", "<s>s</s>"),
        ("<b>", "&lt;b&gt;"),
        ("[docs](https://x.y/z)", '<span class="inert">docs <span class="address">(https://x.y/z)</span></span>'),
        ("<https://x.y>", '<span class="inert">https://x.y</span>'),
        ("![a cat](https://x.y/c.png)", '<span class="inert">a cat <span class="address">(https://x.y/c.png)</span>'),
        ("```python\nx = 1\n```", '<span class="n">x</span>'),
        ("```nonsense\n<x>\n```", "&lt;x&gt;"),
        ("| a |\n|--:|\n| 1 |", '<td dir="auto" class="align-right">1</td>'),
        ("3. c", '<ol start="3">'),
        ("$x^2$", "<msup><mi>x</mi><mn>2</mn></msup>"),
        (r"\(x_1\)", "<msub>"),
        (r"\[x_1\]", 'display="block"'),
        ("$$\nx\n$$", '<div class="formula" tabindex="0">'),
        ("a $$x$$ b", '<span class="formula" tabindex="0">'),
        ("it costs $5 and $6", "it costs $5 and $6"),
        (r"a \$ b", "a $ b"),
        (r"$\frac{$", '<code class="latex">\\frac{</code>'),
        ("مرحبا", 'dir="auto"'),
    ],
)
def test_what_is_shown(text: str, html: str) -> None:
    assert html in to_html(text)


def test_a_text_is_rendered_once() -> None:
    _rendered.cache_clear()
    to_html("*once*")
    to_html("*once*")
    assert (_rendered.cache_info().misses, _rendered.cache_info().hits) == (1, 1)


def test_a_text_without_end_is_shown_as_it_is() -> None:
    html = to_html("<b>*x*" * MAX_RENDERED)
    assert html.startswith('<div class="plain">&lt;b&gt;*x*')
