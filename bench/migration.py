"""What people who label notice while the table of labels is changed, at 1,000,000 items and 3,000,000 labels.

    make bench-migration      # about ten minutes, most of them for making the labels; 8 GB of disk
    python -m bench.migration --divisor 50      # a try

One web process on an embedded PostgreSQL with the project of bench-pages, every item of it labelled three times. Six
people label through the JSON API, a quarter of a second of thought between their requests, and a manager reads the
list of labels, while a migration adds a column with a default, a check and an index to `label`. Fails where a request
takes two seconds or fails, a label is lost, or the migration has left something undone.
"""

import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import Annotated, Any
from unittest import mock

from sqlalchemy import Connection, text

from app.db import get_engine
from app.resources import MIGRATIONS
from bench.exports import client, served
from bench.pages import MANAGER
from bench.pairs import report, say
from rlhf.config import Doc, Ge, parse_config, run_cli
from workers.platform import migrate as migrating

PEOPLE, THOUGHT, SECONDS, LIMIT = 6, 0.25, 10.0, 2.0
# The items that bench/large_project.sql leaves are labelled three times too, and each wants one label more.
LABELLED = """
set session_replication_role = replica;
update item set overlap_target = 4, slots_left = 1 where purpose <> 'evaluation';
create temporary table given as
  select (select max(id) from assignment) + row_number() over () as id, item.id as item_id,
    1 + (item.id * 37 + turn.n * 31) % 100 as annotator_id
  from item, generate_series(0, 2) turn (n) where not exists (select from label where item_id = item.id);
insert into assignment (id, project_id, item_id, annotator_id, "order", state, leased_at, expires_at)
    overriding system value
  select id, 1, item_id, annotator_id, '{0,1}', 'labelled', now(), now() from given;
insert into label (project_id, item_id, annotator_id, assignment_id, value, seconds, "order")
  select 1, item_id, annotator_id, id, '{"kind": "comparison", "choice": "first", "strength": null, "questions": {}}',
    9, '{0,1}' from given;
insert into preference (label_id, question, first, second, outcome, probability)
  select id, '', 0, 1, 'first', 1 from label where not exists (select from preference where label_id = label.id);
drop table given;
set session_replication_role = default;
select setval(pg_get_serial_sequence('assignment', 'id'), (select max(id) from assignment));
vacuum analyze
"""
CHANGES = '''
"""A column, a check and an index more

Revision ID: 9001
Revises: {head}
"""
import sqlalchemy as sa
from app.schema_changes import add_column, add_constraint, add_index

revision, down_revision = "9001", "{head}"

def upgrade():
    add_column("label", sa.Column("weight", sa.Float(), server_default="1", nullable=False))
    add_constraint("label", "ck_label_weight", "check (weight > 0)")
    add_index("ix_label_weight", "label", ["project_id", "weight"])
'''
MADE = """
select coalesce((select convalidated from pg_constraint where conname = 'ck_label_weight'), false)
  and coalesce((select indisvalid from pg_index where indexrelid = to_regclass('ix_label_weight')), false)
  and not exists (select from label where weight is distinct from 1)
"""


@dataclass(frozen=True)
class MigrationConfig:
    """Change the table of labels while people label."""

    divisor: Annotated[int, Ge(1), Doc("Makes the project so many times smaller, for a try.")] = 1


@dataclass(frozen=True)
class Request:
    """One that was answered, by the clock of this process."""

    began: float
    seconds: float


def fill(connection: Connection) -> None:
    """Label what has no label yet."""
    for statement in LABELLED.strip().split(";\n"):
        connection.exec_driver_sql(statement.replace("%", "%%"))


def label(url: str, user: int, enough: Event, project: int = 1) -> tuple[list[Request], int]:
    """One person's requests, and how many labels they gave."""
    made: list[Request] = []
    with client(url, user, project) as person:

        def post(path: str, body: dict[str, Any]) -> Any:
            began = time.perf_counter()
            answer = person.post(path, json=body)
            made.append(Request(began, time.perf_counter() - began))
            return answer.raise_for_status().json()

        task = post("/label/next", {})["task"]
        while task is not None and not enough.wait(THOUGHT):
            task = post("/label", {"assignment_id": task["assignment_id"], "answer": "left"})["next"]
    return made, len(made) - 1


def read(url: str, enough: Event) -> list[Request]:
    """The requests of a manager who looks at the labels."""
    made: list[Request] = []
    with client(url, MANAGER) as manager:
        while not enough.wait(THOUGHT):
            began = time.perf_counter()
            manager.get("/labels").raise_for_status()
            made.append(Request(began, time.perf_counter() - began))
    return made


@contextmanager
def further_migration() -> Iterator[None]:
    """The migrations there are, and that of CHANGES."""
    with get_engine().connect() as connection:
        head = connection.execute(text("select version_num from alembic_version")).scalar_one()
    with tempfile.TemporaryDirectory(prefix="hone-bench-") as name:
        folder = shutil.copytree(MIGRATIONS, Path(name) / "migrations")
        (folder / "versions" / "9001_more.py").write_text(CHANGES.replace("{head}", head))
        with mock.patch.object(migrating, "MIGRATIONS", folder):
            yield


def beside(url: str) -> dict[str, Any]:
    """The migration beside the people, and what was found."""
    count = text("select count(*) from label")
    with get_engine().connect() as connection:
        before = connection.execute(count).scalar_one()
    enough, told = Event(), list[str]()
    with ThreadPoolExecutor(PEOPLE + 1) as threads:
        people = [threads.submit(label, url, user, enough) for user in range(1, PEOPLE + 1)]
        manager = threads.submit(read, url, enough)
        try:
            time.sleep(SECONDS)
            began = time.perf_counter()
            with further_migration():
                migrating.migrate(tell=told.append)
            ended = time.perf_counter()
            time.sleep(SECONDS)
        finally:
            enough.set()
    with get_engine().connect() as connection:
        kept = connection.execute(count).scalar_one() - before
        whole = bool(connection.execute(text(MADE)).scalar())
    made = {"labelling": [one for each in people for one in each.result()[0]], "reading": manager.result()}
    return {
        "labels_before": before, "labels_given": sum(each.result()[1] for each in people), "labels_kept": kept,
        "migration_s": round(ended - began, 1), "tries": 1 + sum("trying again" in line for line in told),
        "whole": whole, **{name: figures(requests, began, ended) for name, requests in made.items()},
    }  # fmt: skip


def figures(requests: list[Request], began: float, ended: float) -> dict[str, float]:
    """Of those that met the migration, and of the others."""
    met = sorted(one.seconds for one in requests if one.began < ended and one.began + one.seconds > began)
    others = sorted(one.seconds for one in requests if not (one.began < ended and one.began + one.seconds > began))
    found = {"requests": float(len(met))}
    for name, seconds in (("", met), ("_apart", others)):
        found |= {f"p95{name}_ms": seconds[int(0.95 * len(seconds))] * 1000, f"slowest{name}_ms": seconds[-1] * 1000}
    return {name: round(value, 1) for name, value in found.items()}


def main(argv: list[str]) -> None:
    config = parse_config(MigrationConfig, argv, prog="python -m bench.migration")
    temporary = tempfile.TemporaryDirectory(prefix="hone-bench-", ignore_cleanup_errors=True)
    with temporary as folder, served(Path(folder), PEOPLE, config.divisor, fill) as url:
        say("the labels are there; people begin")
        found = beside(url)
        get_engine().dispose()
    report({"bench": "migration"} | found)
    slowest = max(found[name]["slowest_ms"] for name in ("labelling", "reading"))
    well = found["whole"] and found["labels_given"] == found["labels_kept"] and slowest < 1000 * LIMIT
    sys.exit(0 if well else 1)


if __name__ == "__main__":
    run_cli(main)
