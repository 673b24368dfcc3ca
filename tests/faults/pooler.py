"""A real PgBouncer before the tests' PostgreSQL."""

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from sqlalchemy import make_url

from tests.faults.proxy import Proxy
from tests.ports import free_port


@contextmanager
def pooler(database: str, folder: Path, pool_mode: str, *more: str) -> Iterator[str]:
    """The address of `database` by way of a PgBouncer with this pool_mode; its folder is made for it."""
    given, port = make_url(database), free_port()
    url = f"postgresql://postgres@127.0.0.1:{port}/{given.database}"
    program = shutil.which("pgbouncer") or "/usr/sbin/pgbouncer"
    user = ("-u", "nobody") if os.geteuid() == 0 else ()  # it does not run as root
    folder.mkdir()
    # By way of a proxy, since the folder of the server's socket may be closed to that user.
    with Proxy(os.path.join(str(given.query["host"]), ".s.PGSQL.5432")) as server, (folder / "log").open("wb") as log:
        config = folder / "pgbouncer.ini"
        config.write_text(
            f"[databases]\n* = host=127.0.0.1 port={server.port} user=postgres\n"
            f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\nauth_type = any\n"
            f"pool_mode = {pool_mode}\ndefault_pool_size = 5\nmax_client_conn = 200\n" + "\n".join(more)
        )
        process = subprocess.Popen([program, *user, str(config)], stdout=log, stderr=subprocess.STDOUT, cwd="/")
        try:
            _wait_for(url, process, folder / "log")
            yield url
        finally:
            process.terminate()
            try:
                process.wait(20)
            finally:
                process.kill()
                process.wait()


def _wait_for(url: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + 20
    while True:
        try:
            psycopg.connect(url, connect_timeout=5).close()
            return
        except psycopg.OperationalError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(log.read_text()) from None
            time.sleep(0.1)
