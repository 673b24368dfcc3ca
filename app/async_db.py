"""Single statements sent from the event loop, each a transaction of its own. For what a person waits for all day: a
thread, a session and a transaction around one statement cost more than the statement. Knows no table."""

import asyncio
from collections.abc import Mapping
from functools import lru_cache
from typing import Any
from weakref import WeakKeyDictionary

from psycopg.rows import namedtuple_row
from psycopg_pool import AsyncConnectionPool
from sqlalchemy import TextClause, make_url

from app.db import PATIENCE, connection_arguments, database_url
from app.settings import get_settings
from app.silence import AsyncConnection, watched

CONNECTIONS = 4  # of this process: enough to have one statement at work while others are sent or read
PLANNING = {"plan_cache_mode": "force_generic_plan", "enable_seqscan": "off"}
_PATIENCE = 2.0  # seconds to wait for a connection


class Connections:
    """A few connections to the database at `url`, of one event loop."""

    def __init__(self, url: str) -> None:
        plain = url.replace("+psycopg", "", 1)
        self._pooled = get_settings().database_pooler == "transaction"
        self._pool: AsyncConnectionPool[AsyncConnection] = AsyncConnectionPool(
            plain,
            connection_class=watched(AsyncConnection, plain, PATIENCE + 5),
            min_size=1,
            max_size=CONNECTIONS,
            timeout=_PATIENCE,
            reconnect_timeout=0,  # who asks next tries at once; by itself it would wait longer and longer
            kwargs=connection_arguments(url) | {"autocommit": True, "row_factory": namedtuple_row},
            configure=None if self._pooled else _plan_by_keys,
            open=False,
        )

    async def fetch_one(self, statement: TextClause, values: Mapping[str, Any]) -> Any:
        """See `fetch_one`."""
        if self._pool.closed:
            await self._pool.open()
        async with self._pool.connection() as connection:
            if not self._pooled:
                return await (await connection.execute(_as_psycopg(statement), values)).fetchone()
            async with connection.pipeline(), connection.transaction():  # one journey for all
                await _plan_by_keys(connection, "local")
                cursor = await connection.execute(_as_psycopg(statement), values)
                return await cursor.fetchone()

    async def close(self) -> None:
        """End the connections."""
        await self._pool.close()


async def _plan_by_keys(connection: AsyncConnection, scope: str = "session") -> None:
    """These statements find their rows by keys, so one plan fits all values and all sizes. By its estimates PostgreSQL
    would plan for each value anew, which takes longer than the statement, or keep a plan that reads a table whole from
    when it was small."""
    for name, value in PLANNING.items():
        await connection.execute(f"set {scope} {name} = {value}")


_connections: WeakKeyDictionary[asyncio.AbstractEventLoop, Connections] = WeakKeyDictionary()


async def fetch_one(statement: TextClause, values: Mapping[str, Any]) -> Any:
    """The first row of a statement, None without one. Raises psycopg.Error; whether the statement was carried out is
    then not known, so it has to be one that may be sent again."""
    loop = asyncio.get_running_loop()
    if loop not in _connections:
        _connections[loop] = Connections(database_url())
    return await _connections[loop].fetch_one(statement, values)


async def close() -> None:
    """End the connections of this event loop."""
    if (connections := _connections.pop(asyncio.get_running_loop(), None)) is not None:
        await connections.close()


@lru_cache
def _as_psycopg(statement: TextClause) -> bytes:
    """SQLAlchemy's `:name` as psycopg's `%(name)s`, and no indentation: what is longer than 4,096 bytes psycopg takes
    apart each time anew, which takes longer than to send it."""
    written = str(statement.compile(dialect=make_url("postgresql+psycopg://").get_dialect()()))
    return " ".join(written.split()).encode()
