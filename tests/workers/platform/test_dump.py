"""An embedded database is copied before its schema changes."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from app.settings import Settings
from workers.platform.dump import dump
from workers.platform.folder import Unusable, prepare_folder
from workers.platform.postgres import EmbeddedPostgres, programs

AT_0012 = """
from alembic import command
from workers.platform.migrate import config
command.upgrade(config(), "0012")
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return prepare_folder(Settings(data_dir=tmp_path / "data"))


@pytest.fixture
def postgres(folder: Path) -> Iterator[EmbeddedPostgres]:
    server = EmbeddedPostgres(folder)
    server.start()
    yield server
    server.stop()


def test_an_upgrade_saves_a_copy_first_and_tells_its_steps(folder: Path, postgres: EmbeddedPostgres) -> None:
    run(AT_0012, DATABASE_URL=postgres.url)
    with psycopg.connect(postgres.url) as connection:
        connection.execute("""insert into "user" (email, name) values ('ada@example.org', 'Ada')""")
    postgres.stop()

    done = hone("migrate", HONE_DATA_DIR=str(folder))
    assert (done.returncode, done.stdout) == (0, "The schema is up to date.\n"), done.stderr
    [copy] = (folder / "dumps").iterdir()
    lines = done.stderr.splitlines()
    assert lines[0] == f"Saving a copy of the database to {copy} before it is upgraded."
    steps = [line for line in lines if line.startswith("Upgrading the database")]
    assert steps[0].startswith(f"Upgrading the database, 1 of {len(steps)}: ")
    assert steps[-1].startswith(f"Upgrading the database, {len(steps)} of {len(steps)}: ")
    assert copy.stat().st_mode & 0o077 == 0
    assert hone("migrate", HONE_DATA_DIR=str(folder)).stderr == ""  # nothing to do: nothing saved, nothing told
    assert [*(folder / "dumps").iterdir()] == [copy]

    postgres.start()
    with psycopg.connect(postgres.url, autocommit=True) as connection:
        connection.execute("create database before")
    old = postgres.url.replace("/hone?", "/before?")
    subprocess.run([programs() / "pg_restore", f"--dbname={old}", copy], check=True)
    with psycopg.connect(old) as connection:
        assert connection.execute('select name, version_num from "user", alembic_version').fetchall() == [
            ("Ada", "0012")
        ]


def test_where_no_copy_can_be_written_nothing_changes(folder: Path, postgres: EmbeddedPostgres) -> None:
    run(AT_0012, DATABASE_URL=postgres.url)
    (folder / "dumps").mkdir()
    (folder / "dumps" / "schema-0012-killed.part").write_text("half of a copy")
    told: list[str] = []
    with pytest.raises(Unusable, match=r"could not be copied .* nothing was changed: .*nowhere.*start again"):
        dump(postgres.url.replace("/hone?", "/nowhere?"), folder, "0012", told.append)
    assert [*(folder / "dumps").iterdir()] == []


def run(code: str, **environment: str) -> None:
    subprocess.run([sys.executable, "-c", code], env=os.environ | environment, check=True)


def hone(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).with_name("hone")), *words]
    inherited = {name: value for name, value in os.environ.items() if name not in ("DATABASE_URL", "REDIS_URL")}
    return subprocess.run(command, env=inherited | environment, text=True, capture_output=True)
