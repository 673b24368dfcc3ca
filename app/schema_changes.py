"""Changes of tables that are in use, for migrations: nobody waits for one of them for a second.

A migration of a table that grows with the labels consists of such calls and nothing else. Each commits what came
before it, does its own work in transactions of its own, and does not mind being repeated: a migration that was killed,
or that gave way to a long transaction, is run again from its start. Tables, columns and conditions come from the
migration's author, never from anybody's input. Knows no table.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa
from alembic import op

BATCH = 2_000  # rows, which stay locked for some hundredths of a second


def add_column(table: str, column: sa.Column[Any]) -> None:
    """A column that may be empty, or whose default is a constant: the rows are not written again."""
    op.add_column(table, column, if_not_exists=True)
    with _each_statement_by_itself():
        pass


def add_constraint(table: str, name: str, rule: str) -> None:
    """A check or a foreign key, as `check (seconds < 3600)` in SQL. It holds for new rows at once; the old ones are
    read while people go on."""
    already = "select true from pg_constraint where conrelid = to_regclass(:of) and conname = :name"
    if not _found(already, table, name):
        op.execute(f'alter table "{table}" add constraint "{name}" {rule} not valid')
    with _each_statement_by_itself():
        op.execute(f'alter table "{table}" validate constraint "{name}"')


def add_index(name: str, table: str, columns: list[str | sa.TextClause], **options: Any) -> None:
    """An index, as by `op.create_index`, which is made while people write. What a killed migration has left of it is
    dropped first."""
    with _each_statement_by_itself():
        whole = _found(
            "select indisvalid from pg_index where indrelid = to_regclass(:of) and indexrelid = to_regclass(:name)",
            table,
            name,
        )
        if whole is False:
            op.drop_index(name, table, postgresql_concurrently=True)
        if not whole:
            op.create_index(name, table, columns, postgresql_concurrently=True, **options)


def require(table: str, column: str) -> None:
    """Make a column that is filled in every row NOT NULL: a check is proved first, which spares the reading of the rows
    under a lock."""
    proof = f"{table}_{column}_given"
    add_constraint(table, proof, f'check ("{column}" is not null)')
    op.alter_column(table, column, nullable=False)
    op.drop_constraint(proof, table)
    with _each_statement_by_itself():
        pass


def fill(table: str, values: str, where: str) -> None:
    """Write `values` (as `seconds = 0`) to the rows there are where that is still to do (as `seconds is null`), a batch
    at a time. The table has a key `id`, a number."""
    batch = sa.text(
        f"""
        with chosen as (
            select id from "{table}" where id > :last and id <= :end and ({where}) order by id limit {BATCH}
        ), written as (
            update "{table}" set {values} where id in (select id from chosen)
        )
        select max(id) from chosen
        """  # noqa: S608  the words of a migration
    )
    with _each_statement_by_itself():
        connection, last = op.get_bind(), 0
        end = connection.execute(sa.select(sa.func.max(sa.column("id"))).select_from(sa.table(table))).scalar() or 0
        while (done := connection.execute(batch, {"last": last, "end": end}).scalar()) is not None:
            last = done


@contextmanager
def _each_statement_by_itself() -> Iterator[None]:
    with op.get_context().autocommit_block():
        yield


def _found(question: str, table: str, name: str) -> bool | None:
    found: bool | None = op.get_bind().execute(sa.text(question), {"of": f'"{table}"', "name": name}).scalar()
    return found
