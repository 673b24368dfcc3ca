"""Rendered Markdown: what it shows, and that nothing in it can act."""

import re
import time
import unicodedata
from collections import Counter
from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.web import markdown
from app.web.markdown import _ATTRIBUTES, _SCROLLING, _TAGS, MAX_RENDERED, _render, _rendered, to_html
from app.web.markdown.source import normalised
from tests.app.web.hard_texts import EMPTY, HARD, LATEX, MARKDOWN, PIECES, words
from tests.app.web.xss_vectors import VECTORS

_ALNUM = re.compile(r"[^\W_]")


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


def visible(html: str) -> str:
    """What is read of `html`: its text, with a line break for each `<br>`."""

    class Text(HTMLParser):
        found = ""

        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            self.found += "\n" if tag == "br" else ""

        def handle_data(self, data: str) -> None:
            self.found += data

    reader = Text(convert_charrefs=True)
    reader.feed(str(html))
    reader.close()
    return reader.found


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
    assert_inert(_render(vector, "answer"))
    assert_inert(_render(f"Some *text* before.\n\n- a list\n- {vector}\n\nAnd after.", "answer"))
    assert time.monotonic() - started < 5


@given(st.text(alphabet=st.sampled_from("<>&\"'`$\\[](){}!*_-|#~:=/ \nabcjsonerx1"), max_size=120))
def test_no_mixture_of_markup_can_act(text: str) -> None:
    assert_inert(_render(text, "answer"))


@given(MARKDOWN)
@settings(max_examples=400)
def test_every_word_is_seen_in_its_order(text: str) -> None:
    """Whatever the text: words, markup and what looks like it, in any mixture; formulas have a test of their own."""
    seen = visible(_render(text, "answer"))
    at = 0
    for word in words(text):
        found = seen.find(word, at)
        assert found >= 0, (word, text, seen)
        at = found + len(word)


@given(st.lists(st.one_of(st.characters(), st.sampled_from([*PIECES, *LATEX])), max_size=40).map("".join))
def test_no_letter_or_digit_is_lost_beside_formulas_and_whatever_unicode_has(text: str) -> None:
    html = _render(text, "answer")
    assert_inert(html)
    if "(an empty answer)" not in html:
        seen = unicodedata.normalize("NFKC", visible(html))
        outside = re.sub(r"\\[a-z]+", " ", normalised(text)) if "<math" in html else normalised(text)
        wanted = Counter(sign for sign in unicodedata.normalize("NFKC", outside) if sign.isalnum())
        assert not wanted - Counter(seen)


@pytest.mark.parametrize("text", HARD)
def test_every_sign_of_a_text_that_means_something_is_seen(text: str) -> None:
    assert visible(to_html(text)).split() == text.split()


@pytest.mark.parametrize("text", EMPTY)
def test_an_answer_of_which_nothing_is_seen_says_so(text: str) -> None:
    html = to_html(text)
    assert "(an empty answer)" in html
    assert visible(to_html(text, "message")).startswith("(an empty message)")
    written = re.sub(r"\s+", " ", text.strip())
    if written.isascii() and written:
        assert f"As written: {written}" in visible(html)


def test_what_cannot_be_seen_is_named() -> None:
    assert visible(to_html("\u200b\u3164")) == "(an empty answer)As written: U+200B U+3164"
    for answer in ("+5", "1.", "C#", "===", "|", "...", "?", "$", "[]", "\\"):
        assert visible(to_html(answer)).strip() == answer


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("**b**", '<p dir="auto"><strong>b</strong></p>'),
        ("~~s~~", "<s>s</s>"),
        ("<b>", "&lt;b&gt;"),
        ("[docs](https://x.y/z)", '<span class="inert">docs <span class="address">(https://x.y/z)</span></span>'),
        ("[docs](x.y 'a title')", "docs <span class=\"address\">(x.y 'a title')</span>"),
        ("[https://x.y](https://x.y)", '<span class="inert">https://x.y</span>'),
        ("![a cat](https://x.y/c.png)", '<span class="inert">a cat <span class="address">(https://x.y/c.png)</span>'),
        ('![](c.png "Tom")', '<span class="address">(c.png "Tom")</span>'),
        ("```python\nreturn 1\n```", '<span class="k">return</span> <span class="m">1</span>'),
        ("```python print(1)\nx\n```", '<div class="info" dir="auto">python print(1)</div>'),
        ("```nonsense\n<x>\n```", "&lt;x&gt;"),
        ("```\n\n  x\n```", "<code>\n  x\n</code>"),
        ("| a |\n|--:|\n| 1 |", '<td dir="auto" class="align-right">1</td>'),
        ("| a |\n|---|\n| 1 | 2 | 3 |", '<td dir="auto">2 | 3</td></tr>'),
        ("3. c\n7. d", '<span class="marker">7.</span> d'),
        ("Roses\nViolets", "Roses<br>Violets"),
        ("def f():\n    return 1", "def f():<br>    return 1"),
        ("- a\n    b", "a<br>  b"),
        ("> a\n>   b", "a<br>  b"),
        ("$x^2$", "<msup><mi>x</mi><mn>2</mn></msup>"),
        (r"\(x_1\)", "<msub>"),
        (r"\[x_1\]", 'display="block"'),
        ("$$\nx\n$$", '<span class="formula" tabindex="0"><math display="block">'),
        ("> $$\n> x = 1\n> $$", '<math display="block">'),
        ("a $$x$$ b", '<span class="formula" tabindex="0">'),
        ("it costs $5 and $6", "it costs $5 and $6"),
        (r"a \$ b", r"a \$ b"),
        (r"$\frac{$", r'<code class="latex">$\frac{$</code>'),
        ("مرحبا", 'dir="auto"'),
        ("> مرحبا", '<blockquote dir="rtl">'),
        ("| مرحبا | b |\n|---|---|\n| 1 | 2 |", '<table dir="rtl"'),
        ("- مرحبا", '<ul dir="rtl"><li dir="rtl">'),
        (" Hello", '<p dir="auto">Hello</p>'),
        ("     Hello", '<p dir="auto">Hello</p>'),
        ("    x = 1\n    y = 2", "<code>x = 1\ny = 2</code>"),
        ("# **b** #", '<h1 dir="auto"><strong>b</strong> #</h1>'),
        ("中文**粗体。**中文", "中文<strong>粗体。</strong>中文"),
        ("**F**irst", "<strong>F</strong>irst"),
    ],
)
def test_what_is_shown(text: str, html: str) -> None:
    assert html in to_html(text)


@pytest.mark.parametrize(
    "text",
    [
        "$AAPL,$TSLA",
        "$AAPL and TSLA$",
        r"\[1\]",
        r"\[sic\]",
        r"\(optional\)",
        "$5-$10",
        "US$5 or A$6",
        "$5 to 10$",
        "$ x$",
        "$x $",
        "$x$5",
        "`$x` and `$y`",
        "$PATH:/bin:$",
        "5$ or 6$",
        "$$",
        "$$5 and $$6",
    ],
)
def test_what_does_not_read_as_a_formula_is_text(text: str) -> None:
    html = to_html(text)
    assert "<math" not in html
    assert visible(html).strip() == text.replace("`", "")


@pytest.mark.parametrize(
    "latex", [r"\label{eq} x", r"x % half", r"\unknown{a}{b}", r"\text{five apples} = 5", r"\mathbb{R}^2"]
)
def test_a_formula_is_shown_whole_or_as_it_was_written(latex: str) -> None:
    seen = unicodedata.normalize("NFKC", visible(to_html(rf"\({latex}\)")))
    for word in words(re.sub(r"\\[a-zA-Z]+", " ", latex)):
        assert word in seen or all(sign in seen for sign in word)


@pytest.mark.parametrize(
    "text",
    [
        "a\n" * 120_000,
        "![" * 100_000,
        "[a](" * 50_000,
        "> - " * 50_000,
        "# a\n" * 50_000,
        "*a_" * 70_000,
        "*_" * 50_000 + "a" + "_*" * 49_000,
        "|" + "a|" * 1_000 + "\n|" + "-|" * 1_000 + "\n" + "|1" * 90_000,
        "$x$" * 60_000,
        r"\(" * 100_000,
        "`" * 200_000,
        "&lt;" * 50_000,
    ]
    + [
        f"```{language}\n{(piece * 19_000)[:19_000]}\n```\n" * 10
        for language, piece in [
            ("java", "a "),
            ("perl", "<"),
            ("rst", "["),
            ("csharp", "a\n"),
            ("c", "\n"),
            ("python", "'\\"),
            ("sql", "/*"),
            ("diff", "+\n"),
        ]
    ],
    ids=str.__len__,
)
def test_no_text_takes_long(text: str) -> None:
    """A tenth of a second where it is measured (bench/rendering.py); the worst were minutes."""
    began = time.process_time()
    html = _render(text[:MAX_RENDERED], "answer")
    assert time.process_time() - began < 2
    assert len(_ALNUM.findall(visible(html))) >= len(_ALNUM.findall(text[:MAX_RENDERED]))


def test_deep_nesting_is_shown() -> None:
    for text in (
        "> " * 60 + "word",
        "".join(" " * 2 * n + f"- item{n}\n" for n in range(60)),
        "*_" * 40 + "word" + "_*" * 40,
    ):
        seen = visible(to_html(text))
        assert all(word in seen for word in words(text))


def test_a_text_is_rendered_once() -> None:
    _rendered.cache_clear()
    to_html("*once*")
    to_html("*once*")
    assert (_rendered.cache_info().misses, _rendered.cache_info().hits) == (1, 1)


def test_a_text_without_end_is_shown_as_it_is() -> None:
    html = to_html("<b>*x*" * MAX_RENDERED)
    assert html.startswith('<div class="plain" dir="auto">&lt;b&gt;*x*')


def test_html_that_is_kept_with_its_answer_is_the_same_and_takes_no_place_in_the_cache():
    before = markdown._rendered.cache_info().currsize, markdown._rendered_long.cache_info().currsize
    for text in ("*kept* with its answer", "**long** " * 2_000, ""):
        kept = markdown.to_kept_html(text)
        assert (markdown._rendered.cache_info().currsize, markdown._rendered_long.cache_info().currsize) == before
        assert kept == markdown._render(text, "answer")
