"""The labelling screen in a real browser, by keyboard."""

from collections.abc import Callable

from playwright.sync_api import Browser, Page, expect

from app import models as m
from tests.browser.conftest import Server
from tests.browser.labelling import MakeWork, assignment, labels, press, said, settled


def test_fifty_labels_by_keyboard(page: Page, work: MakeWork) -> None:
    here = work(items=51)
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
            assert chosen.get_attribute("value") == said(answered).word
            press(page, "0")  # changed my mind: equal
        press(page, ["1", "2", "ArrowLeft", "ArrowRight", "0", "b"][number % 6])
    found = labels(here)
    standing = [label for label in found if label.superseded_at is None]
    assert len(standing) == 50
    assert len(found) == 51
    assert [label.comment for label in standing if label.comment] == ["The second one is kinder, 2 times so."]
    assert {said(label).choice for label in standing} == set(m.Outcome)
    assert all(label.seconds and 0.2 < label.seconds < 60 for label in standing)
    assert {tuple(label.order) for label in found} == {(0, 1), (1, 0)}
    expect(page.locator("#today")).to_have_text("50")


def test_a_strength_is_chosen_with_arrows_and_sent_with_enter(page: Page, work: MakeWork) -> None:
    here = work(items=3, levels=3, submit_on_choice=False, comment="required", reasons=["Kinder", "Truer"])
    page.goto(here.address)
    before = assignment(page)
    settled(page)
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("d")  # the second reason
    page.keyboard.press("c")
    page.keyboard.type("because 1 and 2 are so")
    page.keyboard.press("Enter")
    expect(page.locator(f"#screen:not([data-assignment='{before}'])")).to_be_attached()
    (label,) = labels(here)
    assert (said(label).strength, label.reasons, label.comment) == (2, ["Truer"], "because 1 and 2 are so")
    assert said(label).choice is m.Outcome.SECOND
    settled(page)
    page.keyboard.press("1")  # the far left; the comment is asked for before it is sent
    expect(page.locator("[name=comment]")).to_be_focused()
    assert len(labels(here)) == 1
    page.keyboard.type("again")
    page.keyboard.press("Enter")
    expect(page.locator("#today")).to_have_text("2")
    assert said(labels(here)[1]).strength == 3


def test_further_questions_are_answered_by_keyboard(
    page: Page, work: MakeWork, serious_faults: Callable[[Page], list[str]]
) -> None:
    questions = ["Which is more helpful?", "Which is more harmless?"]
    here = work(items=4, questions=questions)
    page.goto(here.address)
    helpful, harmless = (page.get_by_role("radiogroup", name=question) for question in questions)
    settled(page)
    page.keyboard.press("Enter")  # nothing is chosen, so nothing goes
    page.keyboard.press("i")
    expect(helpful.get_by_label("Answer 1")).to_be_checked()
    expect(page.locator("#announce")).to_contain_text("Which is more helpful? Answer 1")
    page.keyboard.press("2")
    expect(page.locator("#line")).to_contain_text("Answer “Which is more harmless?” too")
    expect(harmless.get_by_label("Answer 1")).to_be_focused()
    assert serious_faults(page) == []
    assert labels(here) == []
    page.keyboard.press("ArrowRight")  # within the question: the arrows do not choose the main answer here
    expect(harmless.get_by_label("Equal")).to_be_checked()
    press(page, "Enter")
    (label,) = labels(here)
    assert (said(label).word, said(label).question_words) == ("right", {questions[0]: "left", questions[1]: "tie"})

    settled(page)
    page.keyboard.press("p")
    page.keyboard.press("l")
    press(page, "1")  # all is answered, so the choice sends at once
    press(page, "u")
    expect(helpful.get_by_label("Answer 2")).to_be_checked()
    expect(harmless.get_by_label("Answer 2")).to_be_checked()
    settled(page)
    page.keyboard.press("k")  # only this one was wrong
    press(page, "Enter")
    expect(page.locator("#today")).to_have_text("2")
    first, old, new = labels(here)
    assert (first.superseded_at, old.superseded_at is None, new.superseded_at) == (None, False, None)
    assert (said(new).word, said(new).question_words) == (
        said(old).word,
        said(old).question_words | {questions[1]: "tie"},
    )

    page.keyboard.press("?")
    expect(page.locator("#shortcuts")).to_contain_text("Which is more harmless?")
    page.keyboard.press("Escape")
    press(page, "s")  # a pair may be left with its questions open
    assert len(labels(here)) == 3


def test_enter_on_a_button_means_that_button(page: Page, work: MakeWork) -> None:
    """By Tab and Enter alone, as some people work: the button in focus counts, not the one chosen before."""
    here = work(items=2, submit_on_choice=False)
    page.goto(here.address)
    settled(page)
    page.keyboard.press("1")
    page.locator(".choice[value=right]").focus()
    page.keyboard.press("Enter")
    expect(page.locator(".choice[value=right]")).to_have_attribute("aria-pressed", "true")
    assert labels(here) == []
    page.keyboard.press("0")  # the focus follows what is chosen
    expect(page.locator(".choice[value=tie]")).to_be_focused()
    press(page, "Enter")
    assert [said(label).word for label in labels(here)] == ["tie"]


def test_guidelines_keys_and_raw_text_are_one_key_away(page: Page, work: MakeWork) -> None:
    here = work(texts=[("Q?", "**bold** one", "plain two")] * 1)
    page.goto(here.address)
    page.keyboard.press("g")
    expect(page.locator("#guidelines strong")).to_have_text("kinder")
    page.keyboard.press("Escape")
    page.keyboard.press("?")
    page.keyboard.press("1")  # not while a dialog is over the screen
    expect(page.locator("#shortcuts")).to_contain_text("Both bad")
    page.keyboard.press("Escape")
    expect(page.locator(".raw", has_text="**bold** one")).to_be_hidden()
    page.keyboard.press("r")
    expect(page.locator(".raw", has_text="**bold** one")).to_be_visible()
    page.keyboard.press("r")
    expect(page.locator(".rendered strong")).to_be_visible()
    settled(page)
    page.keyboard.press("s")
    expect(page.get_by_text("Review what I skipped (1)")).to_be_visible()
    assert labels(here) == []


def test_it_works_without_javascript(browser: Browser, server: Server, work: MakeWork, page: Page) -> None:
    here = work(items=2, questions=["Which is kinder?"])
    context = browser.new_context(java_script_enabled=False)
    context.add_cookies([{**cookie, "url": None} for cookie in page.context.cookies()])  # type: ignore[list-item]
    plain = context.new_page()
    plain.goto(here.address)
    for question, choice in (("Answer 2", "left"), ("Equal", "both_bad")):
        plain.locator(f".choice[value={choice}]").click()  # the browser itself asks for the question first
        plain.get_by_role("radio", name=question).check()
        plain.keyboard.press("Enter")  # chooses neither of the two
        expect(plain.get_by_text("Choose one of the answers on the screen.")).to_be_visible()
        expect(plain.get_by_role("radio", name=question)).to_be_checked()
        plain.locator(f".choice[value={choice}]").click()
    expect(plain.get_by_text("All done for now")).to_be_visible()
    assert len(labels(here)) == 2
    context.close()
