"""Alembic's environment: the schema of app.models on the database of DATABASE_URL."""

from alembic import context

from app.db import get_patient_engine
from app.models import Base

config = context.config


def run_migrations_online() -> None:
    """Migrate on the connection handed in by the caller (hone up, tests) or on one of our own. Each migration is a
    transaction of its own, or several; what the caller had begun is committed first."""
    connection = config.attributes.get("connection")
    if connection is not None:
        _migrate(connection)
        return
    with get_patient_engine().connect() as own:
        _migrate(own)


def _migrate(connection) -> None:  # type: ignore[no-untyped-def]
    connection.commit()
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        transaction_per_migration=True,
        on_version_apply=config.attributes.get("on_version_apply"),
    )
    with context.begin_transaction():
        context.run_migrations()


run_migrations_online()
