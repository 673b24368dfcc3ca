"""Bring the database to this code's schema, one process at a time."""

from pathlib import Path

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, text

from app.db import get_engine
from app.models import Base
from workers.folder import Unusable

_LOCK = 0x686F6E65  # any number that nobody else locks: "hone"


def config() -> Config:
    """Alembic's configuration, from pyproject.toml beside the packages."""
    return Config(toml_file=str(Path(__file__).parents[1] / "pyproject.toml"))


def migrate() -> bool:
    """Upgrade the database of DATABASE_URL; whether there was anything to do. Unusable where it is too new.

    The advisory lock lets several starting processes take turns; it goes with its connection, so a killed one frees it.
    """
    with get_engine().connect() as connection:
        connection.execute(text("select pg_advisory_lock(:key)"), {"key": _LOCK})
        connection.commit()
        try:
            return _upgrade(connection)
        finally:
            connection.execute(text("select pg_advisory_unlock(:key)"), {"key": _LOCK})
            connection.commit()


def _upgrade(connection: Connection) -> bool:
    alembic = config()
    scripts = ScriptDirectory.from_config(alembic)
    current = MigrationContext.configure(connection).get_current_revision()
    connection.commit()
    check_known(scripts, current)
    if current == scripts.get_current_head():
        return False
    alembic.attributes["connection"] = connection
    command.upgrade(alembic, "head")
    connection.commit()
    return True


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
