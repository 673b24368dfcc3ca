"""PostgreSQL and Redis as the distribution packages them, each with a password, on an address of our choice."""

import secrets
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import redis
from psycopg.sql import SQL

from workers.platform.processes import spawn, stop


@contextmanager
def postgres(address: str) -> Iterator[str]:
    """A server with the role and the database `hone`; its address for DATABASE_URL."""
    programs = max(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda folder: int(folder.parent.name))
    # It refuses to run as root; where we are killed, it ends too.
    as_postgres = ("setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", "--pdeathsig=KILL", "--")
    admin, password = secrets.token_urlsafe(18), secrets.token_urlsafe(18)
    with tempfile.TemporaryDirectory(prefix="hone-postgres-") as name:
        folder = Path(name)
        (folder / "password").write_text(admin)
        subprocess.run(["chown", "-R", "postgres", name], check=True)
        subprocess.run(
            [*as_postgres, programs / "initdb", "--pgdata", folder / "data", "--pwfile", folder / "password",
             "--auth", "scram-sha-256", "--encoding", "UTF8", "--locale", "C.UTF-8"],
            check=True, capture_output=True, cwd=folder,
        )  # fmt: skip
        with (folder / "data" / "pg_hba.conf").open("a") as rules:
            rules.write("host hone hone samenet scram-sha-256\n")
        with (folder / "log").open("wb") as log:
            server = spawn(
                [*as_postgres, str(programs / "postgres"), "-D", f"{folder}/data", "-h", f"{address},127.0.0.1",
                 "-p", "5432", "-k", name],
                output=log, cwd=folder,
            )  # fmt: skip
        try:
            _until(lambda: psycopg.connect(f"host={name} user=postgres password={admin}").close(), folder / "log")
            with psycopg.connect(f"host={name} user=postgres password={admin}", autocommit=True) as connection:
                connection.execute(SQL("create role hone login password {}").format(password))
                connection.execute("create database hone owner hone")
            yield f"postgresql://hone:{password}@{address}:5432/hone"
        finally:
            stop(server, 20)


@contextmanager
def redis_server(address: str) -> Iterator[str]:
    """A server that keeps nothing on disk; its address for REDIS_URL."""
    password = secrets.token_urlsafe(18)
    with tempfile.TemporaryDirectory(prefix="hone-redis-") as name:
        log, rules = Path(name, "log"), Path(name, "redis.conf")
        rules.write_text(f"bind {address}\nport 6379\nrequirepass {password}\nmaxmemory-policy noeviction\nsave ''\n")
        with log.open("wb") as output:
            server = spawn(["redis-server", str(rules)], output=output, cwd=Path(name))
        try:
            with redis.Redis(address, 6379, password=password) as client:
                _until(client.ping, log)
            yield f"redis://:{password}@{address}:6379/0"
        finally:
            stop(server, 20)


def _until(answers: Callable[[], object], log: Path) -> None:
    deadline = time.monotonic() + 30
    while True:
        try:
            answers()
        except (psycopg.OperationalError, redis.ConnectionError):
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.2)
        else:
            return
