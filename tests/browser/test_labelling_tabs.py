"""One person in two tabs, signed in anew in one of them, or at the end of the queue: told, and nothing is replaced
unknowingly."""

from collections.abc import Callable

from playwright.sync_api import Page, expect

from app import models as m
from tests.browser.labelling import MakeWork, assignment, labels, press, said, settled


def test_another_answer_in_a_second_tab_is_told_of_the_first_and_may_replace_it_knowingly(
    page: Page, work: MakeWork, faults: list[str]
) -> None:
    here = work(items=3)
    page.goto(here.address)
    other = page.context.new_page()
    other.goto(here.address)
    shown = assignment(page)
    assert assignment(other) == shown
    press(page, "1")
    settled(other)
    other.keyboard.press("2")
    expect(other.get_by_role("alert")).to_contain_text("You have answered this pair meanwhile")
    assert assignment(other) == shown
    expect(other.locator(".choice[value=right]")).to_have_attribute("aria-pressed", "true")
    assert [said(label).word for label in labels(here)] == ["left"]
    press(other, "2")
    first, second = labels(here)
    assert (said(second).word, second.superseded_at, first.superseded_at is None) == ("right", None, False)
    assert assignment(page) == assignment(other)
    press(page, "u")  # what stands is shown as it was replaced
    expect(page.locator(".choice[value=right]")).to_have_attribute("aria-pressed", "true")


def test_two_revisions_in_two_tabs_do_not_replace_each_other_unseen(page: Page, work: MakeWork) -> None:
    here = work(items=2)
    page.goto(here.address)
    press(page, "1")
    other = page.context.new_page()
    for tab in (page, other):
        tab.goto(f"{here.address}?assignment={labels(here)[0].assignment_id}")
    press(page, "0")
    settled(other)
    other.keyboard.press("b")
    expect(other.get_by_role("alert")).to_contain_text("in another tab or window")
    assert [said(label).word for label in labels(here) if label.superseded_at is None] == ["tie"]


def test_undo_and_its_answer_work_after_signing_in_again_elsewhere(
    page: Page, work: MakeWork, sign_in: Callable[[Page, m.User], None], faults: list[str]
) -> None:
    here = work(items=3)
    page.goto(here.address)
    press(page, "1")
    sign_in(page, here.user)  # in another tab
    press(page, "u")
    settled(page)
    page.keyboard.press("2")
    expect(page.locator(".notice", has_text="Another answer replaces yours")).to_have_count(0)
    assert [said(label).word for label in labels(here)] == ["left", "right"]
    press(page, "s")
    faults.clear()  # Chromium logs the one 403 after which the page has a fresh token


def test_undo_works_when_the_queue_has_run_out(page: Page, work: MakeWork) -> None:
    here = work(items=1)
    page.goto(here.address)
    settled(page)
    page.keyboard.press("1")
    expect(page.get_by_role("heading", name="All done for now")).to_be_visible()
    page.keyboard.press("1")  # there is nothing that it could mean
    page.keyboard.press("u")
    expect(page.locator(".choice[value=left]")).to_have_attribute("aria-pressed", "true")
    settled(page)
    page.keyboard.press("0")
    expect(page.get_by_role("heading", name="All done for now")).to_be_visible()
    assert [said(label).word for label in labels(here)] == ["left", "tie"]
    page.get_by_role("link", name="Undo").click()
    expect(page.locator(".choice[value=tie]")).to_have_attribute("aria-pressed", "true")


def test_a_queue_that_never_had_a_pair_says_so_and_offers_no_undo(page: Page, work: MakeWork) -> None:
    here = work(items=0)
    page.goto(here.address)
    expect(page.get_by_role("heading", name="No pairs yet")).to_be_visible()
    expect(page.get_by_text("You have seen every pair")).to_have_count(0)
    expect(page.get_by_role("link", name="Undo")).to_have_count(0)
