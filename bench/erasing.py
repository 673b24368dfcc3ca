"""How long a person with 100,000 labels takes to be deleted with them, and what people who label notice meanwhile.

    make bench-erasing      # some four minutes, most of them for making the labels; 4 GB of disk
    python -m bench.erasing --divisor 50      # a try

One web process on an embedded PostgreSQL with the project of bench-pages, of which one person has labelled 100,000
pairs and a snapshot holds all labels. Six people label through the JSON API, a quarter of a second of thought between
their requests, while this process deletes as a worker would. Fails where a request takes two seconds or fails, a
transaction takes three, or anything is left.
"""

import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from sqlalchemy import Connection, text

from app.db import get_engine, task_session
from app.erasing import in_parts, person
from app.models import Run, RunState, User
from bench.erasing_beside import PEOPLE, Timed, beside
from bench.exports import served
from bench.pairs import report, say
from rlhf.config import Doc, Ge, parse_config, run_cli

LIMIT, LONGEST, WHO = 2.0, 3.0, 50
LABELLED = """
set session_replication_role = replica;
create temporary table given as
  select (select max(id) from assignment) + row_number() over () as id, id as item_id from (
    select item.id from item where not exists (select from label where item_id = item.id) and purpose = 'train'
      order by id desc limit :more) item;
insert into assignment (id, project_id, item_id, annotator_id, "order", state, leased_at, expires_at)
    overriding system value select id, 1, item_id, :who, '{0,1}', 'labelled', now(), now() from given;
insert into label (project_id, item_id, annotator_id, assignment_id, value, seconds, "order")
  select 1, item_id, :who, id, '{"kind": "comparison", "choice": "first", "strength": null, "questions": {}}',
    9, '{0,1}' from given;
insert into preference (label_id, question, first, second, outcome, probability)
  select id, '', 0, 1, 'first', 1 from label where not exists (select from preference where label_id = label.id);
insert into snapshot_label (snapshot_id, label_id)
  select 1, id from label where not exists (select from snapshot_label where label_id = label.id);
update item set slots_left = slots_left - 1 where id in (select item_id from given);
update snapshot set label_count = (select count(*) from snapshot_label);
set session_replication_role = default;
select setval(pg_get_serial_sequence('assignment', 'id'), (select max(id) from assignment));
vacuum analyze
"""
LEFT = """
select (select count(*) from label where annotator_id = :who), (select count(*) from assignment
  where annotator_id = :who), (select count(*) from conversation where user_id = :who), (select count(*) from item
  where slots_left <> greatest(0, overlap_target
    - (select count(*) from assignment where item_id = item.id and state = 'open')
    - (select count(*) from label where item_id = item.id and superseded_at is null and not surplus))
  and id in (select item_id from label where created_at > now() - interval '1 hour'))
"""


@dataclass(frozen=True)
class ErasingConfig:
    """Delete a person while others label."""

    divisor: Annotated[int, Ge(1), Doc("Makes the project so many times smaller, for a try.")] = 1


def fill(connection: Connection, divisor: int) -> None:
    """Label what is missing to 100,000 by one person."""
    given = LABELLED.replace(":who", str(WHO)).replace(":more", str(97_000 // divisor))
    for statement in given.strip().split(";\n"):
        connection.exec_driver_sql(statement)


def erase() -> dict[str, Any]:
    """Delete them, a transaction at a time; how long each took."""
    with task_session() as session:
        for run in session.query(Run).filter(Run.state == RunState.RUNNING):
            run.state = RunState.SUCCEEDED
    asked, timed = Timed(), Timed()
    with asked() as session:
        labels = person.outlook(session, session.get_one(User, WHO), with_labels=True).goes["labels"]
    with timed() as session:
        person.erase(session, None, session.get_one(User, WHO), with_labels=True)
    in_parts.go_on(timed, WHO)
    return {"labels": labels, "outlook_s": round(asked.took[0], 2)} | timed.figures()


def main(argv: list[str]) -> None:
    config = parse_config(ErasingConfig, argv, prog="python -m bench.erasing")
    temporary = tempfile.TemporaryDirectory(prefix="hone-bench-", ignore_cleanup_errors=True)
    with temporary as folder, served(Path(folder), PEOPLE, config.divisor, lambda c: fill(c, config.divisor)) as url:
        say("the labels are there; people begin")
        found = beside(url, erase)
        with get_engine().connect() as connection:
            found["left"] = list(connection.execute(text(LEFT), {"who": WHO}).one())
        get_engine().dispose()
    report({"bench": "erasing"} | found)
    quick = found["labelling"]["slowest_ms"] < 1000 * LIMIT and found["longest_s"][0] < LONGEST
    sys.exit(0 if quick and not any(found["left"]) else 1)


if __name__ == "__main__":
    run_cli(main)
