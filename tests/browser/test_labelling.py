"""The labelling screen in a real browser, by keyboard."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect
from sqlalchemy import select

from app import models as m
from app.db import task_session
from app.projects.forms import AnswerSettings
from tests import factories
from tests.app.web.xss_vectors import VECTORS
from tests.browser.conftest import Server

expect.set_options(timeout=20_000)


@dataclass
class Work:
    """A project with pairs, and an annotator at its screen."""

    project_id: int
    user: m.User
    address: str


MakeWork = Callable[..., Work]


@pytest.fixture
def work(server: Server, page: Page, sign_in: Callable[[Page, m.User], None]) -> MakeWork:
    """`work(pairs=3, texts=[...], **answer settings)` signs the annotator in; the page is not opened yet."""

    def make(pairs: int = 3, texts: list[tuple[str, str, str]] | None = None, **answer: Any) -> Work:
        with task_session() as session:
            project = factories.project(
                session, answer=AnswerSettings(**answer).model_dump(), guidelines="Prefer the **kinder** answer."
            )
            user = factories.user(session, name="Ada")
            factories.member(session, project, user)
            rows = texts or [(f"Question {n}?", f"First answer {n}.", f"Second answer {n}.") for n in range(pairs)]
            for place, (prompt, one, two) in enumerate(rows):
                row = factories.prompt(session, project, prompt)
                a, b = (factories.response(session, row, project.base_model, text=text) for text in (one, two))
                factories.pair(
                    session, row, project.base_model, response_a_id=a.id, response_b_id=b.id, priority=-float(place)
                )
        sign_in(page, user)
        return Work(project.id, user, f"{server.url}/projects/{project.id}/label")

    return make


def labels(work: Work) -> list[m.Label]:
    with task_session() as session:
        return list(session.scalars(select(m.Label).where(m.Label.project_id == work.project_id).order_by(m.Label.id)))


def assignment(page: Page) -> str:
    return page.locator("#screen").get_attribute("data-assignment") or ""


def settled(page: Page) -> None:
    """Wait until the screen takes keys: the first moment after a new pair it does not."""
    expect(page.locator("#screen[data-settled]")).to_be_attached()


def press(page: Page, key: str) -> None:
    """Answer with one key and wait for the next pair, as a person does."""
    before = assignment(page)
    settled(page)
    page.keyboard.press(key)
    expect(page.locator(f"#screen:not([data-assignment='{before}'])")).to_be_attached()


def test_fifty_labels_by_keyboard(page: Page, work: MakeWork) -> None:
    here = work(pairs=51)
    page.goto(here.address)
    for number in range(50):
        if number == 10:
            page.keyboard.press("c")
            page.keyboard.type("The second one is kinder, 2 times so.")
            page.keyboard.press("Escape")
        if number == 20:
            answered = labels(here)[-1]
            press(page, "u")
            assert assignment(page) == str(answered.assignment_id)
            chosen = page.locator(".choice[aria-pressed=true]")
            side = "left" if answered.choice.value == answered.left.value else "right"
            assert chosen.get_attribute("value") == side
            press(page, "0")  # changed my mind: equal
        press(page, ["1", "2", "ArrowLeft", "ArrowRight", "0", "b"][number % 6])
    found = labels(here)
    standing = [label for label in found if label.superseded_at is None]
    assert len(standing) == 50
    assert len(found) == 51
    assert [label.comment for label in standing if label.comment] == ["The second one is kinder, 2 times so."]
    assert {label.choice for label in standing} == set(m.Choice)
    assert all(label.seconds and 0.2 < label.seconds < 60 for label in standing)
    for label in (label for label in found if label.choice in (m.Choice.A, m.Choice.B)):
        assert label.left in (m.Side.A, m.Side.B)
    expect(page.locator("#today")).to_have_text("50")


def test_a_double_press_answers_once(page: Page, work: MakeWork) -> None:
    here = work(pairs=4)
    page.goto(here.address)
    before = assignment(page)
    settled(page)
    page.keyboard.press("1")
    page.keyboard.press("1")
    page.locator(".choice").first.dblclick(timeout=2_000)
    expect(page.locator(f"#screen:not([data-assignment='{before}'])")).to_be_attached()
    page.wait_for_timeout(200)
    assert len(labels(here)) <= 2  # the double click may have met the second pair, and counts once at most
    assert len({label.assignment_id for label in labels(here)}) == len(labels(here))


def test_two_tabs_show_one_pair(page: Page, work: MakeWork) -> None:
    here = work(pairs=3)
    page.goto(here.address)
    other = page.context.new_page()
    other.goto(here.address)
    assert assignment(page) == assignment(other)
    press(page, "1")
    press(other, "1")  # the same answer to the same pair again
    assert assignment(page) == assignment(other)
    assert len(labels(here)) == 1


def test_the_line_is_cut_and_the_answer_is_sent_once_when_it_is_back(
    page: Page, work: MakeWork, faults: list[str]
) -> None:
    here = work(pairs=3)
    page.goto(here.address)
    press(page, "1")
    before = assignment(page)
    page.context.set_offline(True)
    settled(page)
    page.keyboard.press("2")
    expect(page.locator("#line")).to_contain_text("Your answer is kept here")
    assert len(labels(here)) == 1
    page.context.set_offline(False)
    expect(page.locator(f"#screen:not([data-assignment='{before}'])")).to_be_attached()
    assert len(labels(here)) == 2
    press(page, "0")
    assert [label.superseded_at for label in labels(here)] == [None] * 3
    faults.clear()  # the browser's own words on the line that was cut


def test_the_server_is_away_and_the_answer_survives_a_reload(
    page: Page, work: MakeWork, server: Server, faults: list[str]
) -> None:
    here = work(pairs=3)
    page.goto(here.address)
    server.stop()
    settled(page)
    page.keyboard.press("2")
    expect(page.locator("#line")).to_contain_text("Your answer is kept here")
    server.start()
    page.goto(here.address)
    expect(page.locator("#today")).to_have_text("1")
    (label,) = labels(here)
    assert label.choice.value != label.left.value  # the right answer was chosen
    faults.clear()


def test_a_session_that_ended_loses_no_answer(
    page: Page, work: MakeWork, sign_in: Callable[[Page, m.User], None], faults: list[str]
) -> None:
    here = work(pairs=3)
    page.goto(here.address)
    page.context.clear_cookies()
    settled(page)
    page.keyboard.press("1")
    expect(page.locator("#line")).to_contain_text("signed out")
    assert labels(here) == []
    sign_in(page, here.user)  # as in another tab
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")  # and back to this one
    expect(page.locator("#today")).to_have_text("1")
    assert len(labels(here)) == 1
    faults.clear()


def test_a_strength_is_chosen_with_arrows_and_sent_with_enter(page: Page, work: MakeWork) -> None:
    here = work(pairs=3, levels=3, submit_on_choice=False, comment="required", reasons=["Kinder", "Truer"])
    page.goto(here.address)
    before = assignment(page)
    settled(page)
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Shift+Digit2")
    page.keyboard.press("c")
    page.keyboard.type("because 1 and 2 are so")
    page.keyboard.press("Enter")
    expect(page.locator(f"#screen:not([data-assignment='{before}'])")).to_be_attached()
    (label,) = labels(here)
    assert (label.strength, label.reasons, label.comment) == (2, ["Truer"], "because 1 and 2 are so")
    assert label.choice.value != label.left.value
    settled(page)
    page.keyboard.press("1")  # the far left; the comment is asked for before it is sent
    expect(page.locator("[name=comment]")).to_be_focused()
    assert len(labels(here)) == 1
    page.keyboard.type("again")
    page.keyboard.press("Enter")
    expect(page.locator("#today")).to_have_text("2")
    assert labels(here)[1].strength == 3


def test_guidelines_keys_and_raw_text_are_one_key_away(page: Page, work: MakeWork) -> None:
    here = work(texts=[("Q?", "**bold** one", "plain two")] * 1)
    page.goto(here.address)
    page.keyboard.press("g")
    expect(page.locator("#guidelines strong")).to_have_text("kinder")
    page.keyboard.press("1")  # not while a dialog is open
    page.keyboard.press("Escape")
    page.keyboard.press("?")
    expect(page.locator("#shortcuts")).to_contain_text("Both bad")
    page.keyboard.press("Escape")
    expect(page.locator(".raw", has_text="**bold** one")).to_be_hidden()
    page.keyboard.press("r")
    expect(page.locator(".raw", has_text="**bold** one")).to_be_visible()
    page.keyboard.press("r")
    expect(page.locator(".rendered strong")).to_be_visible()
    settled(page)
    page.keyboard.press("s")
    expect(page.get_by_text("Look again at what I skipped (1)")).to_be_visible()
    assert labels(here) == []


def test_it_works_without_javascript(browser: Browser, server: Server, work: MakeWork, page: Page) -> None:
    here = work(pairs=2)
    context = browser.new_context(java_script_enabled=False)
    context.add_cookies([{**cookie, "url": None} for cookie in page.context.cookies()])  # type: ignore[list-item]
    plain = context.new_page()
    plain.goto(here.address)
    plain.locator(".choice[value=left]").click()
    plain.locator(".choice[value=both_bad]").click()
    expect(plain.get_by_text("All done for now")).to_be_visible()
    assert len(labels(here)) == 2
    context.close()


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
    here = work(texts=SHAPES, reasons=["Kinder", "Better written"], levels=4 if width == 390 else 0)
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
        press(page, "1" if page.locator("#screen[data-levels='0']").count() else "4")
    expect(page.get_by_text("All done for now")).to_be_visible()
    assert serious_faults(page) == []


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
