"""A worker that ends after each transaction in which it wrote something."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import event
from sqlalchemy.orm import Session

from app.db import task_session


class Killed(BaseException):
    """What stands for a worker's end."""


@contextmanager
def one_only() -> Iterator[Session]:
    """A transaction after which the process is gone, unless nothing was changed by it."""
    wrote = []

    def note(_: object, cursor: object, statement: str, *more: object) -> None:
        if statement.split()[0].lower() in ("insert", "update", "delete") and cursor.rowcount:  # type: ignore[attr-defined]
            wrote.append(statement)

    with task_session() as session:
        event.listen(session.connection(), "after_cursor_execute", note)
        yield session
    if wrote:
        raise Killed
