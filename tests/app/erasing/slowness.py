"""Deletions on a slow machine: each row of a table takes its time."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.db import task_session


def slow_down(table: str, seconds: float) -> None:
    """Have each row of a table take so long to be deleted."""
    with task_session() as session:
        session.execute(text(
            "create function slowly() returns trigger language plpgsql as "
            f"$$ begin perform pg_sleep({seconds}); return old; end $$"
        ))  # fmt: skip
        session.execute(text(f"create trigger slowly before delete on {table} for each row execute function slowly()"))


def counted(what: str, parts: list[int]) -> Callable[[], AbstractContextManager[Session]]:
    """Transactions, noting how many of these rows each deleted, where it deleted any."""
    count = text(f"select count(*) from {what}")

    @contextmanager
    def writing() -> Iterator[Session]:
        with task_session() as session:
            before = session.scalar(count)
            yield session
            session.flush()
            gone = before - session.scalar(count)
        if gone:
            parts.append(gone)

    return writing
