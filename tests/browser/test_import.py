"""Importing prompts in a real browser: what a preview shows is what its import stores; the file is chosen once."""

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import select

from app.db import task_session
from app.models import Prompt, Role
from tests import factories
from tests.browser.conftest import Server

CODE = "    def f():\n        return 1"
TABLE = f'\ufeffprompt;chosen;rejected\r\n"{CODE}";So.;No.\r\nWie groß ist der Mond?;So.;No.\r\ntorn;row\r\n'


@pytest.mark.parametrize("size", [{"width": 1440, "height": 900}, {"width": 390, "height": 844}])
def test_a_previewed_table_is_imported_with_one_more_click(
    database: str,
    server: Server,
    page: Page,
    sign_in: Callable[..., None],
    serious_faults: Callable[[Page], list[str]],
    tmp_path: Path,
    size: dict[str, int],
) -> None:
    with task_session() as session:
        manager = factories.user(session)
        project = factories.project(session)
        factories.member(session, project, manager, Role.MANAGER)
    file = tmp_path / "from a spreadsheet.csv"
    file.write_bytes(TABLE.encode())
    page.set_viewport_size(size)  # type: ignore[arg-type]
    sign_in(page, manager)
    page.goto(f"{server.url}/projects/{project.id}/prompts/import")
    page.get_by_label("File").set_input_files(file)
    page.get_by_role("button", name="Preview").click()
    expect(page.get_by_text("from a spreadsheet.csv is kept")).to_be_visible()
    expect(page.get_by_text("Line 5: It has 2 cells; the line of names has 3.")).to_be_visible()
    expect(page.get_by_text("4 responses and 2 labels of this file are left out")).to_be_visible()
    shown = page.locator("ol .as-written").all_text_contents()
    assert shown == [CODE, "Wie groß ist der Mond?"]
    assert serious_faults(page) == []
    page.get_by_label("Skip invalid lines").check()
    page.get_by_role("button", name="Import", exact=True).click()
    expect(page.locator("body")).to_contain_text("2 prompts imported")
    with task_session() as session:
        stored = session.scalars(select(Prompt).order_by(Prompt.id)).all()
        assert [prompt.messages[0]["content"] for prompt in stored] == shown
