"""The page of exports in a real browser: choose, look at the first rows, download; without JavaScript too."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from app.db import task_session
from app.models import Role, User
from tests import factories
from tests.browser.conftest import Server
from tests.exporting import All


@pytest.fixture
def address(server: Server, page: Page, sign_in: Callable[[Page, User], None]) -> str:
    with task_session() as session:
        project = factories.project(session, name="Exports")
        manager, other = factories.user(session, name="Ann"), factories.user(session, name="Ben")
        factories.member(session, project, manager, Role.MANAGER)
        number = All(session, project, manager, other).project.id
    sign_in(page, manager)
    return f"{server.url}/projects/{number}/exports"


def test_the_first_rows_are_those_of_the_file(
    page: Page, address: str, serious_faults: Callable[[Page], list[str]], tmp_path: Path
) -> None:
    page.goto(address)
    page.get_by_label("Layout", exact=True).select_option("trl")
    page.get_by_label("Rows of TRL’s layouts").select_option("pairs")
    page.get_by_role("button", name="Show the first rows").press("Enter")
    shown = page.locator("pre.code")
    expect(shown).to_contain_text('"raters": 2')
    assert serious_faults(page) == []
    for width, scheme in ((1440, "light"), (1440, "dark"), (390, "light"), (390, "dark"), (320, "light")):
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    with page.expect_download() as started:
        page.get_by_role("link", name="Download").click()
    rows = [json.loads(line) for line in Path(started.value.path()).read_text().splitlines()]
    decoder, text, first = json.JSONDecoder(), shown.inner_text(), []
    while text.strip():
        row, end = decoder.raw_decode(text.lstrip())
        first.append(row)
        text = text.lstrip()[end:]
    assert first == rows[:3]


def test_a_file_in_the_background_is_a_run(page: Page, address: str) -> None:
    page.goto(f"{address}?format=parquet")
    page.get_by_role("button", name="Write a file in the background").click()
    expect(page.get_by_role("heading", name="Export 1")).to_be_visible()
    expect(page.get_by_text("everything as parquet")).to_be_visible()
