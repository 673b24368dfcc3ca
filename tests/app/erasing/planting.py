"""Marks in every column of the database that can hold words: one for each column, with a number for each row.

The columns come from the database itself. A new one must either hold its mark, or say below why it cannot.
"""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import redis
from sqlalchemy import Enum, text
from sqlalchemy.orm import Session

from app.models import Base

MARK = re.compile(r"Quetz\d{3}q")

WORDLESS = {
    "alembic_version.version_num": "the schema's version",
    "api_token.scopes": "a fixed set of names",
    "audit_event.action": "named by our code",
    "audit_event.subject_type": "the name of a table",
    "item.expected": "a place among the responses",
    "item.kind": "the name of a kind",
    "live_head.report": "numbers and a state",
    "model.answers_from": "the name of a source",
    "project.automation": "numbers and switches",
    "project.plan": "numbers of models and settings",
    "project.sampling": "numbers and fixed names",
    "run.method": "the name of a method",
    "scheduler.leader": "the name of a process",
    "snapshot.raters": "counts by the number of a person",
}
# Documents are checked when they are read; each has the mark in the place of @.
DOCUMENTS: dict[str, Any] = {
    "audit_event.details": {"name": "@"},
    "import_progress.counts": {"@": 1},
    "instructions.asked": {"questions": [{"id": "q", "text": "@"}], "reasons": [], "comment": "off", "kinds": {}},
    "item.extra": {"@": "@"},
    "label.extra": {"@": "@"},
    "label.reasons": ["@"],
    "label.value": {"kind": "comparison", "choice": "first", "strength": None, "questions": {"@": "first"}},
    "model.metrics": {"question": "@"},
    "project.answer": {"questions": [{"id": "@", "text": "@"}]},
    "prompt.extra": {"@": "@"},
    "prompt.flags": ["@"],
    "prompt.html": ["@"],
    "prompt.messages": [{"role": "user", "content": "@"}],
    "response.extra": {"@": "@"},
    "run.config": {"kind": "scoring", "texts": [{"prompt": [{"role": "user", "content": "@"}], "response": "@"}]},
    "run.summary": {"notes": {"@": 1}},
    "run_sample.details": {"@": "@"},
    "run_sample.prompt": [{"role": "user", "content": "@"}],
    "snapshot.deleted": {"labels": 1, "hash": "@", "verified": False},
    "user.keys": {"@": "@"},
}
# What the rows have to be, where not all can hold it.
ROWS = {
    "assignment.skip_reason": "state = 'skipped'",
    "assignment.skip_note": "state = 'skipped'",
    "label.value": "value ->> 'kind' = 'comparison'",
    "model.source": "source is not null",
    "response.imported_from": "imported_from is not null",
    "run.config": "config ->> 'kind' = 'scoring'",
    "snapshot.deleted": "deleted is not null",
}
_COLUMNS = text(
    """
    select table_name, column_name, data_type, coalesce(character_maximum_length, 200)
    from information_schema.columns
    where table_schema = 'public' and (data_type in ('text', 'character varying', 'character', 'json', 'jsonb', 'xml')
        or data_type = 'ARRAY' and udt_name in ('_text', '_varchar', '_jsonb'))
    order by table_name, column_name
    """
)


def columns(session: Session) -> Iterator[tuple[str, str, str, int]]:
    """(table, column, type, length) of all that can hold words."""
    for table, column, kind, length in session.execute(_COLUMNS):
        known = Base.metadata.tables.get(table)
        closed = known is not None and isinstance(known.c[column].type, Enum)
        if not closed and f"{table}.{column}" not in WORDLESS:
            yield table, column, kind, length


def plant(session: Session, belongs: Callable[[str], str] = lambda table: "true") -> dict[str, str]:
    """Write a mark into each column of the rows that `belongs` says of a table, as SQL; the columns by their marks."""
    marks: dict[str, str] = {}
    session.execute(text("set local session_replication_role = replica"))  # a key may hold a mark as well
    for number, (table, column, kind, length) in enumerate(columns(session)):
        name, mark = f"{table}.{column}", f"Quetz{number:03d}q"
        marks[mark] = name
        words = f"left('{mark}-' || row.number, {length})"
        if kind == "ARRAY":
            words = f"array[{words}]"
        elif kind == "jsonb":
            assert name in DOCUMENTS, f"{name}: say what it may hold, or why no words"
            document = json.dumps(DOCUMENTS[name]).replace("'", "''")
            words = f"replace('{document}', '@', {words})::jsonb"
        session.execute(
            text(
                f"""with row as (select ctid as place, row_number() over () as number from "{table}"
                    where ({belongs(table)}) and ({ROWS.get(name, "true")}))
                update "{table}" set "{column}" = {words} from row where "{table}".ctid = row.place"""
                .replace(":", r"\:")
            )
        )  # fmt: skip
    session.execute(text("set local session_replication_role = default"))
    session.expire_all()
    return marks


def found(session: Session, marks: dict[str, str], folder: Path, queue: str, logs: str) -> dict[str, set[str]]:
    """The columns whose marks are anywhere, and where: tables, folders of files, Valkey's keys and values, logs."""
    places: dict[str, set[str]] = {}

    def look(where: str, said: str) -> None:
        for mark in MARK.findall(said):
            places.setdefault(marks[mark], set()).add(where)

    for (table,) in session.execute(text("select tablename from pg_tables where schemaname = 'public'")).all():
        for (row,) in session.execute(text(f'select t::text from "{table}" t')):
            look(table, row)
    for path in folder.rglob("*"):
        where = "/".join(path.relative_to(folder).parts[:2])
        look(where, str(path) + (path.read_bytes().decode(errors="replace") if path.is_file() else ""))
    client = redis.Redis.from_url(queue)
    for key in client.scan_iter("*"):
        look("queue", key.decode(errors="replace"))
        look("queue", (client.dump(key) or b"").decode(errors="replace"))
    look("logs", logs)
    return places
