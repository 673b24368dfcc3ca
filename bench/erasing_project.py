"""How long a project with 300,000 labels takes to be deleted, and what people who label in another notice meanwhile.

    python -m bench.erasing_project                 # some four minutes, most of them for making it; 4 GB of disk
    python -m bench.erasing_project --divisor 50    # a try

One web process on an embedded PostgreSQL with the project of bench-pages, and a small one beside it. Six people label
in the small one through the JSON API, a quarter of a second of thought between their requests, while this process
deletes the large one as a worker would. Fails where a request takes two seconds or fails, a transaction takes three, or
anything is left.
"""

import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from sqlalchemy import Connection, text

from app.db import get_engine
from app.erasing import project, project_in_parts
from app.models import Base, Project
from bench.erasing_beside import PEOPLE, Timed, beside
from bench.exports import served
from bench.pairs import report, say
from rlhf.config import Doc, Ge, parse_config, run_cli

LIMIT, LONGEST = 2.0, 3.0
SMALL = """
insert into project (id, name, base_model_id, answer, sampling, automation, overlap, queue_depth)
  overriding system value values (2, 'Small', 1, '{}', '{}', '{}', 1, 500);
insert into member (project_id, user_id, role) select 2, user_id, role from member where project_id = 1;
insert into prompt (project_id, messages, content_hash, source, status, split)
  select 2, messages, content_hash, source, status, 'train' from prompt where id <= 1000;
insert into response (prompt_id, model_id, text, finish_reason, token_count, strategy)
  select id, 1, 'Answer ' || n, 'stop', 3, 'stochastic' from prompt, generate_series(1, 6) n where project_id = 2;
insert into item (project_id, prompt_id, kind, ordinal, purpose, level, rank, overlap_target, slots_left)
  select 2, id, 'comparison', n, 'train', 2, random(), 1, 1 from prompt, generate_series(0, 2) n where project_id = 2;
insert into item_response (item_id, position, response_id)
  select item.id, place.n, answer.id from item cross join generate_series(0, 1) place (n) join (
    select id, prompt_id, row_number() over (partition by prompt_id order by id) - 1 as n from response
    where prompt_id in (select id from prompt where project_id = 2)
  ) answer on answer.prompt_id = item.prompt_id and answer.n = 2 * item.ordinal + place.n where item.project_id = 2;
update run set state = 'succeeded' where state = 'running';
update project set archived_at = now() where id = 1;
vacuum analyze
"""


@dataclass(frozen=True)
class ErasingProjectConfig:
    """Delete a project while others label."""

    divisor: Annotated[int, Ge(1), Doc("Makes the project so many times smaller, for a try.")] = 1


def fill(connection: Connection) -> None:
    """Make the small project, in which people label."""
    for statement in SMALL.strip().split(";\n"):
        connection.exec_driver_sql(statement)


def erase() -> dict[str, Any]:
    """Delete the large one, a transaction at a time; how long each took."""
    asked, timed = Timed(), Timed()
    with asked() as session:
        goes = project.outlook(session, session.get_one(Project, 1)).goes
    with timed() as session:
        project.erase(session, session.get_one(Project, 1), None)
    project_in_parts.go_on(timed, 1)
    about = {name: goes[name] for name in ("labels", "items", "prompts")}
    return about | {"outlook_s": round(asked.took[0], 2)} | timed.figures()


def left(connection: Connection) -> int:
    """Rows that still name it."""
    named = [table.name for table in Base.metadata.tables.values() if "project_id" in table.c]
    looks = [f'select count(*) from "{name}" where project_id = 1' for name in named]
    rows = connection.execute(text(" union all ".join([*looks, "select count(*) from project where id = 1"])))
    return sum(int(row[0]) for row in rows)


def main(argv: list[str]) -> None:
    config = parse_config(ErasingProjectConfig, argv, prog="python -m bench.erasing_project")
    temporary = tempfile.TemporaryDirectory(prefix="hone-bench-", ignore_cleanup_errors=True)
    with temporary as folder, served(Path(folder), PEOPLE, config.divisor, fill) as url:
        say("the projects are there; people begin")
        found = beside(url, erase, project_id=2)
        with get_engine().connect() as connection:
            found["left"] = left(connection)
        get_engine().dispose()
    report({"bench": "erasing_project"} | found)
    quick = found["labelling"]["slowest_ms"] < 1000 * LIMIT and found["longest_s"][0] < LONGEST
    sys.exit(0 if quick and not found["left"] else 1)


if __name__ == "__main__":
    run_cli(main)
