"""Figures that take long to count come to their page by themselves; without JavaScript by a link."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Browser, Page, expect
from psycopg.errors import QueryCanceled
from sqlalchemy.exc import OperationalError

from app.db import task_session
from app.labels import quality_queries, queries
from app.models import Role, User
from tests import factories
from tests.browser.conftest import Server


@pytest.fixture
def judged(server: Server, monkeypatch: pytest.MonkeyPatch) -> tuple[User, str]:
    """A manager, and the labels of a project in which two people said the same of a pair."""
    monkeypatch.setattr(queries, "FEW", 1)
    with task_session() as session:
        project = factories.project(session)
        manager, other = factories.user(session, name="Mona"), factories.user(session, name="Ada")
        factories.member(session, project, manager, role=Role.MANAGER)
        item = factories.item(session, factories.prompt(session, project), project.base_model)
        for person in (manager, other):
            factories.label(session, item, person)
        return manager, f"{server.url}/projects/{project.id}/labels"


def test_they_come_by_themselves(
    judged: tuple[User, str], page: Page, sign_in: Callable[[Page, User], None],
    serious_faults: Callable[[Page], list[str]],
) -> None:  # fmt: skip
    manager, address = judged
    sign_in(page, manager)
    held: list[object] = []
    page.route("**/quality?wait=true", lambda route: held.append(route))
    page.goto(f"{address}/quality")
    expect(page.get_by_text("The figures will show here by themselves.")).to_be_visible()
    expect(page.get_by_role("table", name="Annotators")).to_have_count(0)
    assert serious_faults(page) == []
    [route] = held
    route.continue_()  # type: ignore[attr-defined]
    expect(page.get_by_role("region", name="Annotators as a table")).to_contain_text("Ada")
    expect(page.get_by_text("The figures will show here by themselves.")).to_have_count(0)
    expect(page.get_by_text("Counted just now.")).to_be_visible()
    assert serious_faults(page) == []


def test_a_count_that_fails_is_told(
    judged: tuple[User, str], page: Page, sign_in: Callable[[Page, User], None], faults: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    def fails(*_: object) -> None:
        raise OperationalError("", {}, QueryCanceled())

    monkeypatch.setattr(quality_queries, "prompt_tallies", fails)
    manager, address = judged
    sign_in(page, manager)
    page.goto(f"{address}/quality")
    expect(page.locator("#messages")).to_contain_text("This took longer than a minute")
    faults.clear()


def test_charts_that_come_later_are_drawn(
    judged: tuple[User, str], page: Page, sign_in: Callable[[Page, User], None]
) -> None:
    manager, address = judged
    sign_in(page, manager)
    page.goto(f"{address}/over-time?over=week")
    expect(page.get_by_text("Counted just now.")).to_be_visible()
    expect(page.locator(".chart canvas")).to_have_count(2)  # labels and agreement, each drawn once


def test_a_link_waits_for_them_without_javascript(
    judged: tuple[User, str], browser: Browser, sign_in: Callable[[Page, User], None]
) -> None:
    manager, address = judged
    with browser.new_context(java_script_enabled=False) as context:
        page = context.new_page()
        sign_in(page, manager)
        page.goto(f"{address}/quality")
        page.get_by_role("link", name="Count them and wait").click()
        expect(page.get_by_role("region", name="Annotators as a table")).to_contain_text("Ada")
