"""The labelling screen in a real browser, by keyboard."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import select

from app import models as m
from app.db import task_session
from app.projects.forms import AnswerSettings
from tests import factories
from tests.browser.conftest import Server


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


def press(page: Page, key: str) -> None:
    """Answer with one key and wait for the next pair, as a person does."""
    before = assignment(page)
    page.wait_for_timeout(260)
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
