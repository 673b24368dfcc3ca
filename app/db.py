"""Engine, sessions, and one transaction per request or task. Knows no table."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from functools import lru_cache
from weakref import WeakKeyDictionary

from fastapi.concurrency import contextmanager_in_threadpool
from sqlalchemy import Engine, create_engine
from sqlalchemy.orm import Session

from app.settings import get_settings

CONNECTIONS = 20  # of this process
REQUESTS = 16  # that have one at once; the others are for what works beside requests, such as the live pages
_turns: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore] = WeakKeyDictionary()


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
    return create_engine(
        normalise_url(url),
        pool_size=CONNECTIONS // 2,
        max_overflow=CONNECTIONS // 2,
        pool_pre_ping=True,
        pool_recycle=1800,
    )


def new_session() -> Session:
    """A session of its own, for code that manages its transaction itself."""
    return Session(get_engine(), expire_on_commit=False)


@contextmanager
def task_session() -> Iterator[Session]:
    """One transaction for a task or a command."""
    with new_session() as session, session.begin():
        yield session


async def get_session() -> AsyncIterator[Session]:
    """One transaction per request. Use `Depends(get_session, scope="function")`: the default scope would commit
    after the response has left, so that a failing commit had already answered 200.

    Requests take turns. One does its work in several threads, one after the other, and keeps its connection in
    between: with more requests than connections all threads would come to wait for a connection, and all connections
    would be held by requests that wait for a thread.
    """
    turns = _turns.setdefault(asyncio.get_running_loop(), asyncio.Semaphore(REQUESTS))
    async with turns, contextmanager_in_threadpool(task_session()) as session:
        yield session
