"""Engine, sessions, and one transaction per request or task. Knows no table."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any
from weakref import WeakKeyDictionary

from anyio import CancelScope
from fastapi import Request
from fastapi.concurrency import run_in_threadpool
from sqlalchemy import Engine, NullPool, create_engine, event, make_url
from sqlalchemy.exc import InvalidatePoolError
from sqlalchemy.orm import Session

from app.settings import get_settings
from app.silence import Connection, watched

CONNECTIONS = 20  # of this process
REST = 1.0  # seconds after which a connection is asked whether it still lives
PATIENCE = 60.0  # seconds that a statement may take
IDLE = 120  # seconds that a transaction may wait for its next statement
CONNECT_SECONDS = 3
LIFE = 300  # seconds after which a connection is made anew: PostgreSQL's side keeps all it has ever planned for one
REQUESTS = 8  # that have one at once; the others are for what works beside requests, such as the live pages


_turns: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore] = WeakKeyDictionary()


class DatabaseNotConfigured(RuntimeError):
    """Neither DATABASE_URL nor an embedded server is known to this process."""


def normalise_url(url: str) -> str:
    """Choose the psycopg 3 driver for the plain `postgres://` and `postgresql://` forms."""
    for prefix in ("postgresql://", "postgres://"):
        if url.startswith(prefix):
            return "postgresql+psycopg://" + url.removeprefix(prefix)
    return url


def database_url() -> str:
    """The server's address as it was given; DatabaseNotConfigured without one."""
    url = get_settings().database_url
    if url is None:
        raise DatabaseNotConfigured(
            "DATABASE_URL is not set. Start the platform with `hone up`, or set DATABASE_URL to a PostgreSQL server."
        )
    return url


def connection_arguments(url: str, patience: float | None = PATIENCE) -> dict[str, Any]:
    """What psycopg is told for each connection to `url`, beside what the address says itself, so that nothing waits
    for ever: neither we for a server that is gone, nor the server, with rows locked, for us. `patience`: seconds that
    a statement may take; None: as long as it likes, and its transaction may wait."""
    given = make_url(url).query
    ours: dict[str, Any] = {
        "connect_timeout": CONNECT_SECONDS,
        "keepalives_idle": 10,
        "keepalives_interval": 5,
        "keepalives_count": 3,
        "tcp_user_timeout": 20_000,
    }
    ours = {name: value for name, value in ours.items() if name not in given}
    pooler = get_settings().database_pooler
    if pooler is not None:  # it takes no settings for a session; and who comes next may not have prepared a statement
        return ours | ({"prepare_threshold": None} if pooler == "transaction" else {})
    session = {"tcp_keepalives_idle": 10, "tcp_keepalives_interval": 5, "tcp_keepalives_count": 3}
    if patience is not None:
        session |= {"statement_timeout": round(patience * 1000), "idle_in_transaction_session_timeout": IDLE * 1000}
    options = " ".join(f"-c {name}={value}" for name, value in session.items())
    theirs = given.get("options", "")
    return ours | {"options": f"{options} {theirs}".strip()}


@lru_cache
def get_engine() -> Engine:
    """The engine of this process. READ COMMITTED, since the queue relies on SKIP LOCKED, not on snapshots."""
    engine = _engine(PATIENCE, pool_size=CONNECTIONS // 2, max_overflow=CONNECTIONS // 2, pool_recycle=LIFE)
    event.listen(engine, "checkin", _note_use)
    event.listen(engine, "checkout", _ask_after_a_rest)
    return engine


@lru_cache
def get_patient_engine() -> Engine:
    """For what may take long and must not take the connections of requests: each use opens one of its own."""
    return _engine(None, poolclass=NullPool)


def _engine(patience: float | None, **pool: Any) -> Engine:
    url = database_url()
    kind = watched(Connection, url.replace("+psycopg", "", 1), None if patience is None else patience + 5)
    arguments = connection_arguments(url, patience)
    # What people wrote is no part of an error, which goes into the log.
    engine = create_engine(normalise_url(url), connect_args=arguments, hide_parameters=True, **pool)
    event.listen(engine, "do_connect", lambda _dialect, _record, args, more: kind.connect(*args, **more))
    return engine


def _note_use(_: Any, record: Any) -> None:
    record.info["used"] = time.monotonic()


def _ask_after_a_rest(connection: Any, record: Any, _: Any) -> None:
    """As SQLAlchemy's `pool_pre_ping`, which asks at every checkout, be the last use a millisecond ago."""
    if time.monotonic() - record.info.get("used", 0.0) > REST:
        try:
            get_engine().dialect.do_ping(connection)
        except get_engine().dialect.loaded_dbapi.Error:
            raise InvalidatePoolError() from None


def new_session() -> Session:
    """A session of its own, for code that manages its transaction itself."""
    return Session(get_engine(), expire_on_commit=False)


def patient_session() -> Session:
    """For what may take long, see `get_patient_engine`: it sees the database as it is at its first statement."""
    return Session(get_patient_engine().execution_options(isolation_level="REPEATABLE READ"), expire_on_commit=False)


@contextmanager
def task_session() -> Iterator[Session]:
    """One transaction for a task or a command."""
    with new_session() as session, session.begin():
        yield session


async def get_session(request: Request) -> AsyncIterator[Session]:
    """One transaction per request. Use `Depends(get_session, scope="function")`: the default scope would commit
    after the response has left, so that a failing commit had already answered 200.

    Requests take turns. One does its work in several threads, one after the other, and keeps its connection in
    between: with more requests than connections all threads would come to wait for a connection, and all connections
    would be held by requests that wait for a thread. A form is read before that: one that comes slowly holds up nobody.
    """
    if "form" in request.headers.get("content-type", ""):
        await request.form()
    async with _turns.setdefault(asyncio.get_running_loop(), asyncio.Semaphore(REQUESTS)):
        session, well = new_session(), False  # which opens nothing yet
        try:
            yield session
            well = True
        finally:
            if session.in_transaction():
                with CancelScope(shield=True):
                    await run_in_threadpool(_end, session, well)
            else:
                session.close()


def _end(session: Session, well: bool) -> None:
    with session:
        if well:
            session.commit()
