"""The embedded servers: paths, orphans, locks; and what is said of real servers that cannot be used."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import psycopg
import pytest
import redis
from sqlalchemy.engine import make_url

from app.settings import Settings
from tests.children import ended
from workers.platform import services
from workers.platform.folder import FolderInUse, Unusable, lock, prepare_folder
from workers.platform.postgres import EmbeddedPostgres
from workers.platform.servers import check_postgres, check_redis
from workers.platform.valkey import EmbeddedValkey

START = """
import os, sys, time
from app.settings import get_settings
from workers.platform import services
from workers.platform.folder import prepare_folder
settings = get_settings()
running = services.start(settings, prepare_folder(settings))
print(running.database_url, running.redis_url, flush=True)
time.sleep(60)
"""


def test_the_log_of_the_database_has_nothing_of_rows(tmp_path: Path) -> None:
    for name in ("logs", "run"):
        (tmp_path / name).mkdir()
    server = EmbeddedPostgres(tmp_path)
    server.start()
    try:
        with psycopg.connect(server.url, autocommit=True) as connection:
            connection.execute("create table person (email text unique)")
            connection.execute("insert into person values (%s)", ["ana@example.org"])
            with pytest.raises(psycopg.errors.UniqueViolation, match=r"ana@example\.org"):
                connection.execute("insert into person values (%s)", ["ana@example.org"])
    finally:
        server.stop()
    said = server.log.read_text()
    assert "duplicate key value violates unique constraint" in said
    assert "ana@example.org" not in said


def test_a_long_path_with_spaces_serves_stops_and_keeps_its_data(tmp_path: Path) -> None:
    closed = tmp_path / "nobody else may enter"
    closed.mkdir(mode=0o700)
    settings = Settings(data_dir=closed / ("a long name " * 8).strip() / ("and another one " * 5).strip())
    before = {path: path.stat().st_mode for path in (closed, *closed.parents)}
    folder = prepare_folder(settings)
    for attempt in range(2):
        began = time.monotonic()
        running = services.start(settings, folder)
        assert attempt == 0 or time.monotonic() - began < 15, "the second start is not quick"
        with psycopg.connect(running.database_url, autocommit=True) as connection:
            connection.execute("create table if not exists kept (n int)")
            connection.execute("insert into kept values (1)")
            assert connection.execute("select count(*) from kept").fetchone() == (attempt + 1,)
        with redis.Redis.from_url(running.redis_url) as client:
            assert client.rpush("kept", "x") == attempt + 1
        running.stop()
        assert not EmbeddedPostgres(folder).running()
        assert not EmbeddedValkey(folder).running()
    assert folder.stat().st_mode & 0o077 == 0
    assert {path: path.stat().st_mode for path in before} == before, "a parent folder was opened"


def test_servers_end_with_a_killed_parent_and_start_again(tmp_path: Path) -> None:
    environment = dict(os.environ) | {"HONE_DATA_DIR": str(tmp_path / "data")}
    for name in ("DATABASE_URL", "REDIS_URL"):
        environment.pop(name, None)
    parent = ended(subprocess.Popen([sys.executable, "-c", START], env=environment, stdout=subprocess.PIPE, text=True))
    assert parent.stdout is not None
    database_url, redis_url = parent.stdout.readline().split()
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("create table kept (n int)")
    parent.kill()
    parent.wait()
    settings = Settings(data_dir=tmp_path / "data")
    running = services.start(settings, prepare_folder(settings))  # at once, while the old ones may still be stopping
    try:
        assert running.redis_url == redis_url
        with psycopg.connect(running.database_url) as connection:
            assert connection.execute("select count(*) from kept").fetchone() == (0,)
    finally:
        running.stop()


def test_an_orphaned_server_is_adopted_and_stopped(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "data")
    folder = prepare_folder(settings)
    first = services.start(settings, folder)  # the first one forgets its servers, as where the system spares orphans
    second = services.start(settings, folder)
    assert (first.database_url, first.redis_url) == (second.database_url, second.redis_url)
    pids = [server.process.pid for server in first.embedded if server.process]
    assert len(pids) == 2
    second.stop()
    for server in first.embedded:
        assert server.process is not None
        server.process.wait(10)
    assert not any(psutil.pid_exists(pid) for pid in pids)


def test_a_killed_postgres_recovers_what_was_committed(tmp_path: Path) -> None:
    folder = prepare_folder(Settings(data_dir=tmp_path / "data"))
    server = EmbeddedPostgres(folder)
    server.start()
    with psycopg.connect(server.url, autocommit=True) as connection:
        connection.execute("create table kept as select generate_series(1, 1000) as n")
    assert server.process is not None
    os.kill(int((server.data / "postmaster.pid").read_text().split()[0]), signal.SIGKILL)
    server.process.wait()
    assert not server.alive()
    server.start()
    try:
        with psycopg.connect(server.url) as connection:
            assert connection.execute("select count(*) from kept").fetchone() == (1000,)
    finally:
        server.stop()


def test_a_lock_that_an_ending_server_still_holds_is_waited_for(tmp_path: Path) -> None:
    server = EmbeddedPostgres(prepare_folder(Settings(data_dir=tmp_path / "data")))
    server.start()
    server.stop()
    # Alive, of the same user, known by its number alone.
    ending = ended(subprocess.Popen(server._as_server(["sleep", "1.5"])))
    lock_file = server.data / "postmaster.pid"
    lock_file.write_text(f"{ending.pid}\n{server.data}\n")
    os.chown(lock_file, server.data.stat().st_uid, -1)
    waiting = threading.Thread(target=ending.wait)
    waiting.start()
    server.start()
    server.stop()
    waiting.join()


def test_strangers_cannot_send_to_the_queue(tmp_path: Path) -> None:
    server = EmbeddedValkey(prepare_folder(Settings(data_dir=tmp_path / "data")))
    server.start()
    try:
        port = server.url.rsplit(":", 1)[1].split("/")[0]
        with redis.Redis(port=int(port)) as stranger, pytest.raises(redis.AuthenticationError):
            stranger.ping()
        assert (server._address.stat().st_mode & 0o077, server._config.stat().st_mode & 0o077) == (0, 0)
    finally:
        server.stop()


def test_a_folder_has_one_holder_who_is_named(tmp_path: Path) -> None:
    with lock(tmp_path), pytest.raises(FolderInUse, match=str(os.getpid())), lock(tmp_path):
        pass
    with lock(tmp_path):
        pass


def test_a_command_elsewhere_makes_no_database_of_its_own_there(tmp_path: Path) -> None:
    command = [str(Path(sys.executable).with_name("hone")), "import", "pairs.csv", "--project", "1"]
    (tmp_path / "pairs.csv").write_text("prompt,chosen,rejected\nWhy?,So.,No.\n")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("HONE_", "DATABASE_"))}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: There is no platform's data in {tmp_path}/.hone. Run this where `hone up`")
    assert [path.name for path in tmp_path.iterdir()] == ["pairs.csv"]


def test_a_data_folder_that_is_a_file_is_refused_with_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("not a folder")
    with pytest.raises(Unusable, match="HONE_DATA_DIR"):
        prepare_folder(Settings(data_dir=tmp_path / "data"))


def test_a_database_of_another_version_is_refused(tmp_path: Path) -> None:
    folder = prepare_folder(Settings(data_dir=tmp_path / "data"))
    server = EmbeddedPostgres(folder)
    server.data.mkdir()
    (server.data / "PG_VERSION").write_text("16\n")
    with pytest.raises(Unusable, match="PostgreSQL 16"):
        server.start()


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("postgresql://u:secret@127.0.0.1:1/x", "no PostgreSQL server answers"),
        ("postgresql://u:secret@no-such-host.invalid/x", "no PostgreSQL server answers"),
        ("mysql://u:secret@localhost/x", "needs PostgreSQL"),
        ("nonsense", "not an address"),
    ],
)
def test_an_unusable_database_address_is_explained_without_its_password(url: str, says: str) -> None:
    with pytest.raises(Unusable, match=says) as caught:
        check_postgres(url)
    assert "secret" not in str(caught.value)


def test_a_wrong_password_user_or_database_is_explained(postgres_url: str, tmp_path: Path) -> None:
    base = make_url(postgres_url)
    with pytest.raises(Unusable, match="createdb nothing_here"):
        check_postgres(base.set(database="nothing_here").render_as_string(hide_password=False))
    with pytest.raises(Unusable, match="no user nobody_here"):
        check_postgres(base.set(username="nobody_here").render_as_string(hide_password=False))
    assert int(check_postgres(postgres_url).split(".")[0]) >= 15


def test_a_redis_that_cannot_be_used_is_explained(tmp_path: Path) -> None:
    with pytest.raises(Unusable, match="no Redis or Valkey answers"):
        check_redis("redis://:secret@127.0.0.1:1/0")
    with pytest.raises(Unusable, match="not an address"):
        check_redis("nonsense")
    server = EmbeddedValkey(prepare_folder(Settings(data_dir=tmp_path / "data")))
    server.start()
    try:
        assert int(check_redis(server.url).split(".")[0]) >= 8
        address = server.url.split("@")[1]
        for wrong in (f"redis://:wrong@{address}", f"redis://{address}"):
            with pytest.raises(Unusable, match="password"):
                check_redis(wrong)
    finally:
        server.stop()
