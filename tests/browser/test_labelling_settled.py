"""What went wrong once beside the labelling screen itself, each as its person meets it."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import select

from app import models as m
from app.db import task_session
from tests import factories
from tests.browser.conftest import Server
from tests.browser.labelling import MakeWork, Work, assignment, labels, press, settled

SignIn = Callable[[Page, m.User], None]


@pytest.fixture
def manager(work: MakeWork, page: Page, sign_in: SignIn) -> tuple[Work, str]:
    """A project with three pairs whose manager looks at it, and its address."""
    long = "which goes on for as long as an answer has to be for an attention check."
    here = work(texts=[(f"Question {n}?", f"First answer {n}, {long}", f"Second answer {n}, {long}") for n in range(3)])
    with task_session() as session:
        person = factories.user(session, name="Mary")
        factories.member(session, session.get_one(m.Project, here.project_id), person, m.Role.MANAGER)
    sign_in(page, person)
    return here, here.address.removesuffix("/label")


def test_what_is_skipped_and_reopened_at_once_is_not_late(page: Page, work: MakeWork) -> None:
    here = work(items=2)
    page.goto(here.address)
    settled(page)
    skipped = assignment(page)
    press(page, "s")
    settled(page)
    page.keyboard.press("u")
    expect(page.locator(f"#screen[data-assignment='{skipped}']")).to_be_attached()
    press(page, "1")
    (label,) = labels(here)
    assert (str(label.assignment_id), label.late) == (skipped, False)


def test_a_line_break_in_a_comment_counts_as_one_character(page: Page, work: MakeWork) -> None:
    """Browsers send two."""
    here, text = work(items=2), "\n".join(["x" * 49] * 99) + "\n" + "y" * 39
    page.goto(here.address)
    settled(page)
    assert len(text) == 4_989
    page.locator("[name=comment]").fill(text)
    page.keyboard.press("Escape")
    press(page, "2")
    assert [label.comment for label in labels(here)] == [text]


def test_an_apostrophe_may_be_part_of_an_e_mail_address(page: Page, work: MakeWork, server: Server) -> None:
    work()
    page.goto(f"{server.url}/account")
    page.get_by_label("E-mail").fill("pat.o'brien@example.org")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("Saved.")).to_be_visible()
    expect(page.get_by_label("E-mail")).to_have_value("pat.o'brien@example.org")


def test_two_people_of_one_name_are_chosen_apart(page: Page, manager: tuple[Work, str]) -> None:
    here, base = manager
    with task_session() as session:
        items = session.scalars(select(m.Item).where(m.Item.project_id == here.project_id).order_by(m.Item.id)).all()
        for number in range(2):
            bob = factories.user(session, name="Bob", email=f"bob{number}@example.org")
            factories.label(session, items[number], bob)
    page.goto(f"{base}/labels")
    expect(page.get_by_role("cell", name="Bob, bob0@example.org")).to_be_visible()
    page.get_by_label("Annotator").select_option(label="Bob, bob1@example.org")
    expect(page.get_by_role("cell", name="Bob, bob0@example.org")).to_have_count(0)
    expect(page.get_by_role("cell", name="Bob, bob1@example.org")).to_have_count(1)


def test_more_labels_for_each_pair_are_offered_to_those_that_wait(page: Page, manager: tuple[Work, str]) -> None:
    here, base = manager
    page.goto(f"{base}/settings")
    queue = page.locator("#queue")
    queue.get_by_label("Labels per pair").fill("2")
    queue.get_by_role("button", name="Save").click()
    expect(queue.get_by_text("Pairs that wait keep their number of labels")).to_be_visible()
    page.goto(f"{base}/items")
    page.get_by_role("button", name="Ask for 2 labels on them too").click()
    expect(page.get_by_text("3 pairs changed to 2 labels each.")).to_be_visible()
    with task_session() as session:
        targets = session.scalars(select(m.Item.overlap_target).where(m.Item.project_id == here.project_id)).all()
    assert targets == [2, 2, 2]


def test_a_project_without_prompts_says_that_they_are_missing(page: Page, server: Server, sign_in: SignIn) -> None:
    with task_session() as session:
        person = factories.user(session)
        project = factories.project(session)
        factories.member(session, project, person, m.Role.MANAGER)
    sign_in(page, person)
    page.goto(f"{server.url}/projects/{project.id}")
    expect(page.get_by_role("heading", name="Import prompts")).to_be_visible()
    expect(page.get_by_text("There is nothing to ask the model yet.")).to_be_visible()
    expect(page.get_by_text("being sampled")).to_have_count(0)


def test_attention_checks_are_made_of_the_few_answers_there_are(page: Page, manager: tuple[Work, str]) -> None:
    """Or the page says, where it is, why there are none."""
    _, base = manager
    made, none = page.get_by_text("3 attention checks made."), page.get_by_text("There are not enough finished answers")
    for said in (made, none, none):
        page.goto(f"{base}/items")
        page.get_by_role("button", name="Make 10 attention checks").click()
        expect(said).to_be_visible()
        expect(page.get_by_role("heading", name="Pairs", exact=True)).to_be_visible()
