"""What a manager takes away of labels: a question under its new name, and numbers that lead back to people."""

import json
from collections.abc import Callable

from playwright.sync_api import Page, expect
from sqlalchemy import select

from app import models as m
from app.db import task_session
from tests import factories
from tests.browser.labelling import MakeWork, Work, labels, press, settled

SignIn = Callable[[Page, m.User], None]


def _manager(here: Work) -> m.User:
    with task_session() as session:
        person = factories.user(session, name="Mary")
        factories.member(session, session.get_one(m.Project, here.project_id), person, m.Role.MANAGER)
    return person


def test_a_question_whose_typing_mistake_is_mended_keeps_its_labels_in_an_export(
    page: Page, work: MakeWork, sign_in: SignIn
) -> None:
    here = work(items=2, questions=["Which is sfer?"])
    base = here.address.removesuffix("/label")
    page.goto(here.address)
    settled(page)
    page.get_by_role("radio", name="Answer 2").check(force=True)
    press(page, "1")
    page.context.clear_cookies()
    sign_in(page, _manager(here))
    page.goto(f"{base}/settings")
    form = page.locator("form", has=page.get_by_label("Question 1", exact=True))
    form.get_by_label("Question 1", exact=True).fill("Which is safer?")
    form.get_by_role("button", name="Save").click()
    expect(form.get_by_text("Saved.")).to_be_visible()
    page.goto(f"{base}/exports")
    page.get_by_label("Layout", exact=True).select_option("trl")
    page.get_by_label("TRL’s layouts: answers to").select_option(label="Which is safer?")
    page.get_by_role("button", name="Show the first rows").click()
    (label,) = labels(here)
    first, second = "First answer 0.", "Second answer 0."
    (row,) = [json.loads(line) for line in page.locator("pre.code").inner_text().splitlines() if line]
    chosen = (first, second)[label.order[1]]  # the second that was shown
    assert [row["chosen"], row["rejected"]] == [chosen, second if chosen == first else first]


def test_the_numbers_of_an_export_are_those_of_the_page_of_people(page: Page, work: MakeWork, sign_in: SignIn) -> None:
    here = work(items=2)
    base = here.address.removesuffix("/label")
    with task_session() as session:
        project = session.get_one(m.Project, here.project_id)
        items = session.scalars(select(m.Item).where(m.Item.project_id == project.id).order_by(m.Item.id)).all()
        for number, item in enumerate(items):
            bob = factories.user(session, name="Bob", email=f"bob{number}@example.org")
            factories.member(session, project, bob)
            factories.label(session, item, bob)
    sign_in(page, _manager(here))
    page.goto(f"{base}/people")
    numbers = {
        name: page.get_by_role("row")
        .filter(has_text=f"{name}@example.org")
        .locator("td[data-label=Number]")
        .inner_text()
        for name in ("bob0", "bob1")
    }
    page.goto(f"{base}/exports")
    page.get_by_role("button", name="Show the first rows").click()
    text, found = page.locator("pre.code").inner_text(), {}
    while text.strip():
        row, end = json.JSONDecoder().raw_decode(text.lstrip())
        found[f"bob{items.index(next(each for each in items if each.id == row['item']))}"] = str(row["annotator"])
        text = text.lstrip()[end:]
    assert found == numbers
