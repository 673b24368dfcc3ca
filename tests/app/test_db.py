"""The connection to the database, beside `app.async_db`."""

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from app.db import task_session


def test_an_error_says_nothing_of_what_people_wrote(database: str) -> None:
    """It goes into the log."""
    with task_session() as session, pytest.raises(DBAPIError) as failed:
        _fail(session)
    assert "secret" not in str(failed.value)
    assert "hidden" in str(failed.value)


def _fail(session: Session) -> None:
    session.execute(text("select cast(:words as text) / 2"), {"words": "my secret words"})
