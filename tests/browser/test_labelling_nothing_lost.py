"""The labelling screen when keys bounce, the line is cut, the server is away or the session ends: each answer once."""

from collections.abc import Callable

from playwright.sync_api import Page, expect

from app import models as m
from tests.browser.conftest import Server
from tests.browser.labelling import MakeWork, assignment, labels, press, said, settled


def test_a_double_press_answers_once(page: Page, work: MakeWork) -> None:
    here = work(items=4)
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


def test_two_tabs_show_one_item(page: Page, work: MakeWork) -> None:
    here = work(items=3)
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
    here = work(items=3)
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
    here = work(items=3)
    page.goto(here.address)
    server.stop()
    settled(page)
    page.keyboard.press("2")
    expect(page.locator("#line")).to_contain_text("Your answer is kept here")
    server.start()
    page.goto(here.address)
    expect(page.locator("#today")).to_have_text("1")
    (label,) = labels(here)
    assert said(label).word == "right"  # the right answer was chosen
    faults.clear()


def test_a_session_that_ended_loses_no_answer(
    page: Page, work: MakeWork, sign_in: Callable[[Page, m.User], None], faults: list[str]
) -> None:
    here = work(items=3)
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


def test_unsent_answers_to_questions_survive_a_reload(
    page: Page, work: MakeWork, server: Server, faults: list[str]
) -> None:
    here = work(items=2, questions=["Which is kinder?"])
    page.goto(here.address)
    server.stop()
    settled(page)
    page.keyboard.press("o")
    page.keyboard.press("2")
    expect(page.locator("#line")).to_contain_text("Your answer is kept here")
    server.start()
    page.goto(here.address)
    expect(page.locator("#today")).to_have_text("1")
    (label,) = labels(here)
    assert said(label).word == "right"
    assert said(label).question_words == {"Which is kinder?": "tie"}
    faults.clear()
