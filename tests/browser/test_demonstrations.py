"""Writing and improving responses in a real browser, by keyboard."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pytest
from playwright.sync_api import Browser, Page, expect
from sqlalchemy import select

from app import models as m
from app.annotation.demonstration import DemonstrationValue
from app.db import task_session
from tests import factories
from tests.asking import asking
from tests.browser.conftest import Server
from tests.browser.labelling import assignment, settled
from tests.exporting import exported

ORIGINAL = "A tree is a plant.\n\n- It has leaves\n- It has roots"


@dataclass
class Writing:
    """A project with texts to write and to improve, and a person at its screen."""

    project_id: int
    address: str

    def labels(self) -> list[m.Label]:
        with task_session() as session:
            return list(session.scalars(select(m.Label).order_by(m.Label.id)))

    def texts(self) -> list[str]:
        return [value.text for label in self.labels() if isinstance(value := label.value, DemonstrationValue)]


MakeWriting = Callable[[Sequence[str | None]], Writing]


@pytest.fixture
def writing(server: Server, page: Page, sign_in: Callable[[Page, m.User], None]) -> MakeWriting:
    """`writing([ORIGINAL, None])`: one to improve, then one to write; the page is not opened yet."""

    def make(originals: Sequence[str | None]) -> Writing:
        with task_session() as session:
            answer = asking(kinds={"demonstration": {"share": 50}}, share=50)
            project = factories.project(session, answer=answer, guidelines="Be **kind**.")
            user = factories.user(session, name="Ada")
            factories.member(session, project, user)
            for place, original in enumerate(originals):
                prompt = factories.prompt(session, project, f"What is tree number {place}?")
                shown = (
                    [] if original is None else [factories.response(session, prompt, project.base_model, text=original)]
                )
                factories.item(
                    session, prompt, project.base_model, kind="demonstration", responses=shown, rank=float(place)
                )
        sign_in(page, user)
        return Writing(project.id, f"{server.url}/projects/{project.id}/label")

    return make


def send(page: Page) -> None:
    """Send what is written, and wait for the next item."""
    before = assignment(page)
    settled(page)
    page.keyboard.press("Control+Enter")
    expect(page.locator(f"#screen:not([data-assignment='{before}'])")).to_be_attached()


@pytest.mark.parametrize("width", [1440, 390])
def test_ten_improved_and_ten_written_by_keyboard(
    page: Page, writing: MakeWriting, serious_faults: Callable[[Page], list[str]], width: int
) -> None:
    page.set_viewport_size({"width": width, "height": 844})
    here = writing([ORIGINAL] * 10 + [None] * 10)
    page.goto(here.address)
    for number in range(10):
        expect(page.locator("#written")).to_be_focused()  # once a key for the item before cannot be meant for it
        expect(page.locator("#written")).to_have_value(ORIGINAL)
        page.keyboard.press("Control+End")
        page.keyboard.type(f"\n- It is *tall*, {number} m")
        expect(page.locator("#preview ins")).to_contain_text("tall")
        expect(page.locator("#preview .prose em")).to_have_text("tall")
        expect(page.locator("#preview del")).to_have_count(0)
        if number == 0:
            assert serious_faults(page) == []
        send(page)
    for number in range(10):
        expect(page.get_by_role("textbox", name="Write the ideal answer")).to_be_focused()
        page.keyboard.type(f"Tree {number} is **green**.")
        expect(page.locator("#preview .prose strong")).to_have_text("green")
        expect(page.locator("[data-words]")).to_have_text("4 words")
        if number == 0:
            assert serious_faults(page) == []
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        send(page)
    expect(page.get_by_text("All done for now")).to_be_visible()
    assert here.texts() == [
        *(f"{ORIGINAL}\n- It is *tall*, {number} m" for number in range(10)),
        *(f"Tree {number} is **green**." for number in range(10)),
    ]
    with task_session() as session:
        assert [len(label.preferences) for label in session.scalars(select(m.Label).order_by(m.Label.id))] == [
            *[1] * 10,
            *[0] * 10,
        ]
        rows = exported(session, session.get_one(m.Project, here.project_id), layout="sft")
    assert [row["completion"][0]["content"] for row in rows] == here.texts()
    assert page.evaluate("Object.keys(localStorage).filter((name) => name.startsWith('hone-draft:'))") == []


def test_the_one_key_commands_work_outside_the_text(page: Page, writing: MakeWriting) -> None:
    here = writing([ORIGINAL, None, None])
    page.goto(here.address)
    expect(page.locator("#written")).to_be_focused()
    page.keyboard.press("Control+End")
    page.keyboard.type("s")  # a letter like any other
    expect(page.locator("#written")).to_have_value(ORIGINAL + "s")
    page.keyboard.press("Escape")
    page.keyboard.press("e")
    expect(page.locator("#written")).to_be_focused()
    page.keyboard.press("Escape")
    page.keyboard.press("g")
    expect(page.locator("#guidelines strong")).to_have_text("kind")
    page.keyboard.press("Escape")
    page.keyboard.press("?")
    expect(page.locator("#shortcuts")).to_contain_text("Go to the text")
    page.keyboard.press("Escape")
    send(page)
    first = here.labels()[0]
    page.keyboard.press("Escape")  # before the text takes the keys, or after
    before = assignment(page)
    settled(page)
    page.keyboard.press("u")
    expect(page.locator(f"#screen:not([data-assignment='{before}'])")).to_be_attached()
    assert assignment(page) == str(first.assignment_id)
    expect(page.locator("#written")).to_have_value(ORIGINAL + "s")
    expect(page.locator("#written")).to_be_focused()
    page.keyboard.press("Control+End")
    page.keyboard.type("!")
    send(page)
    assert [(label.superseded_at is None) for label in here.labels()] == [False, True]
    page.keyboard.press("Escape")
    before = assignment(page)
    settled(page)
    page.keyboard.press("s")
    expect(page.locator(f"#screen:not([data-assignment='{before}'])")).to_be_attached()
    assert len(here.labels()) == 2


def test_what_is_no_answer_keeps_the_text_and_says_why(page: Page, writing: MakeWriting, faults: list[str]) -> None:
    here = writing([ORIGINAL, None])
    page.goto(here.address)
    expect(page.locator("#written")).to_be_focused()
    page.keyboard.press("Control+Enter")
    expect(page.locator("#messages")).to_contain_text("This is the answer as it was.")
    expect(page.locator("#written")).to_have_value(ORIGINAL)
    page.locator("#written").fill("")
    page.keyboard.press("Control+Enter")
    expect(page.locator("#line")).to_have_text("Write the answer first.")
    page.locator("#written").fill("word " * 4_001)
    page.keyboard.press("Control+Enter")
    expect(page.locator("#messages")).to_contain_text("at most 20,000 are kept")
    expect(page.locator("#written")).to_have_value("word " * 4_001)
    assert here.labels() == []
    page.locator("#written").fill("Better.")
    send(page)
    assert here.texts() == ["Better."]
    assert [fault for fault in faults if "422" not in fault and "413" not in fault] == []
    faults.clear()


def test_a_draft_survives_reload_renewal_and_a_lost_line(
    page: Page, server: Server, writing: MakeWriting, faults: list[str]
) -> None:
    here = writing([ORIGINAL, None])
    page.goto(here.address)
    expect(page.locator("#written")).to_be_focused()
    page.keyboard.press("Control+End")
    page.keyboard.type(" and a trunk.")
    expect(page.get_by_text("draft kept")).to_be_visible()
    page.reload()
    expect(page.locator("#written")).to_have_value(f"{ORIGINAL} and a trunk.")
    expect(page.locator("#preview ins")).to_contain_text("trunk")
    with page.expect_response(lambda answer: answer.url.endswith("/label/renew")) as renewed:
        page.evaluate(
            """fetch(document.getElementById("screen").dataset.renew, {method: "POST", body: new URLSearchParams({
                 assignment_id: document.getElementById("screen").dataset.assignment,
                 csrf_token: document.querySelector("#answer [name=csrf_token]").value})})"""
        )
    assert renewed.value.status == 204
    expect(page.locator("#written")).to_have_value(f"{ORIGINAL} and a trunk.")
    server.stop()
    expect(page.locator("#written")).to_be_focused()
    page.keyboard.press("Control+End")
    page.keyboard.type(" Tall.")
    page.keyboard.press("Control+Enter")
    expect(page.locator("#line")).to_contain_text("No connection.")
    expect(page.locator("#written")).to_have_value(f"{ORIGINAL} and a trunk. Tall.")
    server.start()
    expect(page.get_by_role("textbox", name="Write the ideal answer")).to_be_visible()
    assert here.texts() == [f"{ORIGINAL} and a trunk. Tall."]
    page.goto(f"{here.address}?assignment={here.labels()[0].assignment_id}")
    expect(page.locator("#written")).to_have_value(f"{ORIGINAL} and a trunk. Tall.")
    assert page.evaluate("Object.keys(localStorage).filter((name) => name.startsWith('hone-draft:'))") == []
    faults.clear()  # the line was cut on purpose


def test_nothing_in_a_preview_runs_or_loads(page: Page, writing: MakeWriting) -> None:
    page.goto(writing([None]).address)
    page.locator("#written").fill(
        "<script>alert(1)</script><img src=x onerror=alert(2)> ![x](https://evil.example/x.png) **ok**"
    )
    expect(page.locator("#preview strong")).to_have_text("ok")
    assert page.locator("#preview :is(script, img, iframe, style)").count() == 0


def test_it_works_without_javascript(browser: Browser, writing: MakeWriting, page: Page) -> None:
    here = writing([ORIGINAL, None])
    context = browser.new_context(java_script_enabled=False)
    context.add_cookies([{**cookie, "url": None} for cookie in page.context.cookies()])  # type: ignore[list-item]
    plain = context.new_page()
    plain.goto(here.address)
    text = plain.get_by_role("textbox", name="Improve this answer")
    plain.get_by_role("button", name="Send").click()
    expect(plain.get_by_text("This is the answer as it was.")).to_be_visible()
    text.fill("A tree is a **tall** plant.")
    plain.get_by_role("button", name="Show").click()
    expect(text).to_have_value("A tree is a **tall** plant.")
    expect(plain.locator("#preview strong")).to_have_text("tall")
    expect(plain.locator("#preview del").first).to_be_visible()
    assert here.labels() == []
    plain.get_by_role("button", name="Send").click()
    plain.get_by_role("textbox", name="Write the ideal answer").fill("A plant.")
    plain.get_by_role("button", name="Send").click()
    expect(plain.get_by_text("All done for now")).to_be_visible()
    assert here.texts() == ["A tree is a **tall** plant.", "A plant."]
    context.close()
