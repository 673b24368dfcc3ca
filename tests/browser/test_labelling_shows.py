"""What the labelling screen shows: on every width, in every script, and nothing of a text that would break out."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import Browser, Page, expect
from sqlalchemy import update

from app import models as m
from app.db import task_session
from tests.app.web.xss_vectors import VECTORS
from tests.browser.labelling import MakeWork, labels, press, settled, zone_where_it_is

LONG = "A sentence of an answer that goes on and on, as models do. " * 420
WIDE_TABLE = "| a | b |\n|---|---|\n| 1 | " + "wide " * 60 + "|"
WIDE_CODE = "```\n" + "x" * 400 + "\n```\n$$" + "x+" * 200 + "1$$"
SHAPES = [
    ("A table, code and a formula?", WIDE_TABLE, WIDE_CODE),
    ("كيف حالك؟", "بخير، شكرا لك. كيف يمكنني مساعدتك اليوم؟", "Fine, thank you."),
    ("Long?", LONG, "unbroken" * 200),
]


@pytest.mark.parametrize("width", [320, 390, 1440, 3840])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_every_screen(
    page: Page, work: MakeWork, width: int, scheme: str, serious_faults: Callable[[Page], list[str]]
) -> None:
    questions = ["Which is more helpful?", "Which does less harm to people who are not part of the conversation?"]
    levels = 4 if width == 390 else 0
    here = work(texts=SHAPES, reasons=["Kinder", "Better written"], levels=levels, questions=questions)
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    page.set_viewport_size({"width": width, "height": 2160 if width == 3840 else 900})
    page.goto(here.address)
    for _ in SHAPES:
        assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
        for choice in page.locator(".choice").all():
            expect(choice).to_be_in_viewport()
        for text in page.locator(".answer-text").all():
            box, outer = text.bounding_box(), text.locator("..").bounding_box()
            assert box is not None
            assert outer is not None
            assert outer["x"] - 1 <= box["x"]
            assert box["x"] + box["width"] <= outer["x"] + outer["width"] + 1
        assert serious_faults(page) == []
        settled(page)
        page.keyboard.press("i")
        page.keyboard.press("k")
        page.evaluate("scrollTo(0, document.documentElement.scrollHeight)")
        press(page, "4" if levels else "1")
        expect(page.locator("html")).to_have_js_property("scrollTop", 0)  # the next pair from its beginning
    expect(page.get_by_text("All done for now")).to_be_visible()
    assert serious_faults(page) == []


@pytest.mark.parametrize("last", ["What do you say to that?", f"The last begins here. {LONG[:2_000]}"])
@pytest.mark.parametrize("width", [390, 1440])
def test_of_a_long_conversation_the_turn_that_is_answered_is_in_view(
    page: Page, work: MakeWork, last: str, width: int
) -> None:
    here = work(items=1)
    said = [
        ("user", "Hello?"),
        *[("assistant", LONG[:1_000]), ("user", LONG[:1_000])] * 3,
        ("assistant", "Yes."),
        ("user", last),
    ]
    with task_session() as session:
        messages = [{"role": role, "content": text} for role, text in said]
        session.execute(update(m.Prompt).where(m.Prompt.project_id == here.project_id).values(messages=messages))
    page.set_viewport_size({"width": width, "height": 900})
    page.goto(here.address)
    settled(page)
    turn, prompt = (page.locator(each).bounding_box() for each in (".turn:last-child", ".prompt"))
    assert turn is not None
    assert prompt is not None
    assert prompt["y"] <= turn["y"] < prompt["y"] + prompt["height"] - 20
    if len(last) < 50:
        assert turn["y"] + turn["height"] <= prompt["y"] + prompt["height"] + 1
    page.locator(".prompt").evaluate("box => { box.scrollTop = 0 }")
    expect(page.get_by_text("Hello?")).to_be_in_viewport()


def test_an_answer_in_arabic_runs_from_right_to_left(page: Page, work: MakeWork) -> None:
    here = work(texts=[SHAPES[1]])
    page.goto(here.address)
    paragraph = page.locator(".rendered p", has_text="بخير")
    assert paragraph.evaluate("node => getComputedStyle(node).direction") == "rtl"


def test_no_vector_runs_loads_or_leaves_its_box(page: Page, work: MakeWork, faults: list[str]) -> None:
    """All vectors at once, each in the prompt and in both answers; `faults` has every request to elsewhere."""
    usable = [vector for vector in VECTORS if "\x00" not in vector and len(vector) < 3_000]
    assert len(usable) >= 150
    thirds = [usable[place::3] for place in range(3)]
    prompt, one, two = ("\n\n".join(part) for part in thirds)
    here = work(texts=[(prompt, one, two)])
    page.goto(here.address)
    page.wait_for_timeout(500)
    assert page.evaluate("window.hit") is None
    inside = page.locator(".prompt, .answer-text")
    assert (
        inside.locator("script, img, iframe, svg, object, embed, form, input, style, link, video, a, button").count()
        == 0
    )
    screen = page.evaluate(
        """() => [...document.querySelectorAll('.prompt *, .answer-text *')].filter(node => {
             const style = getComputedStyle(node);
             return ['fixed', 'sticky', 'absolute'].includes(style.position);
           }).length"""
    )
    assert screen == 0
    expect(page.locator(".choice[value=left]")).to_be_in_viewport()
    top = page.evaluate(
        """() => { const box = document.querySelector('.choice').getBoundingClientRect();
             return document.elementFromPoint(box.x + 9, box.y + 9).closest('.choice') !== null; }"""
    )
    assert top, "something lies over the buttons"
    assert faults == []
    press(page, "1")
    assert len(labels(here)) == 1


def test_today_is_counted_from_midnight_in_the_persons_zone(
    page: Page, browser: Browser, work: MakeWork, sign_in: Callable[[Page, m.User], None]
) -> None:
    here = work(items=3)
    page.goto(here.address)
    press(page, "1")
    with task_session() as session:
        session.execute(update(m.Label).values(created_at=datetime.now(UTC) - timedelta(hours=3)))
    for hour, today in ((12, 1), (1, 0)):
        with browser.new_context(timezone_id=zone_where_it_is(hour)) as context:
            there = context.new_page()
            sign_in(there, here.user)
            there.goto(here.address.split("/projects")[0] + "/account")  # any page tells the zone
            there.goto(here.address)
            expect(there.locator("#today")).to_have_text(str(today))
            if hour == 1:
                press(there, "2")
                expect(there.locator("#today")).to_have_text("1")


def test_a_focused_screen_has_the_room_of_bars_and_navigation(
    page: Page, work: MakeWork, serious_faults: Callable[[Page], list[str]]
) -> None:
    questions = ["Which is more helpful?", "Which is safer?"]
    here = work(texts=[("Why? " * 300, LONG, LONG)] * 2, reasons=["Kinder", "Truer"], levels=3, questions=questions)
    with task_session() as session:
        session.execute(update(m.Member).values(role=m.Role.MANAGER))  # whose navigation is the long one
    page.set_viewport_size({"width": 1280, "height": 720})
    page.goto(here.address)

    def room() -> tuple[float, float]:
        box = page.locator(".answer-text").first.bounding_box()
        assert box
        return box["width"], box["height"]

    before = room()
    page.keyboard.press("Shift+F")
    expect(page.locator(".side")).to_be_hidden()
    assert room()[0] > before[0] + 80
    assert room()[1] > max(280, 2.5 * before[1])
    expect(page.locator(".choice").first).to_be_in_viewport()
    assert page.evaluate("document.documentElement.scrollHeight") <= 720
    assert serious_faults(page) == []
    page.reload()
    expect(page.locator(".side")).to_be_hidden()
    expect(page.locator('[data-view="focus"]')).to_have_attribute("aria-pressed", "true")
    page.goto(here.address.removesuffix("/label"))
    expect(page.locator(".side")).to_be_visible()  # of this screen alone
    page.goto(here.address)
    page.get_by_text("View", exact=True).click()
    page.get_by_role("button", name="Focus").click()
    expect(page.locator(".side")).to_be_visible()


def test_on_a_phone_the_answers_have_two_thirds_and_a_missing_question_is_brought_into_sight(
    page: Page, work: MakeWork
) -> None:
    here = work(texts=[("Why?", LONG, LONG)], questions=["Which is more helpful?", "Which is safer?"], levels=3)
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(here.address)
    page.locator(".answer").first.evaluate("node => node.scrollIntoView()")
    bar = page.locator(".choose").bounding_box()
    assert bar
    assert bar["y"] >= 844 * 2 / 3
    for covering in (".top", ".side"):
        expect(page.locator(covering)).not_to_be_in_viewport()
    settled(page)
    page.locator(".choice").first.click()
    question = page.locator(".question").first
    expect(page.locator("#line")).to_contain_text("Answer “Which is more helpful?” too")
    box = question.bounding_box()
    assert box
    assert box["y"] >= 0
    foot = page.locator(".choose").bounding_box()
    assert foot
    assert box["y"] + box["height"] <= foot["y"]
    question.locator(".chip").last.click()  # nothing lies over it
    expect(question.get_by_label("Answer 2")).to_be_checked()
