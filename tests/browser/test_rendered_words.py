"""Every word of a text is on the screen of those who judge it: measured in the page, not in its HTML."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from app import models as m
from app.db import task_session
from tests import factories
from tests.app.web.hard_texts import EMPTY, HARD, mixed, words
from tests.asking import asking
from tests.browser.conftest import Server
from tests.browser.labelling import MakeWork

# Of each word: whether it has a size, can be reached by scrolling, and is
# told apart from what is behind it.
_UNSEEN = """
box => {
  const found = [], outer = box.getBoundingClientRect();
  const nodes = document.createTreeWalker(box, NodeFilter.SHOW_TEXT);
  while (nodes.nextNode()) {
    const node = nodes.currentNode, style = getComputedStyle(node.parentElement);
    const scrolls = node.parentElement.closest("pre, table, .formula");
    for (const word of node.data.matchAll(/[\\p{L}\\p{N}]+/gu)) {
      const range = document.createRange();
      range.setStart(node, word.index);
      range.setEnd(node, word.index + word[0].length);
      const rects = [...range.getClientRects()].filter(rect => rect.width && rect.height);
      if (!rects.length && /[A-Za-z0-9]/.test(word[0])) found.push(`no size: ${word[0]}`);
      if (!scrolls && rects.some(rect => rect.left < outer.left - 1)) found.push(`out of reach: ${word[0]}`);
    }
    if (style.visibility !== "visible" || style.opacity !== "1" || style.color === style.backgroundColor)
      found.push(`hidden: ${node.data}`);
  }
  return found;
}
"""


def screen_with(
    page: Page, server: Server, sign_in: Callable[[Page, m.User], None], texts: list[str]
) -> list[tuple[str, str, list[str]]]:
    """(text, what is read of it, what of it is not seen) of each, all on one labelling screen: the last two are the
    answers, the others the turns of the conversation."""
    *turns, one, two = texts
    messages = [{"role": ("user", "assistant")[place % 2], "content": text} for place, text in enumerate(turns)]
    with task_session() as session:
        project = factories.project(session, answer=asking())
        user = factories.user(session, name="Ada")
        factories.member(session, project, user)
        prompt = factories.prompt(session, project, messages=messages)
        a, b = (factories.response(session, prompt, project.base_model, text=text) for text in (one, two))
        factories.item(session, prompt, project.base_model, responses=[a, b])
        address = f"{server.url}/projects/{project.id}/label"
    sign_in(page, user)
    page.goto(address)
    boxes = page.locator(".turn .prose").all()
    assert len(boxes) == len(turns)
    shown = {1: one, 2: two}
    if page.locator(".answer:first-child .raw").text_content() != one:
        shown = {1: two, 2: one}
    found = [(text, box.inner_text(), box.evaluate(_UNSEEN)) for text, box in zip(turns, boxes, strict=True)]
    for number, text in shown.items():
        box = page.locator(f".answer:nth-child({number}) .rendered")
        found.append((text, box.inner_text(), box.evaluate(_UNSEEN)))
    return found


@pytest.mark.parametrize("width", [390, 1440])
def test_every_word_of_two_hundred_texts_is_on_the_screen(
    page: Page, server: Server, sign_in: Callable[[Page, m.User], None], width: int
) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    texts = [text for text in (*mixed(230, seed=width), *HARD) if words(text)]
    assert len(texts) >= 200
    for text, seen, unseen in screen_with(page, server, sign_in, texts):
        at = 0
        for word in words(text):
            place = seen.find(word, at)
            assert place >= 0, (word, text, seen)
            at = place + len(word)
        assert unseen == [], text


def test_answers_of_which_nothing_is_seen_say_so(
    page: Page, server: Server, sign_in: Callable[[Page, m.User], None]
) -> None:
    for text, seen, _ in screen_with(page, server, sign_in, EMPTY):
        assert seen.startswith(("(an empty message)", "(an empty answer)")), text


def test_lines_indentation_and_numbers_are_where_they_were(page: Page, work: MakeWork) -> None:
    poem, code = "Roses are red\n  Violets are blue\n\n3. sugar\n\n7. you", "def f():\n    if x:\n        return 1"
    here = work(texts=[(poem, code, "```python title=a\nx = 1\n```")])
    page.goto(here.address)
    assert page.locator(".turn .prose p").first.inner_text() == "Roses are red\n  Violets are blue"
    assert [" ".join(item.inner_text().split()) for item in page.locator(".turn li").all()] == ["3. sugar", "7. you"]
    for item in page.locator(".turn li").all():
        marker, words_of_it = item.locator(".marker").bounding_box(), item.locator("p").bounding_box()
        assert marker is not None
        assert words_of_it is not None
        assert abs(marker["y"] - words_of_it["y"]) < 4, "the number is beside its item"
    paragraph = page.locator(".rendered p", has_text="def f")
    assert paragraph.inner_text() == code
    expect(page.locator(".rendered .info")).to_have_text("python title=a")


def test_a_right_to_left_table_and_quote_are_mirrored(page: Page, work: MakeWork) -> None:
    here = work(texts=[("> مرحبا بالعالم", "| أول | ثان |\n|---|---|\n| واحد | اثنان |", "1. واحد\n2. اثنان")])
    page.goto(here.address)
    quote = page.locator(".turn blockquote")
    assert quote.evaluate("node => getComputedStyle(node).borderRightWidth") == "3px"
    first, second = (page.locator("th", has_text=text).bounding_box() for text in ("أول", "ثان"))
    assert first is not None
    assert second is not None
    assert first["x"] > second["x"]
    marker, text = (
        page.locator(".rendered .marker").first.bounding_box(),
        page.locator(".rendered li").first.bounding_box(),
    )
    assert marker is not None
    assert text is not None
    assert marker["x"] >= text["x"] + text["width"] - 1
