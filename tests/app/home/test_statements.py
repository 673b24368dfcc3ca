"""How much the overview asks the database: it is opened more often than any other page."""

from collections.abc import Callable
from typing import Any

from sqlalchemy import event
from sqlalchemy.orm import Session

from app.models import ModelKind, RunState
from tests import factories
from tests.app.conftest import Browser, Cast

MOST = 26  # statements: as bench/pages.py asks of every page


def test_the_overview_of_a_project_with_everything_sends_few_statements(
    as_: Callable[[str], Browser], cast: Cast, session: Session
) -> None:
    snapshot = factories.snapshot(session, cast.project)
    for method, kind in (("reward", ModelKind.REWARD), ("dpo", ModelKind.POLICY)):
        run = factories.training(session, cast.project, method, state=RunState.SUCCEEDED, snapshot_id=snapshot.id)
        factories.model(session, cast.project, kind=kind, run_id=run.id)
    factories.run(session, cast.project, state=RunState.FAILED)
    factories.run(session, cast.project)
    session.flush()
    browser, address = as_("manager"), f"/projects/{cast.project.id}"
    assert browser.get(address).status_code == 200  # fills what is kept
    seen: list[str] = []

    def note(*args: Any) -> None:
        if "SAVEPOINT" not in args[2]:  # those are the test's
            seen.append(args[2])

    engine = session.connection().engine
    event.listen(engine, "before_cursor_execute", note)
    try:
        assert browser.get(address).status_code == 200
    finally:
        event.remove(engine, "before_cursor_execute", note)
    assert 10 < len(seen) <= MOST, len(seen)
