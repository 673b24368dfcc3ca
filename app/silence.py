"""Connections that notice that the database has gone silent: packets vanish, and nobody is told. Knows no table.

A statement may take its time, so being quiet proves nothing. After QUIET seconds without a word the server is asked
something trivial on a fresh connection: if it answers, the statement is merely slow. If it does not, the database is
silent: every statement that waits in this process fails, further ones fail at once, and the server is asked until it
answers again. TCP's own time-outs (`app.db`) see to the single connection that died; the server, and where it cannot
be told to, `limit`, see to statements that never end.
"""

import logging
from collections.abc import Generator
from functools import lru_cache
from threading import Lock, Thread
from time import monotonic, sleep
from typing import Any, Self, TypeVar

import psycopg
from psycopg.abc import PQGen
from psycopg.waiting import Ready, Wait

log = logging.getLogger(__name__)
Result = TypeVar("Result")

QUIET = 2.0  # seconds
PROBE_SECONDS = 3  # seconds in which a server that is there answers
AGAIN = 0.3  # seconds between two questions to one that is not


class Silent(psycopg.OperationalError):
    """The database takes what is sent and says nothing."""


class Watch:
    """Whether the database at one address is silent, as this process sees it."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._asking = Lock()
        self.silent = False

    def doubt(self) -> None:
        """Have the server asked whether it is there, unless that is being done."""
        if self._asking.acquire(blocking=False):
            Thread(target=self._ask_until_up, name="silence", daemon=True).start()

    def silence(self) -> None:
        """It was asked, and did not answer."""
        if not self.silent:
            log.error("the database at %s is silent", _shown(self._url))
        self.silent = True
        self.doubt()

    def refuse(self) -> None:
        """Raise Silent if the database is."""
        if self.silent:
            raise Silent("the database is silent")

    def _ask_until_up(self) -> None:
        try:
            while not self._is_up():
                self.silence()
                sleep(AGAIN)
            if self.silent:
                log.warning("the database at %s answers again", _shown(self._url))
            self.silent = False
        finally:
            self._asking.release()
        if self.silent:  # somebody found it so just now, when it was still being asked
            self.doubt()

    def _is_up(self) -> bool:
        try:
            with _Question.connect(self._url, connect_timeout=PROBE_SECONDS, autocommit=True) as connection:
                connection.execute("select 1")
        except psycopg.Error as error:
            # A server that refuses (too many connections, starting up) is there; the waiting statement will be told.
            return "FATAL" in str(error)
        return True


class _Question(psycopg.Connection[Any]):
    def wait(self, gen: PQGen[Result], interval: float = 0.1, timeout: float | None = None) -> Result:
        return super().wait(gen, interval, PROBE_SECONDS)


class Connection(psycopg.Connection[Any]):
    """psycopg's, that raises Silent. Use it by `watched`."""

    watch: Watch
    limit: float | None

    @classmethod
    def connect(cls, conninfo: str = "", **more: Any) -> Self:
        """See psycopg's."""
        cls.watch.refuse()
        try:
            return super().connect(conninfo, **more)
        except psycopg.errors.ConnectionTimeout:
            cls.watch.silence()
            raise

    def wait(self, gen: PQGen[Result], interval: float = 0.1, timeout: float | None = None) -> Result:
        """See psycopg's."""
        self.watch.refuse()
        try:
            return super().wait(_listening(gen, self.watch, self.limit), interval, timeout)
        except Silent:
            self.pgconn.finish()
            raise


class AsyncConnection(psycopg.AsyncConnection[Any]):
    """psycopg's, that raises Silent. Use it by `watched`."""

    watch: Watch
    limit: float | None

    @classmethod
    async def connect(cls, conninfo: str = "", **more: Any) -> Self:
        """See psycopg's."""
        cls.watch.refuse()
        try:
            return await super().connect(conninfo, **more)
        except psycopg.errors.ConnectionTimeout:
            cls.watch.silence()
            raise

    async def wait(self, gen: PQGen[Result], interval: float = 0.1, timeout: float | None = None) -> Result:
        """See psycopg's."""
        self.watch.refuse()
        try:
            return await super().wait(_listening(gen, self.watch, self.limit), interval, timeout)
        except Silent:
            self.pgconn.finish()
            raise


def _listening(gen: PQGen[Result], watch: Watch, limit: float | None) -> Generator[Wait, Ready | int, Result]:
    """`gen`, until the database is found to be silent. `psycopg.waiting` sends it a false value whenever nothing has
    happened for a tenth of a second."""
    try:
        wanted = next(gen)
        began = heard = monotonic()
        while True:
            ready = yield wanted
            if ready:
                heard = monotonic()
            else:
                now = monotonic()
                watch.refuse()
                if limit is not None and now - began > limit:
                    raise Silent("the database has not answered in time")
                if now - heard > QUIET:
                    watch.doubt()
                    heard = now
            wanted = gen.send(ready)
    except StopIteration as end:
        return end.value  # type: ignore[no-any-return]


Kind = TypeVar("Kind", type[Connection], type[AsyncConnection])


def watched(kind: Kind, url: str, limit: float | None) -> Kind:
    """`kind` for the database at `url`, with statements that take `limit` seconds at most."""
    return type(kind.__name__, (kind,), {"watch": watch(url), "limit": limit})


@lru_cache(maxsize=16)
def watch(url: str) -> Watch:
    """The one watch of this process over the database at `url`, as libpq reads it."""
    return Watch(url)


def _shown(url: str) -> str:
    return url.rsplit("@", 1)[-1].split("?", 1)[0]
