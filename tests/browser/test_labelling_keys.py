"""Keys of other keyboards, guidelines beside the answers, and what was begun but not sent."""

import pytest
from playwright.sync_api import Page, expect

from tests.browser.keyboards import KEYBOARDS, press_on
from tests.browser.labelling import MakeWork, assignment, labels, press, said, settled

# What browsers say of a key: its value, its place on the keyboard, whether Shift is held; and the answer that is meant.
KEYS = {
    "AZERTY, left": ("&", "Digit1", False, "left"),
    "AZERTY, with Shift": ("1", "Digit1", True, "left"),
    "AZERTY, equal": ("à", "Digit0", False, "tie"),
    "Czech, right": ("ě", "Digit2", False, "right"),
    "Arabic digit": ("٢", "Digit2", False, "right"),
    "full-width digit": ("１", "Digit1", False, "left"),
    "keypad": ("2", "Numpad2", False, "right"),
    "Caps Lock": ("B", "KeyB", False, "both_bad"),
    "Cyrillic": ("и", "KeyB", False, "both_bad"),
    "Greek": ("β", "KeyB", False, "both_bad"),
    "Arabic letters": ("لا", "KeyB", False, "both_bad"),
    "Japanese, while its input method is on": ("Process", "KeyB", False, "both_bad"),
    "Dvorak, by its letter": ("b", "KeyN", False, "both_bad"),
}


def strike(page: Page, key: str, code: str, shift: bool = False, **more: bool) -> None:
    """What the browser sends for a key of any keyboard."""
    about = {"key": key, "code": code, "shiftKey": shift, "bubbles": True, "cancelable": True, **more}
    page.evaluate("about => document.activeElement.dispatchEvent(new KeyboardEvent('keydown', about))", about)


@pytest.mark.parametrize("name", KEYS)
def test_keys_mean_the_same_on_every_keyboard(page: Page, work: MakeWork, name: str) -> None:
    key, code, shift, meant = KEYS[name]
    here = work(items=2)
    page.goto(here.address)
    before = assignment(page)
    settled(page)
    strike(page, key, code, shift)
    expect(page.locator(f"#screen:not([data-assignment='{before}'])")).to_be_attached()
    assert [said(label).word for label in labels(here)] == [meant]


@pytest.mark.parametrize("keyboard", KEYBOARDS)
def test_every_key_of_the_screen_works_on_every_keyboard(page: Page, work: MakeWork, keyboard: str) -> None:
    questions = ["Kinder?", "Safer?", "Truer?"]
    reasons = [f"Reason {letter}" for letter in "adfhtvyz"]
    here = work(items=6, questions=questions, reasons=reasons)
    page.goto(here.address)

    def hit(*keys: str, sends: bool = False) -> None:
        settled(page)
        before = assignment(page)
        for key in keys:
            press_on(page, keyboard, key)
        if sends:
            expect(page.locator(f"#screen:not([data-assignment='{before}'])")).to_be_attached()

    hit("?")
    expect(page.locator("#shortcuts")).to_be_visible()
    page.keyboard.press("Escape")
    hit("g")
    expect(page.locator("#guidelines")).to_be_visible()
    hit("g", "r", "F")
    expect(page.locator("#guidelines")).to_be_hidden()
    expect(page.locator("[data-raw]")).to_have_attribute("aria-pressed", "true")
    expect(page.locator(".side")).to_be_hidden()
    hit("F", "r")
    expect(page.locator(".side")).to_be_visible()
    for key, view in (("D", "differences"), ("S", "together")):
        hit(key)
        expect(page.locator(f'[data-view="{view}"]')).to_have_attribute("aria-pressed", "true")
    hit("Q")
    expect(page.locator("#flag textarea")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.locator(".menu.flag")).not_to_have_attribute("open", "")
    hit(*"adfhtvyz", "i", "k", ",", "1", sends=True)
    hit("u", sends=True)
    hit("2", sends=True)
    hit("o", "l", "n", "0", sends=True)
    hit("p", "j", "m", "b", sends=True)
    hit("s", sends=True)
    hit("x")
    expect(page.locator(".skip-why")).to_have_attribute("open", "")
    page.keyboard.press("Escape")
    hit("c")
    expect(page.locator("[name=comment]")).to_be_focused()
    assert [[each.rpartition(" ")[2] for each in label.reasons] for label in labels(here)][:2] == [[*"adfhtvyz"]] * 2
    assert [said(label).word for label in labels(here)] == ["left", "right", "tie", "both_bad"]
    assert [[said(label).question_words[each] for each in questions] for label in labels(here)] == [
        ["left", "tie", "right"],
        ["left", "tie", "right"],
        ["tie", "right", "left"],
        ["right", "left", "tie"],
    ]


def test_a_key_without_a_meaning_does_nothing(page: Page, work: MakeWork) -> None:
    here = work(items=2)
    page.goto(here.address)
    settled(page)
    for key, code in (("End", "Numpad1"), ("!", "Digit1"), (",", "KeyM"), ("ö", "Semicolon"), ("F1", "F1")):
        strike(page, key, code, shift=key == "!")
    page.wait_for_timeout(300)
    assert labels(here) == []


def test_reasons_have_letters_of_their_own(page: Page, work: MakeWork) -> None:
    here = work(items=2, reasons=["Kinder", "Truer", "Clearer"])
    page.goto(here.address)
    settled(page)
    strike(page, "d", "KeyD")
    strike(page, "а", "KeyF")  # Cyrillic
    expect(page.get_by_label("Truer")).to_be_checked()
    expect(page.get_by_label("Clearer")).to_be_checked()
    strike(page, "D", "KeyD")
    expect(page.get_by_label("Truer")).not_to_be_checked()
    press(page, "1")
    assert [label.reasons for label in labels(here)] == [["Clearer"]]


def test_an_enter_that_ends_a_composition_does_not_send(page: Page, work: MakeWork) -> None:
    here = work(items=2, submit_on_choice=False, comment="required")
    page.goto(here.address)
    settled(page)
    page.keyboard.press("1")  # the comment that is required has the focus now
    expect(page.locator("[name=comment]")).to_be_focused()
    page.keyboard.insert_text("こちらのほうが正確です")
    strike(page, "Enter", "Enter", isComposing=True)
    page.wait_for_timeout(300)
    assert labels(here) == []
    before = assignment(page)
    page.keyboard.press("Enter")
    expect(page.locator(f"#screen:not([data-assignment='{before}'])")).to_be_attached()
    assert [label.comment for label in labels(here)] == ["こちらのほうが正確です"]


@pytest.mark.parametrize("width", [1440, 390])
def test_guidelines_stand_beside_the_answers_and_keys_stay_live(page: Page, work: MakeWork, width: int) -> None:
    here = work(items=3)
    page.set_viewport_size({"width": width, "height": 844})
    page.goto(here.address)
    guidelines = page.locator("#guidelines")
    page.keyboard.press("g")
    expect(guidelines).to_be_visible()
    press(page, "1")
    expect(guidelines).to_be_visible()  # for the next one too
    if width > 1000:
        left, right = guidelines.bounding_box(), page.locator(".answer").nth(1).bounding_box()
        assert left
        assert right
        assert right["x"] + right["width"] <= left["x"]
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.keyboard.press("g")
    expect(guidelines).to_be_hidden()
    page.keyboard.press("g")
    page.keyboard.press("Escape")
    expect(guidelines).to_be_hidden()
    press(page, "2")
    assert len(labels(here)) == 2


def test_what_was_begun_is_kept_until_it_is_sent(page: Page, work: MakeWork) -> None:
    here = work(items=3, reasons=["Kinder", "Truer"], questions=["Which is safer?"])
    page.goto(here.address)
    settled(page)
    page.get_by_label("Truer").check(force=True)
    page.get_by_role("radio", name="Answer 2").check(force=True)
    page.keyboard.press("c")
    page.keyboard.type("a thought that took long")
    page.reload()
    expect(page.locator("[name=comment]")).to_have_value("a thought that took long")
    expect(page.get_by_label("Truer")).to_be_checked()
    expect(page.get_by_role("radio", name="Answer 2")).to_be_checked()
    page.goto(f"{here.address.removesuffix('/label')}/labels/mine")
    page.goto(here.address)
    expect(page.locator("[name=comment]")).to_have_value("a thought that took long")
    press(page, "1")
    expect(page.locator("[name=comment]")).to_have_value("")
    page.keyboard.press("c")
    page.keyboard.type("begun, then looked back")
    page.keyboard.press("Escape")
    press(page, "u")
    expect(page.locator("[name=comment]")).to_have_value("a thought that took long")
    page.get_by_role("link", name="Back to the current item").click()
    expect(page.locator("[name=comment]")).to_have_value("begun, then looked back")
    page.keyboard.press("c")
    page.keyboard.press("Control+a")
    page.keyboard.press("Delete")
    page.keyboard.press("Escape")
    settled(page)
    page.keyboard.press("i")
    press(page, "2")
    assert [label.comment for label in labels(here)] == ["a thought that took long", None]
    assert page.evaluate("Object.keys(localStorage).filter((name) => name.startsWith('hone-begun:'))") == []
