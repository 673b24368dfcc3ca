"""What managers are told of labels that were changed, and of a base model that cannot be used."""

from collections.abc import Callable

from playwright.sync_api import Page, expect

from app import models as m
from app.db import task_session
from tests import factories
from tests.browser.conftest import Server
from tests.browser.labelling import MakeWork, labels, press, settled


def test_a_changed_label_counts_once_everywhere(
    page: Page, work: MakeWork, sign_in: Callable[[Page, m.User], None]
) -> None:
    here = work(items=3)
    page.goto(here.address)
    press(page, "1")
    press(page, "1")
    for _ in range(2):  # each of the two is changed
        press(page, "u")
    press(page, "2")
    page.goto(f"{here.address}")
    settled(page)
    press(page, "u")
    press(page, "2")
    standing = [label for label in labels(here) if label.superseded_at is None]
    assert len(standing) < len(labels(here))
    with task_session() as session:
        manager = factories.user(session, name="Mary")
        factories.member(session, session.get_one(m.Project, here.project_id), manager, m.Role.MANAGER)
    sign_in(page, manager)
    page.goto(here.address.removesuffix("/label"))
    expect(page.get_by_text(f"{len(standing)} in the last hour, {len(standing)} in the last day")).to_be_visible()


def test_a_base_model_that_cannot_be_used_is_tried_again_or_changed_in_the_settings(
    page: Page, server: Server, sign_in: Callable[[Page, m.User], None]
) -> None:
    with task_session() as session:
        away = factories.base_model(
            session, name="away", state=m.ModelState.FAILED, error="The hub is away.", offered=True
        )
        sound = factories.base_model(session, name="sound", offered=True)
        project = factories.project(session, base_model_id=away.id)
        manager = factories.user(session, name="Mary")
        factories.member(session, project, manager, m.Role.MANAGER)
        number, broken, wanted, source = project.id, away.id, sound.id, sound.source
    sign_in(page, manager)
    page.goto(f"{server.url}/projects/{number}")
    page.get_by_role("link", name="Try again, or choose another one").click()
    section = page.locator("#base-model")
    expect(section).to_contain_text("The hub is away.")
    section.get_by_role("button", name="Try again").click()
    expect(section).to_contain_text("preparing")
    with task_session() as session:
        assert session.get_one(m.Model, broken).state is m.ModelState.PREPARING
    section.get_by_label("Another base model").select_option(source)
    section.get_by_role("button", name="Change base model").click()
    expect(section).to_contain_text("ready")
    with task_session() as session:
        assert session.get_one(m.Project, number).base_model_id == wanted
