"""Engine, sessions, and one transaction per request or task. Knows no table."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache

from sqlalchemy import Engine, create_engine
from sqlalchemy.orm import Session

from app.settings import get_settings


class DatabaseNotConfigured(RuntimeError):
    """Neither DATABASE_URL nor an embedded server is known to this process."""


def normalise_url(url: str) -> str:
    """Choose the psycopg 3 driver for the plain `postgres://` and `postgresql://` forms."""
    for prefix in ("postgresql://", "postgres://"):
        if url.startswith(prefix):
            return "postgresql+psycopg://" + url.removeprefix(prefix)
    return url


@lru_cache
def get_engine() -> Engine:
    """The engine of this process. READ COMMITTED, since the queue relies on SKIP LOCKED, not on snapshots."""
    url = get_settings().database_url
    if url is None:
        raise DatabaseNotConfigured(
            "DATABASE_URL is not set. Start the platform with `hone up`, or set DATABASE_URL to a PostgreSQL server."
        )
    return create_engine(normalise_url(url), pool_size=10, max_overflow=10, pool_pre_ping=True, pool_recycle=1800)


def new_session() -> Session:
    """A session of its own, for code that manages its transaction itself."""
    return Session(get_engine(), expire_on_commit=False)


def get_session() -> Iterator[Session]:
    """One transaction per request. Use `Depends(get_session, scope="function")`: the default scope would commit
    after the response has left, so that a failing commit had already answered 200."""
    with new_session() as session, session.begin():
        yield session


@contextmanager
def task_session() -> Iterator[Session]:
    """One transaction for a task or a command."""
    with new_session() as session, session.begin():
        yield session
