"""Importing in a real browser: the file is chosen once, what its preview shows is stored, and it is taken back."""

from collections.abc import Callable
from pathlib import Path
from threading import Event

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import func, select

from app.db import task_session
from app.models import Label, Prompt, Role, Run, RunKind
from tests import factories
from tests.browser.conftest import Server
from workers.runs.execution import execute

CODE = "    def f():\n        return 1"
TABLE = f'\ufeffprompt;chosen;rejected\r\n"{CODE}";So.;No.\r\nWie groß ist der Mond?;So.;No.\r\ntorn;row\r\n'
Faults = Callable[[Page], list[str]]


def work() -> None:
    """Do what a worker for files does with what is queued."""
    with task_session() as session:
        run_id = session.scalars(select(Run.id).order_by(Run.id.desc()).limit(1)).one()
    execute(run_id, "here:1", "CPU", Event())


@pytest.mark.parametrize("size", [{"width": 1440, "height": 900}, {"width": 390, "height": 844}])
def test_a_table_is_previewed_imported_but_for_a_bad_row_and_taken_back(
    database: str,
    server: Server,
    page: Page,
    sign_in: Callable[..., None],
    serious_faults: Faults,
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
    page.goto(f"{server.url}/projects/{project.id}/imports")
    assert serious_faults(page) == []
    page.get_by_label("File").set_input_files(file)
    page.get_by_role("button", name="Preview").click()
    expect(page.get_by_role("heading", name="Import from a spreadsheet.csv")).to_be_visible()
    expect(page.get_by_text("It has 2 cells; the line of names has 3.")).to_be_visible()
    shown = page.locator("ol span.as-written").all_text_contents()
    assert shown == [CODE, "Wie groß ist der Mond?"]
    assert serious_faults(page) == []
    page.get_by_role("button", name="Import", exact=True).click()
    expect(page.get_by_role("heading", name="Import 1")).to_be_visible()
    work()
    expect(page.get_by_text("1 row of 3 cannot be used, so nothing was imported.")).to_be_visible()
    assert serious_faults(page) == []
    page.get_by_role("button", name="Import the rest").click()
    expect(page.get_by_text("The rest is being imported.")).to_be_visible()
    work()
    expect(page.get_by_role("button", name="Undo import")).to_be_visible()
    with task_session() as session:
        stored = session.scalars(select(Prompt).order_by(Prompt.id)).all()
        assert sorted(prompt.messages[0]["content"] for prompt in stored) == sorted(shown)
        assert session.scalar(select(func.count()).select_from(Label)) == 2
    page.goto(f"{server.url}/projects/{project.id}/labels")
    expect(page.locator("td", has_text="Imported, rater 1").first).to_be_visible()
    page.goto(f"{server.url}/projects/{project.id}/imports/1")
    page.once("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="Undo import").click()
    if (sure := page.locator("dialog[open] button.danger")).count():
        sure.click()
    expect(page.get_by_text("takes out what it brought")).to_be_visible()
    work()
    with task_session() as session:
        assert session.scalars(select(Run.kind).order_by(Run.id)).all() == [RunKind.IMPORT, RunKind.UNDO]
        assert session.scalar(select(func.count()).select_from(Label)) == 0


def test_unknown_columns_are_mapped(
    database: str, server: Server, page: Page, sign_in: Callable[..., None], serious_faults: Faults,
    tmp_path: Path,
) -> None:  # fmt: skip
    with task_session() as session:
        manager = factories.user(session)
        project = factories.project(session)
        factories.member(session, project, manager, Role.MANAGER)
    file = tmp_path / "odd.csv"
    file.write_text("Frage,gut,schlecht\nWarum ist das denn so?,Darum.,Nein.\n")
    sign_in(page, manager)
    page.goto(f"{server.url}/projects/{project.id}/imports")
    page.get_by_label("File").set_input_files(file)
    page.get_by_role("button", name="Preview").click()
    expect(page.get_by_text("The columns are of no known layout")).to_be_visible()
    assert serious_faults(page) == []
    page.get_by_label("prompt", exact=True).select_option("Frage")
    page.get_by_label("chosen", exact=True).select_option("gut")
    page.get_by_label("rejected", exact=True).select_option("schlecht")
    page.get_by_role("button", name="Preview").click()
    expect(page.get_by_text("new label", exact=True)).to_be_visible()
    expect(page.get_by_text("Darum.")).to_be_visible()
