"""An annotator's day: sixty labels of all kinds, a flag, a crash in mid-sentence, a line that is cut, a phone."""

from collections import Counter
from collections.abc import Callable
from functools import partial

from playwright.sync_api import BrowserContext, Page, expect
from sqlalchemy import func, select

from app import models as m
from app.db import task_session
from tests import factories
from tests.asking import asking
from tests.browser.conftest import Server
from tests.browser.labelling import assignment, settled

COMPARISONS, OTHERS = 40, 10
WRITTEN = "A tree is a plant with one stem."


def fill() -> tuple[int, m.User]:
    """A project with items of each kind, and a person who is asked for them."""
    with task_session() as session:
        kinds = {"ranking": {"share": 20}, "demonstration": {"share": 20}}
        project = factories.project(session, answer=asking(kinds, share=60, reasons=["Kinder", "Truer"]))
        user = factories.user(session, name="Ada")
        factories.member(session, project, user)
        for place in range(COMPARISONS + 2 * OTHERS):
            prompt = factories.prompt(session, project, f"What is tree number {place}?")
            kind = "comparison" if place < COMPARISONS else "ranking" if place % 2 else "demonstration"
            texts = {"comparison": 2, "ranking": 3, "demonstration": 0}[kind]
            responses = [
                factories.response(session, prompt, project.base_model, text=f"Tree {place}, answer {n}.")
                for n in range(texts)
            ]
            factories.item(session, prompt, project.base_model, kind=kind, responses=responses, rank=float(place))
        return project.id, user


def label(page: Page, kind: str, number: int) -> None:
    """By keys."""
    if kind == "comparison":
        page.keyboard.press("12b0"[number % 4])
    elif kind == "ranking":
        for key in ("2", "1", "3", "Enter"):
            page.keyboard.press(key)
    else:
        page.locator("#written").fill(f"{WRITTEN} It is number {number}.")
        page.keyboard.press("Control+Enter")


def leave_text(page: Page, kind: str) -> None:
    """A text to write takes the keys 300 ms after it came; Esc leaves it, so that the other keys work."""
    if kind == "demonstration":
        page.keyboard.press("Escape")


def next_one(page: Page, act: Callable[[], object]) -> None:
    before = assignment(page)
    act()
    expect(page.locator(f"#screen:not([data-assignment='{before}'])")).to_be_attached()


def test_an_annotators_day(
    context: BrowserContext, page: Page, server: Server, sign_in: Callable[[Page, m.User], None], faults: list[str]
) -> None:
    project, user = fill()
    sign_in(page, user)
    address = f"{server.url}/projects/{project}/label"
    page.goto(address)
    for number in range(60):
        if number == 50:  # on the way home
            page.set_viewport_size({"width": 390, "height": 844})
        settled(page)
        kind = page.locator("#screen").get_attribute("data-kind") or ""
        if number == 7:
            leave_text(page, kind)
            page.keyboard.press("Shift+Q")
            page.get_by_label("Ask a manager about").fill("Is this a tree at all?")
            page.get_by_role("button", name="Send to the managers").click()
            expect(page.locator("#line")).to_contain_text("The managers see your flag")
        if number == 15:
            place = "#written" if kind == "demonstration" else "[name=comment]"
            page.locator(place).fill("Half a sentence")
            page.close()  # the browser is gone
            page = context.new_page()
            page.goto(address)
            settled(page)
            expect(page.locator(place)).to_have_value("Half a sentence")
        if number == 25:
            context.set_offline(True)
            before = assignment(page)
            label(page, kind, number)
            expect(page.locator("#line")).to_contain_text("Your answer is kept here")
            context.set_offline(False)
            expect(page.locator(f"#screen:not([data-assignment='{before}'])")).to_be_attached()
            continue
        if number == 30:  # a look back, and another answer
            leave_text(page, kind)
            next_one(page, partial(page.keyboard.press, "u"))
            page.get_by_role("link", name="Back to the current item").click()
            settled(page)
            kind = page.locator("#screen").get_attribute("data-kind") or ""
        if number >= 50 and kind == "comparison":
            next_one(page, page.locator(".choice").first.click)
        else:
            next_one(page, partial(label, page, kind, number))
    expect(page.get_by_text("All done for now")).to_be_visible()
    with task_session() as session:
        found = session.scalars(select(m.Label).where(m.Label.superseded_at.is_(None))).all()
        kinds = Counter(each.value.kind for each in found)
        flags = session.scalar(select(func.count()).select_from(m.Flag))
    assert kinds == {"comparison": COMPARISONS, "ranking": OTHERS, "demonstration": OTHERS}
    assert len({each.item_id for each in found}) == 60
    assert flags == 1
    page.goto(f"{server.url}/projects/{project}/labels/mine?search=tree+number+3")
    expect(page.get_by_role("link", name="Review")).to_have_count(11)  # 3, and 30 to 39
    faults.clear()  # the browser's own words on the line that was cut
