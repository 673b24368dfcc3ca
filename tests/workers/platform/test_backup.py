"""A backup made under load holds one moment, is whole or refused, and goes on where it is restored."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread
from uuid import uuid4

import psycopg
import pytest
from psycopg import sql

from app.db import task_session
from app.models import Project
from app.settings import get_settings
from tests import factories
from workers.platform import backup as backups
from workers.platform.folder import Unusable


def hone(*words: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-c", "from workers.cli.main import main; main()", *words],
        env=os.environ | environment, capture_output=True, text=True, timeout=200,
    )  # fmt: skip


@pytest.fixture
def filled(database: str) -> int:
    """A project with labels, a model and a run's checkpoint in the store; its id."""
    store = get_settings().store
    with task_session() as session:
        project = factories.project(session)
        model, person = factories.model(session, project), factories.user(session)
        factories.member(session, project, person)
        for folder in (store / str(model.artifact), store / "runs" / "1" / "attempt-1" / "checkpoint-2"):
            folder.mkdir(parents=True)
            (folder / "model.safetensors").write_bytes(os.urandom(300_000))
        (store / "runs" / "1" / "attempt-1" / ".half.part").write_text("left out")
        for _ in range(5):
            item = factories.item(session, factories.prompt(session, project), model)
            factories.label(session, item, person)
        get_settings().signing_key() if "HONE_SECRET_KEY" not in os.environ else None
        return int(project.id)


@contextmanager
def load(project_id: int) -> Iterator[Callable[[], int]]:
    """People label and a run makes and deletes checkpoints meanwhile; how many labels they gave."""
    enough, given = Event(), []
    runs = get_settings().store / "runs" / "2"

    def label() -> None:
        while not enough.is_set():
            with task_session() as session:
                project = session.get_one(Project, project_id)
                model, person = factories.model(session, project), factories.user(session)
                factories.label(session, factories.item(session, factories.prompt(session, project), model), person)
            given.append(1)

    def train() -> None:
        step = 0
        while not enough.is_set():
            step += 1
            beside, made = runs / ".part", runs / f"checkpoint-{step}"
            beside.mkdir(parents=True)
            for name in "abc":
                (beside / name).write_bytes(f"{step}{name}".encode() * 1000)
            beside.rename(made)
            shutil.rmtree(runs / f"checkpoint-{step - 1}", ignore_errors=True)
            enough.wait(0.05)

    threads = [Thread(target=work) for work in (label, train)]
    for thread in threads:
        thread.start()
    try:
        yield lambda: len(given)
    finally:
        enough.set()
        for thread in threads:
            thread.join()


@pytest.fixture
def empty_place(postgres_url: str, tmp_path: Path) -> Iterator[dict[str, str]]:
    """An empty database and data folder, as the environment names them."""
    name = f"restored_{uuid4().hex[:8]}"
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(sql.SQL("create database {}").format(sql.Identifier(name)))
    url = backups.make_url(postgres_url).set(database=name).render_as_string(hide_password=False)
    yield {"DATABASE_URL": url, "HONE_DATA_DIR": str(tmp_path / "elsewhere")}
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))


def rows(url: str) -> dict[str, int]:
    with psycopg.connect(url) as connection:
        return backups._rows(connection)


def test_made_under_load_it_is_one_moment_and_the_loop_goes_on_elsewhere(
    filled: int, tmp_path: Path, empty_place: dict[str, str]
) -> None:
    to = tmp_path / "backup"
    with load(filled) as given:
        before = given()
        done = hone("backup", str(to))
        assert done.returncode == 0, done.stderr
        assert given() > before
    manifest = backups.verify(to)
    assert manifest.missing == [each for each in manifest.missing if each not in os.listdir(to)]
    assert to.stat().st_mode & 0o077 == 0
    assert not any(".part" in name for name in manifest.files)
    assert [name for name in os.listdir(tmp_path) if name.endswith(".part")] == []
    for folder in {str(Path(name).parent) for name in manifest.files if "checkpoint" in name and "runs/2" in name}:
        assert {Path(name).name for name in manifest.files if name.startswith(folder)} == {"a", "b", "c"}, (
            "whole or not"
        )

    done = hone("restore", str(to), **empty_place)
    assert done.returncode == 0, done.stderr
    assert rows(empty_place["DATABASE_URL"]) == manifest.rows
    assert manifest.rows["label"] >= 5
    store = Path(empty_place["HONE_DATA_DIR"]) / "store"
    copied = {f"store/{path.relative_to(store)}": backups._about(path) for path in store.rglob("*") if path.is_file()}
    assert copied == {name: about for name, about in manifest.files.items() if name.startswith("store/")}
    check = hone("migrate", "--check", **empty_place)
    assert check.returncode == 0, check.stderr

    go_on = (
        "from app.db import task_session; from app.labels import leases, service; from app.models import *; "
        "import app.annotation; from tests import factories\n"
        "with task_session() as s:\n"
        f"    p = s.get_one(Project, {filled}); u = factories.user(s); factories.member(s, p, u)\n"
        "    m = factories.model(s, p); i = factories.item(s, factories.prompt(s, p), m)\n"
        "    print(factories.label(s, i, u).id)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", go_on], env=os.environ | empty_place, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    with psycopg.connect(empty_place["DATABASE_URL"]) as connection:
        assert connection.execute("select max(id) from label").fetchone() == (int(done.stdout),), "numbers go on"
        assert connection.execute("select from pg_stats where tablename = 'item'").fetchone() is not None, "analysed"


def test_what_cannot_be_restored_is_refused_and_nothing_is_changed(
    filled: int, tmp_path: Path, empty_place: dict[str, str], database: str
) -> None:
    whole = tmp_path / "backup"
    backups.backup(get_settings(), whole, lambda line: None)

    def refused(folder: Path, **place: str) -> str:
        done = hone("restore", str(folder), **place)
        assert done.returncode == 2, done.stdout
        assert "Traceback" not in done.stderr
        assert rows(empty_place["DATABASE_URL"]) == {}
        store = Path(empty_place["HONE_DATA_DIR"]) / "store"
        assert not store.exists() or list(store.iterdir()) == []
        return done.stderr.splitlines()[-1]

    def spoilt(how: Callable[[Path], object]) -> Path:
        other = tmp_path / uuid4().hex
        shutil.copytree(whole, other)
        how(other)
        return other

    [model] = [path.relative_to(whole) for path in whole.glob("store/models/*/model.safetensors")]
    torn = spoilt(lambda folder: (folder / model).write_bytes((folder / model).read_bytes()[:-1]))
    assert f"is torn: {model} is not as it was written" in refused(torn, **empty_place)
    assert "database.dump is missing" in refused(spoilt(lambda f: (f / "database.dump").unlink()), **empty_place)
    assert "it has no manifest.json" in refused(spoilt(lambda f: (f / "manifest.json").unlink()), **empty_place)
    half = spoilt(lambda f: (f / "manifest.json").write_bytes((f / "manifest.json").read_bytes()[:99]))
    assert "its manifest.json cannot be read" in refused(half, **empty_place)
    assert "is no whole backup" in refused(tmp_path / "nowhere", **empty_place)
    assert "is no backup that can be read: Not a directory." in refused(torn / model, **empty_place)

    def of(schema: str) -> Path:
        def say(folder: Path) -> None:
            about = json.loads((folder / "manifest.json").read_text())
            (folder / "manifest.json").write_text(json.dumps(about | {"schema_revision": schema}))

        return spoilt(say)

    older, newer = refused(of("0007"), **empty_place), refused(of("9007"), **empty_place)
    assert "with the schema 0007" in older
    assert older.endswith("Restore it with that version; starting this one then upgrades it.")
    assert newer.endswith("Restore it with that version; this copy is older than the backup.")
    assert not Path(empty_place["HONE_DATA_DIR"]).exists(), "a backup that is refused starts nothing"
    before = rows(backups.plain(database))
    filled_base = empty_place | {"DATABASE_URL": database}
    assert "The database is not empty" in refused(whole, **filled_base)
    assert rows(backups.plain(database)) == before


def test_a_filled_store_is_refused(filled: int, tmp_path: Path, empty_place: dict[str, str]) -> None:
    whole = tmp_path / "backup"
    backups.backup(get_settings(), whole, lambda line: None)
    mine = Path(empty_place["HONE_DATA_DIR"]) / "store" / "models" / "mine"
    mine.mkdir(parents=True)
    done = hone("restore", str(whole), **empty_place)
    assert (done.returncode, "The store is not empty" in done.stderr) == (2, True)
    assert mine.is_dir()
    assert rows(empty_place["DATABASE_URL"]) == {}


def test_a_backup_is_not_written_over_another_or_left_half_done(filled: int, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "file").write_text("kept")
    with pytest.raises(Unusable, match="is there already"):
        backups.backup(get_settings(), tmp_path / "mine", lambda line: None)
    assert (tmp_path / "mine" / "file").read_text() == "kept"
    within = get_settings().store / "backups" / "today"
    with pytest.raises(Unusable, match="is within the store"):
        backups.backup(get_settings(), within, lambda line: None)
    assert not within.parent.exists()

    def spoil(line: str) -> None:
        if line == "Reading it again.":  # the disk gave back something else
            [dump] = tmp_path.glob(".new.part/database.dump")
            dump.write_bytes(b"torn")

    with pytest.raises(Unusable, match=r"torn: database\.dump"):
        backups.backup(get_settings(), tmp_path / "new", spoil)
    assert sorted(path.name for path in tmp_path.iterdir() if "new" in path.name) == []


def test_a_password_is_in_no_list_of_processes(filled: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[list[str]] = []
    real = subprocess.run

    def run(command: list[str], **more: object) -> object:
        seen.append(command)
        return real(command, **more)  # type: ignore[call-overload]

    monkeypatch.setattr(subprocess, "run", run)
    url = backups.make_url(str(get_settings().database_url)).set(password="s3cret-word").render_as_string(False)
    given = get_settings().model_copy(update={"database_url": url})
    backups.backup(given, tmp_path / "backup", lambda line: None)
    assert seen
    assert "s3cret-word" not in str(seen)
