"""Single statements sent from the event loop, each a transaction of its own. For what a person waits for all day: a
thread, a session and a transaction around one statement cost more than the statement. Knows no table."""

import asyncio
from collections.abc import Mapping
from functools import lru_cache
from typing import Any
from weakref import WeakKeyDictionary

from psycopg import AsyncConnection
from psycopg.rows import namedtuple_row
from psycopg_pool import AsyncConnectionPool
from sqlalchemy import TextClause, make_url

from app.db import DatabaseNotConfigured
from app.settings import get_settings

CONNECTIONS = 4  # of this process: enough to have one statement at work while others are sent or read
_PATIENCE = 2.0  # seconds to wait for a connection

Pool = AsyncConnectionPool[AsyncConnection[Any]]
_pools: WeakKeyDictionary[asyncio.AbstractEventLoop, Pool] = WeakKeyDictionary()


async def fetch_one(statement: TextClause, values: Mapping[str, Any]) -> Any:
    """The first row of a statement, None without one. Raises psycopg.Error; whether the statement was carried out is
    then not known, so it has to be one that may be sent again."""
    async with (await _pool()).connection() as connection:
        cursor = await connection.execute(_as_psycopg(statement), values)
        return await cursor.fetchone()


async def close() -> None:
    """End the connections of this event loop."""
    if (pool := _pools.pop(asyncio.get_running_loop(), None)) is not None:
        await pool.close()


async def _pool() -> Pool:
    loop = asyncio.get_running_loop()
    if (pool := _pools.get(loop)) is None:
        url = get_settings().database_url
        if url is None:
            raise DatabaseNotConfigured("DATABASE_URL is not set.")
        pool = _pools[loop] = AsyncConnectionPool(
            url.replace("+psycopg", "", 1),
            min_size=1,
            max_size=CONNECTIONS,
            timeout=_PATIENCE,
            kwargs={"autocommit": True, "row_factory": namedtuple_row},
            open=False,
        )
        await pool.open()
    return pool


@lru_cache
def _as_psycopg(statement: TextClause) -> bytes:
    """SQLAlchemy's `:name` as psycopg's `%(name)s`."""
    return str(statement.compile(dialect=make_url("postgresql+psycopg://").get_dialect()())).encode()
