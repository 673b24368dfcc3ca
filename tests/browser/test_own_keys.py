"""Keys of one's own: given on a page, without a script too, and then live on the labelling screen and in its hints."""

from collections.abc import Callable

from playwright.sync_api import Browser, Page, Route, expect

from app import models as m
from app.db import task_session
from app.labels import keys
from tests.browser.conftest import Server
from tests.browser.keyboards import press_on
from tests.browser.labelling import MakeWork, assignment, labels, press, said, settled


def give(here_user: m.User, **own: str) -> None:
    with task_session() as session:
        session.get_one(m.User, here_user.id).keys = keys.read(own)


def test_keys_are_given_refused_and_reset_on_a_page(
    page: Page, server: Server, work: MakeWork, serious_faults: Callable[[Page], list[str]], faults: list[str]
) -> None:
    work()
    page.goto(f"{server.url}/account")
    page.get_by_role("link", name="Change keys").click()
    skip, undo = page.get_by_label("Skip", exact=True), page.get_by_label("Undo")
    skip.wait_for()
    page.wait_for_load_state("domcontentloaded")  # what is typed before is added
    skip.click()
    page.keyboard.type("k")  # takes the place of the one that stood there
    expect(skip).to_have_value("k")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("k is the key of “Question 2: equal”")
    expect(skip).to_have_value("k")
    expect(skip).to_have_attribute("aria-invalid", "true")
    assert serious_faults(page) == []
    faults.clear()  # the browser's own words on the refusal
    skip.fill("u")
    undo.fill("s")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Saved.")).to_be_visible()
    expect(skip).to_have_value("u")
    expect(skip).to_have_accessible_description("Usually s")
    assert serious_faults(page) == []
    page.get_by_role("button", name="Reset to the usual keys").click()
    expect(skip).to_have_value("s")
    expect(page.get_by_role("button", name="Reset to the usual keys")).to_have_count(0)


def test_a_field_that_was_clicked_before_the_page_was_done_is_marked_then(
    page: Page, server: Server, work: MakeWork
) -> None:
    work()
    held: list[Route] = []
    page.route("**/keys_form*.js*", lambda route: held.append(route))
    page.goto(f"{server.url}/account/keys", wait_until="commit")
    skip = page.get_by_label("Skip", exact=True)
    skip.click()
    page.wait_for_timeout(0)  # the route's turn
    [script] = held
    script.continue_()
    page.wait_for_load_state("domcontentloaded")
    page.keyboard.type("k")
    expect(skip).to_have_value("k")


def test_keys_are_saved_without_javascript(browser: Browser, server: Server, work: MakeWork, page: Page) -> None:
    here = work()
    with browser.new_context(java_script_enabled=False) as context:
        context.add_cookies([{**cookie, "url": None} for cookie in page.context.cookies()])
        plain = context.new_page()
        plain.goto(f"{server.url}/account/keys")
        plain.get_by_label("Skip", exact=True).fill("é")
        plain.keyboard.press("Enter")
        expect(plain.get_by_text("Saved.")).to_be_visible()
    with task_session() as session:
        assert session.get_one(m.User, here.user.id).keys == {"skip": "é"}


def test_own_keys_work_are_shown_and_leave_the_usual_ones_without_a_meaning(page: Page, work: MakeWork) -> None:
    here = work(items=5, questions=["Kinder?"], reasons=["Truer", "Safer"])
    give(
        here.user,
        choice_1="w",
        choice_2="é",
        undo="s",
        skip="K",
        reason_2=";",
        guidelines="1",
        differences="m",
        question_4_equal="",
        question_3_equal="",
    )
    page.goto(here.address)
    settled(page)
    used = page.locator("[data-key], [data-reason]").evaluate_all(
        "all => all.map((x) => x.dataset.key || x.dataset.reason)"
    )
    assert set(used) <= {action.key for action in keys.actions()}  # nothing has a key that cannot be changed

    expect(page.locator(".choice[value=left] kbd")).to_have_text("w ←")
    expect(page.get_by_role("button", name="Guidelines")).to_contain_text("1")
    expect(page.get_by_role("button", name="Skip K")).to_have_count(0)
    expect(page.locator(".rest [data-key=s] kbd")).to_have_text("⇧K")
    page.keyboard.press("?")
    expect(page.locator("#shortcuts dt", has_text="⇧K")).to_be_visible()
    expect(page.locator("#shortcuts dt", has_text="w or ←")).to_be_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("2")  # means nothing any more
    page.keyboard.press("g")
    page.keyboard.press("m")
    expect(page.locator('[data-view="differences"]')).to_have_attribute("aria-pressed", "true")
    page.keyboard.press("1")
    expect(page.locator("#guidelines")).to_be_visible()
    expect(page.locator("#guidelines [data-closes]")).to_have_text("Close 1")
    page.keyboard.press("i")
    page.keyboard.press(";")
    press(page, "w")
    settled(page)
    expect(page.locator(".choice[value=left] kbd")).to_have_text("w ←")  # on the next item too
    press(page, "s")  # undo, here
    expect(page.get_by_label("Safer")).to_be_checked()
    expect(page.locator(".choice[value=left]")).to_have_attribute("aria-pressed", "true")
    settled(page)
    before = assignment(page)
    page.keyboard.press("Shift+K")
    expect(page.locator(f"#screen:not([data-assignment='{before}'])")).to_be_attached()
    assert [(said(label).word, label.reasons) for label in labels(here)] == [("left", ["Safer"])]


def test_own_keys_go_by_place_where_the_letters_are_others(page: Page, work: MakeWork) -> None:
    here = work(items=4)
    give(here.user, choice_1="w", choice_2="ф", equal="Z", question_4_equal="")
    page.goto(here.address)
    for keyboard, key in (
        ("Cyrillic", "w"),
        ("Cyrillic", "a"),
        ("Cyrillic", "Z"),
        ("Japanese, its input method on", "w"),
    ):
        settled(page)
        before = assignment(page)
        press_on(page, keyboard, key)
        expect(page.locator(f"#screen:not([data-assignment='{before}'])")).to_be_attached()
    assert [said(label).word for label in labels(here)] == ["left", "right", "tie", "left"]
