"""Bring the database to this code's schema, one process at a time."""

import re
import time
from collections.abc import Callable
from typing import Any

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from psycopg.errors import LockNotAvailable
from sqlalchemy import Connection, text
from sqlalchemy.exc import OperationalError

from app.db import get_engine, get_patient_engine
from app.models import Base
from app.resources import MIGRATIONS
from workers.platform.folder import Unusable

_LOCK = 0x686F6E65  # any number that nobody else locks: "hone"
_WAIT = 1.0  # seconds
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
    each step. All in one transaction: its lock lets several starting processes take turns, and goes with the connection
    of one that is killed. Whoever waits for a table holds up everybody who comes after, so it waits for a second at
    most, lets go of everything, and begins again.
    """
    tries = _TRIES
    while True:
        try:
            with get_patient_engine().begin() as connection:
                connection.execute(text("select pg_advisory_xact_lock(:key)"), {"key": _LOCK})
                connection.execute(text(f"set local lock_timeout = '{_WAIT:.0f}s'"))
                return _upgrade(connection, before, tell)
        except OperationalError as error:
            if not isinstance(error.orig, LockNotAvailable):
                raise
        tries -= 1
        if not tries:
            raise Unusable(
                "The database is in use by a long transaction, so it could not be upgraded; nothing was changed. "
                "End that transaction, or stop the other processes of Hone, and start again."
            )
        tell("A table is in use by a long transaction; trying again.")
        time.sleep(_WAIT)


def _upgrade(connection: Connection, before: Callable[[str], object], tell: Callable[[str], None]) -> bool:
    alembic = config()
    scripts = ScriptDirectory.from_config(alembic)
    current = MigrationContext.configure(connection).get_current_revision()
    check_known(scripts, current)
    if current == scripts.get_current_head():
        return False
    alembic.attributes["connection"] = connection
    if current is not None:
        before(current)
        alembic.attributes["on_version_apply"] = _steps(scripts, current, tell)
    command.upgrade(alembic, "head")
    return True


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
