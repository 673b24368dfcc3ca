"""Bring the database to this code's schema, one process at a time."""

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from psycopg.errors import DeadlockDetected, LockNotAvailable
from sqlalchemy import Connection, event, text
from sqlalchemy.exc import OperationalError

from app.db import get_engine, get_patient_engine
from app.models import Base
from app.resources import MIGRATIONS
from workers.platform.folder import Unusable

_LOCK = 0x686F6E65  # any number that nobody else locks: "hone"
_WAIT_MS = 500
_VACUUM_MS = 100  # an automatic vacuum ends for whoever has waited so long for its table
_WAIT = "hone.wait_ms"
_PAUSE = 1.0  # seconds, in which those who were held up have their turn
_TRIES = 120


def config() -> Config:
    """Alembic's configuration, wherever the migrations are."""
    found = Config()
    found.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    return found


def migrate(
    before: Callable[[str], object] = lambda revision: None, tell: Callable[[str], None] = lambda line: None
) -> bool:
    """Upgrade the database of DATABASE_URL; whether there was anything to do. Unusable where it is too new.

    `before` is called with the old revision where a database that was used is about to change; `tell` with a line for
    each step. Each step is a transaction of its own, or several (`app.schema_changes`), so that none holds what another
    one has locked, and a later start goes on from where a killed one was. Whoever waits for a table holds up everybody
    who comes after, so a step waits half a second at most, lets go of everything, and begins again. Where it holds a
    table that they want who hold the one it waits for, it gives way as well: it waited first, so PostgreSQL ends it.
    """
    with _turn(), get_patient_engine().connect() as connection:
        event.listen(connection, "begin", _wait_briefly)
        alembic = config()
        scripts = ScriptDirectory.from_config(alembic)
        current = _current(connection)
        check_known(scripts, current)
        if current == scripts.get_current_head():
            return False
        alembic.attributes["connection"] = connection
        if current is not None:
            before(current)
            alembic.attributes["on_version_apply"] = _steps(scripts, current, tell)
        _upgrade(alembic, connection, tell)
        return True


@contextmanager
def _turn() -> Iterator[None]:
    """One process at a time. A transaction's lock, since a pooler keeps no session's; it goes with the connection of a
    process that is killed. An index that is made while people write waits for whoever has looked at the database
    before: so nobody waits for the lock inside a statement, nor keeps what a statement has seen."""
    while True:
        with get_patient_engine().begin() as connection:
            if connection.execute(text("select pg_try_advisory_xact_lock(:key)"), {"key": _LOCK}).scalar():
                connection.execute(text("set local idle_in_transaction_session_timeout = 0"))  # and sees nothing itself
                yield
                return
        time.sleep(_PAUSE / 4)


def _wait_briefly(connection: Connection) -> None:
    """An automatic vacuum lets go of a table when somebody has waited for `deadlock_timeout`, by default longer than a
    step waits. A superuser, or who was granted to set it, has it end sooner; `_upgrade` is for everybody else."""
    if connection.get_execution_options().get("isolation_level") != "AUTOCOMMIT":
        connection.exec_driver_sql(f"set local lock_timeout = '{connection.info.get(_WAIT, _WAIT_MS)}ms'")
        connection.exec_driver_sql(
            f"select set_config('deadlock_timeout', '{_VACUUM_MS}ms', true) "
            "where has_parameter_privilege('deadlock_timeout', 'set')"
        )


def _outlasting_a_vacuum(connection: Connection) -> int:
    """How long to wait for a table, in milliseconds, so that an automatic vacuum of it has ended."""
    setting = "select setting::int from pg_settings where name = 'deadlock_timeout'"
    with connection.begin():
        return int(connection.exec_driver_sql(setting).scalar_one()) + 200


def _upgrade(alembic: Config, connection: Connection, tell: Callable[[str], None]) -> None:
    for number in range(1, _TRIES + 1):
        connection.info[_WAIT] = _WAIT_MS if number % 5 else max(_WAIT_MS, _outlasting_a_vacuum(connection))
        try:
            return command.upgrade(alembic, "head")
        except OperationalError as error:
            if not isinstance(error.orig, LockNotAvailable | DeadlockDetected):
                raise
        connection.rollback()
        tell("A table is in use by a long transaction; trying again.")
        time.sleep(_PAUSE)
    raise Unusable(
        "The database is in use by a long transaction, so it could not be upgraded; it is whole, at revision "
        f"{_current(connection)}. End that transaction, or stop the other processes of Hone, and start again."
    )


def _current(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


def _steps(scripts: ScriptDirectory, current: str, tell: Callable[[str], None]) -> Callable[..., None]:
    """Tells the first step at once, and each further one when Alembic reports that the one before it is done."""
    steps = list(scripts.iterate_revisions("head", current))[::-1]
    lines = [f"Upgrading the database, {n} of {len(steps)}: {_title(step.doc)}" for n, step in enumerate(steps, 1)]
    tell(lines.pop(0))

    def applied(**about: Any) -> None:
        if lines:
            tell(lines.pop(0))

    return applied


def _title(doc: str) -> str:
    """What a step is about: the first clause of its docstring."""
    return re.split(r"[.;\n]", doc)[0]


def check_known(scripts: ScriptDirectory, revision: str | None) -> None:
    """Refuse a revision that this code has never heard of."""
    try:
        if revision is not None:
            scripts.get_revision(revision)
    except CommandError:
        raise Unusable(
            f"The database is too new: its schema is at revision {revision}, which this copy of Hone does not know. "
            "Update this copy (git pull, then make run), or point DATABASE_URL or HONE_DATA_DIR at another database."
        ) from None


def drift() -> list[str]:
    """What app.models says and the migrated database does not have, or the other way round."""
    with get_engine().connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        return [str(difference) for difference in compare_metadata(context, Base.metadata)]
