"""Many rows of one table by one statement: they travel beside it as one JSON text, which the server takes apart by the
columns' types. Knows no table.

A statement with a value for each column of each row takes the driver and the server longer to read than to execute.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any
from typing import cast as cast_to

from sqlalchemy import ARRAY, JSON, BigInteger, ColumnElement, Table, Text, any_, cast, column, func, literal, select
from sqlalchemy.dialects.postgresql import Insert, dialect, insert
from sqlalchemy.orm import DeclarativeBase, InstrumentedAttribute, Session
from sqlalchemy.types import TypeDecorator

_DIALECT = dialect()  # type: ignore[no-untyped-call]


def inserting(table: type[DeclarativeBase], rows: Sequence[Mapping[str, Any]]) -> Insert:
    """The insert of rows, in their order. They have the same columns, and there is one at least; other columns have
    their defaults."""
    kinds = {name: table.__table__.c[name].type for name in rows[0]}
    given = (
        func.json_to_recordset(cast(literal(_encoded(kinds, rows), Text), JSON))
        .table_valued(*(column(name, kind) for name, kind in kinds.items()), name="given")
        .render_derived(with_types=True)
    )
    plain = cast_to(Table, table.__table__)  # not the mapped class, whose inserts take rows as parameters
    return insert(plain).from_select(list(kinds), select(*given.c))


def _encoded(kinds: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> str:
    """The rows as their columns' types would have them written."""
    typed = {name: kind.process_bind_param for name, kind in kinds.items() if isinstance(kind, TypeDecorator)}
    written = [
        {name: typed[name](value, _DIALECT) if name in typed else value for name, value in row.items()} for row in rows
    ]
    return json.dumps(written, ensure_ascii=False, default=str)  # str: of times


def insert_all(session: Session, table: type[DeclarativeBase], rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert rows that have the same columns, if there are any."""
    if rows:
        session.execute(inserting(table, rows))


def new_ids(session: Session, table: type[DeclarativeBase], count: int) -> list[int]:
    """So many ids, ascending, for rows that are inserted next: what refers to them need not wait for a response."""
    sequence = func.pg_get_serial_sequence(f'"{table.__tablename__}"', "id")
    found = session.scalars(select(func.nextval(sequence)).select_from(func.generate_series(1, count).alias()))
    return sorted(found)


def among(attribute: InstrumentedAttribute[Any], values: Sequence[Any]) -> ColumnElement[bool]:
    """Whether a column has one of many values, which travel as one array."""
    kind = BigInteger() if isinstance(attribute.type, BigInteger) else Text()
    return attribute == any_(literal(list(values), ARRAY(kind)))
