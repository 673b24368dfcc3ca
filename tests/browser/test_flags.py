"""A flag is raised beside the answer, by key, and its reply comes to where its person works."""

import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import select

from app import models as m
from app.db import task_session
from tests import factories
from tests.browser.conftest import Server
from tests.browser.labelling import MakeWork, assignment, labels, press, settled

WELSH = "Both are in Welsh. 🏴󠁧󠁢󠁷󠁬󠁳󠁿 أهذا صحيح؟"


def messages() -> list[str]:
    with task_session() as session:
        return list(session.scalars(select(m.FlagMessage.text).order_by(m.FlagMessage.id)))


def pictured(page: Page, name: str) -> None:
    if folder := os.environ.get("HONE_SCREENSHOTS"):
        page.screenshot(path=Path(folder) / f"{name}.png")


@pytest.mark.parametrize("width", [1440, 320])
def test_a_flag_is_raised_by_a_key_and_answered(
    page: Page,
    work: MakeWork,
    server: Server,
    sign_in: Callable[[Page, m.User], None],
    serious_faults: Callable[[Page], list[str]],
    faults: list[str],
    width: int,
) -> None:
    here = work(items=2)
    base = here.address.removesuffix("/label")
    page.set_viewport_size({"width": width, "height": 844})
    page.emulate_media(color_scheme="dark" if width == 320 else "light", reduced_motion="reduce")
    page.goto(here.address)
    settled(page)
    before = assignment(page)
    page.keyboard.press("Shift+Q")
    box, send = (
        page.get_by_label("Ask a manager about this pair"),
        page.get_by_role("button", name="Send to the managers"),
    )
    expect(box).to_be_focused()
    page.keyboard.type("1 or 2? b s u")  # none of this answers
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert serious_faults(page) == []
    pictured(page, f"flag-{width}")
    page.context.set_offline(True)
    send.click()
    expect(page.get_by_role("alert")).to_contain_text("What you wrote is kept here")
    page.context.set_offline(False)
    page.reload()  # a crash would do the same
    settled(page)
    page.keyboard.press("Shift+Q")
    expect(box).to_have_value("1 or 2? b s u")
    box.fill("   ")
    send.click()
    expect(page.get_by_role("alert")).to_contain_text("Write what the managers should know")
    box.fill(WELSH)
    send.dblclick()
    expect(page.locator("#line")).to_contain_text("The managers see your flag")
    assert messages() == [WELSH]
    assert assignment(page) == before
    assert labels(here) == []
    press(page, "1")  # and the work goes on by keys

    with task_session() as session:
        manager = factories.user(session, name="Mary")
        factories.member(session, session.get_one(m.Project, here.project_id), manager, m.Role.MANAGER)
    sign_in(page, manager)
    page.goto(f"{base}/flags")
    assert serious_faults(page) == []
    pictured(page, f"flags-{width}")
    page.get_by_role("link", name="flagged by Ada").click()
    page.get_by_label("Reply").fill("Skip those, please.")
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_text("Skip those, please.")).to_be_visible()
    assert serious_faults(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    pictured(page, f"thread-{width}")

    sign_in(page, here.user)
    page.goto(here.address)
    settled(page)
    page.get_by_role("link", name="A reply to your flag").click()
    page.get_by_role("link", name="Pair").first.click()
    expect(page.get_by_text("Skip those, please.")).to_be_visible()
    page.goto(here.address)
    settled(page)
    expect(page.locator(".news")).to_have_count(0)
    faults.clear()  # the browser's own words on the line that was cut and the message that was refused


OVERLAPS = """() => {
  const bar = document.querySelector(".top");
  const seen = [...bar.querySelectorAll(".brand, .crumbs li > *, .menu > summary, .news")]
    .map((each) => each.getBoundingClientRect()).filter((box) => box.width > 1);
  const out = (box) => box.left < 0 || box.right > innerWidth || box.bottom > bar.offsetHeight;
  const meet = (a, b) => a.right > b.left + 1 && b.right > a.left + 1;
  return seen.length < 3 || seen.some((box, n) => out(box) || seen.slice(n + 1).some((other) => meet(box, other)));
}"""


def test_a_reply_covers_nothing_in_the_bar(page: Page, work: MakeWork) -> None:
    """Whatever the project is called, however many replies there are, and however wide the window is."""
    here = work(items=13)
    page.goto(here.address)
    settled(page)
    with task_session() as session:
        project, user = session.get_one(m.Project, here.project_id), session.get_one(m.User, here.user.id)
        manager = factories.user(session, name="Mary")
        items = list(session.scalars(select(m.Item).where(m.Item.project_id == project.id)))
    for name, replies in (
        ("Short", 1),
        ("Which answers are kind, correct and short enough for a telephone, in five languages", 12),
    ):
        with task_session() as session:
            session.get_one(m.Project, project.id).name = name
            for _ in range(replies):
                flag = factories.flag(session, items.pop(), user, "Which one counts?")
                session.add(m.FlagMessage(flag_id=flag.id, author_id=manager.id, text="Both."))
        page.reload()
        expect(page.locator(".news")).to_be_visible()
        for width in (320, 390, 640, 700, 960, 1100, 1440):
            page.set_viewport_size({"width": width, "height": 844})
            assert not page.evaluate(OVERLAPS), (name, width)
            assert page.evaluate("document.documentElement.scrollWidth") <= width
    link = page.get_by_role("link", name="Replies to 13 of your flags")
    expect(link).to_be_visible()
    page.set_viewport_size({"width": 390, "height": 844})
    expect(link).to_have_text(re.compile("13$"))
    pictured(page, "news-390")
