"""A labelling page that is older than its guidelines: it says so, shows the new ones, and loses nothing."""

from typing import Any

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import select

from app.db import task_session
from app.models import Assignment, Instructions, Label, Project, User
from app.projects import service
from tests.asking import asking
from tests.browser.labelling import MakeWork, Work, assignment, labels, press, said, settled


def _change(here: Work, **to: object) -> None:
    """What a manager does meanwhile."""
    with task_session() as session:
        project, user = session.get_one(Project, here.project_id), session.get_one(User, here.user.id)
        if "guidelines" in to:
            service.change_guidelines(session, project, user, str(to.pop("guidelines")))
        if to:
            service.change_settings(session, project, user, "answer", asking(**to))


def test_new_guidelines_come_with_the_next_item_and_a_word_says_so(page: Page, work: MakeWork) -> None:
    here = work(items=5)
    _change(here, guidelines="Prefer the **kind** answer.")
    page.goto(here.address)
    press(page, "1")
    expect(page.locator("#screen .notice")).to_have_count(0)
    _change(here, guidelines="Prefer the **shorter** answer.")
    press(page, "1")
    notice = page.locator("#screen .notice")
    expect(notice).to_contain_text("have changed: read them again")
    expect(notice.get_by_role("link")).to_have_attribute("href", f"/projects/{here.project_id}/instructions/2")
    page.keyboard.press("g")
    expect(page.locator("#guidelines strong")).to_have_text("shorter")
    page.keyboard.press("Escape")
    press(page, "1")
    expect(page.locator("#screen .notice")).to_have_count(0)
    with task_session() as session:
        given = session.scalars(select(Instructions.number).join(Label).order_by(Label.id)).all()
    assert given == [1, 1, 2]


def test_a_scale_that_changed_renews_the_page_and_keeps_what_was_written(
    page: Page, work: MakeWork, faults: list[str]
) -> None:
    here = work(items=3, levels=3)
    _change(here, levels=3, comment="optional", reasons=["Kinder"])
    page.goto(here.address)
    before = assignment(page)
    page.keyboard.press("c")
    page.keyboard.type("It is kinder.")
    page.keyboard.press("Escape")
    _change(here, levels=0, comment="optional", reasons=["Kinder"])
    page.locator(".choice[value=left-3]").click()
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("asks only which answer is better")
    faults.clear()  # Chromium logs the 422
    expect(page.locator(".choice[value=left]")).to_be_visible()
    assert assignment(page) == before
    expect(page.locator("[name=comment]")).to_have_value("It is kinder.")
    press(page, "1")
    (label,) = labels(here)
    assert (said(label).word, label.comment) == ("left", "It is kinder.")


@pytest.mark.parametrize(
    ("before", "after", "pressed", "sentence", "then"),
    [
        ({"reasons": ["Clearer"]}, {"tie": False}, "0", "does not take that answer", "1"),
        ({"comment": "required"}, {"comment": "off"}, "1", "This project takes no comments", "1"),
        ({"reasons": ["Kinder", "Truer"]}, {"reasons": ["Truer"]}, "1", "This project has no reason named", "1"),
        ({"reasons": ["Clearer"]}, {"levels": 3}, "1", "how much", "6"),
    ],
)
def test_whatever_changed_under_an_open_page_is_told_once_and_the_next_press_is_taken(
    page: Page,
    work: MakeWork,
    faults: list[str],
    before: dict[str, Any],
    after: dict[str, Any],
    pressed: str,
    sentence: str,
    then: str,
) -> None:
    here = work(items=3)
    _change(here, **before)
    page.goto(here.address)
    shown = assignment(page)
    if "Kinder" in before.get("reasons", ()):
        page.get_by_label("Kinder").check(force=True)
    if "comment" in before:
        page.locator("[name=comment]").fill("A comment that was typed.")
        page.keyboard.press("Escape")
    _change(here, **(before | after))
    settled(page)
    page.keyboard.press(pressed)
    expect(page.get_by_role("alert")).to_contain_text(sentence)
    assert assignment(page) == shown
    assert labels(here) == []
    press(page, then)
    assert len(labels(here)) == 1
    faults.clear()  # Chromium logs the 422


def test_a_renamed_reason_is_the_same_one_on_an_open_page(page: Page, work: MakeWork) -> None:
    here = work(items=2)
    _change(here, reasons=["Knder"])
    page.goto(here.address)
    settled(page)
    page.get_by_label("Knder").check(force=True)
    with task_session() as session:
        project, user = session.get_one(Project, here.project_id), session.get_one(User, here.user.id)
        (reason,) = project.answer.reasons
        renamed = project.answer.model_copy(update={"reasons": [reason.model_copy(update={"text": "Kinder"})]})
        service.change_settings(session, project, user, "answer", renamed)
    press(page, "1")
    (label,) = labels(here)
    with task_session() as session:
        asked = session.get_one(Project, here.project_id).answer
        assert [asked.text_of(each) for each in label.reasons] == ["Kinder"]


def test_a_reason_to_skip_is_two_keys_away_and_skipping_stays_one(page: Page, work: MakeWork) -> None:
    here = work(items=4, skip_reasons=["I cannot judge this", "The prompt is broken"])
    page.goto(here.address)
    press(page, "s")
    before = assignment(page)
    settled(page)
    page.keyboard.press("x")
    expect(page.get_by_role("button", name="I cannot judge this")).to_be_focused()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator(f"#screen:not([data-assignment='{before}'])")).to_be_attached()
    before = assignment(page)
    settled(page)
    page.keyboard.press("x")
    page.get_by_label("In your own words").fill("It is in Latin, 1 of 2.")
    page.keyboard.press("Enter")
    expect(page.locator(f"#screen:not([data-assignment='{before}'])")).to_be_attached()
    press(page, "1")
    with task_session() as session:
        leases = session.scalars(select(Assignment).order_by(Assignment.id)).all()
        found = [(lease.state.value, lease.skip_reason, lease.skip_note) for lease in leases]
    assert found == [
        ("skipped", None, None),
        ("skipped", "The prompt is broken", None),
        ("skipped", None, "It is in Latin, 1 of 2."),
        ("labelled", None, None),
    ]
