"""`hone backup` and `hone restore`: the database and the store as one folder, made while the platform runs.

    database.dump     what pg_restore reads, of one moment
    store/            the files as they were soon after: a model is written before its row, so each row finds its files
    secret_key        that of the data folder, where it has one
    manifest.json     written last: version, schema, rows of each table, size and SHA-256 of each file

A folder without a manifest is no backup. Knows no table but by name.
"""

import hashlib
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psycopg
from alembic.script import ScriptDirectory
from psycopg import sql
from pydantic import BaseModel, ValidationError
from sqlalchemy import URL, make_url

from app.settings import Settings
from workers.platform.folder import Unusable
from workers.platform.migrate import config
from workers.platform.postgres import VERSION, programs

MANIFEST, DUMP, STORE, KEY = "manifest.json", "database.dump", "store", "secret_key"
_CHUNK = 4 * 2**20
_TRIES = 5  # to copy a folder in which files vanish meanwhile
_TABLES = "select tablename from pg_tables where schemaname = 'public' order by tablename"

Tell = Callable[[str], None]


class File(BaseModel):
    """One file of a backup."""

    size: int
    sha256: str


class Manifest(BaseModel):
    """What a backup holds."""

    hone: str
    schema_revision: str | None
    made_at: datetime
    rows: dict[str, int]
    files: dict[str, File]  # by their path in the backup
    missing: list[str]  # addresses of models that were deleted while the store was copied


def backup(settings: Settings, to: Path, tell: Tell) -> Manifest:
    """Write a backup to the folder `to`, whole or not at all, and read it again. Raises Unusable with a sentence."""
    _refuse_filled(to, "Name a folder that is not there yet: a backup is never written over another one.")
    if settings.store.resolve() in to.resolve().parents:
        raise Unusable(f"{to} is within the store, which is to be copied. Name a folder outside of {settings.store}.")
    beside = to.with_name(f".{to.name}.part")
    shutil.rmtree(beside, ignore_errors=True)
    try:
        beside.mkdir(mode=0o700, parents=True)
        manifest = _write(settings, beside, tell)
        tell("Reading it again.")
        verify(beside)
        if to.exists():
            to.rmdir()  # empty
        beside.rename(to)
    except OSError as error:
        raise Unusable(f"The backup could not be written: {error.strerror} ({error.filename}).") from None
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return manifest


def _write(settings: Settings, to: Path, tell: Tell) -> Manifest:
    url = plain(str(settings.database_url))
    with _moment(url) as (snapshot, connection):
        revision, rows, artifacts = _revision(connection), _rows(connection), _artifacts(connection)
        tell(f"Saving the database, {sum(rows.values()):,} rows.")
        how = ("--format=custom", f"--snapshot={snapshot}", f"--file={to / DUMP}")
        _run(_program("pg_dump", connection), *how, url=url)
    files = {DUMP: _about(to / DUMP)}
    tell("Copying the store.")
    (to / STORE).mkdir()
    for path in sorted(settings.store.iterdir()):
        files |= {f"{STORE}/{name}": about for name, about in _copy_whole(path, to / STORE / path.name).items()}
    if (key := settings.data_dir / KEY).is_file():
        files[KEY] = _copy(key, to / KEY)
    manifest = Manifest(
        hone=version("hone-rlhf"), schema_revision=revision, made_at=datetime.now(UTC), rows=rows, files=files,
        missing=[each for each in artifacts if not (to / STORE / each).exists()],
    )  # fmt: skip
    with (to / MANIFEST).open("w", encoding="utf-8") as file:
        file.write(manifest.model_dump_json(indent=1))
        file.flush()
        os.fsync(file.fileno())
    return manifest


def read(folder: Path) -> Manifest:
    """The manifest of a backup. Raises Unusable where there is none."""
    try:
        return Manifest.model_validate_json((folder / MANIFEST).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise Unusable(f"{folder} is no whole backup: it has no {MANIFEST}, which is written last.") from None
    except (ValidationError, UnicodeDecodeError):
        raise Unusable(f"{folder} is no whole backup: its {MANIFEST} cannot be read.") from None
    except OSError as error:
        raise Unusable(f"{folder} is no backup that can be read: {error.strerror}.") from None


def verify(folder: Path) -> Manifest:
    """The manifest of a backup whose files are all there and as they were written. Raises Unusable naming one that is
    not."""
    manifest = read(folder)
    for name, about in manifest.files.items():
        if not (folder / name).is_file():
            raise Unusable(f"The backup {folder} is torn: {name} is missing. Use another one.")
        if _about(folder / name) != about:
            raise Unusable(f"The backup {folder} is torn: {name} is not as it was written. Use another one.")
    return manifest


def restorable(folder: Path, tell: Tell) -> Manifest:
    """The manifest of a whole backup of this version's schema. Raises Unusable."""
    tell("Reading the backup.")
    manifest = verify(folder)
    scripts = ScriptDirectory.from_config(config())
    head, theirs = scripts.get_current_head(), manifest.schema_revision
    if theirs != head:
        older = theirs is None or any(each.revision == theirs for each in scripts.walk_revisions())
        then = "starting this one then upgrades it" if older else "this copy is older than the backup"
        raise Unusable(
            f"The backup was made by Hone {manifest.hone} with the schema {theirs}, this copy has {head}. Restore it "
            f"with that version; {then}."
        )
    return manifest


def restore(settings: Settings, folder: Path, manifest: Manifest, tell: Tell) -> None:
    """Bring a backup that is `restorable` back into an empty database and an empty store, or change nothing. Raises
    Unusable."""
    url, key = plain(str(settings.database_url)), settings.data_dir / KEY
    with psycopg.connect(url) as connection:
        if connection.execute(_TABLES).fetchone():
            raise Unusable(
                "The database is not empty. Restore into a new one: a backup is never mixed with other data."
            )
        program = _program("pg_restore", connection)
    _refuse_filled(settings.store, "The store is not empty. Restore into a new HONE_DATA_DIR or HONE_STORE_DIR.")
    if (folder / KEY).is_file() and key.is_file() and key.read_bytes() != (folder / KEY).read_bytes():
        raise Unusable(f"{key} is of another installation. Restore into a new HONE_DATA_DIR.")
    tell(f"Copying {len(manifest.files):,} files.")
    try:
        for path in sorted((folder / STORE).iterdir()):
            _copy_whole(path, settings.store / path.name)
        tell("Restoring the database.")
        how = ("--single-transaction", "--exit-on-error", "--no-owner", "--no-privileges")
        _run(program, *how, str(folder / DUMP), url=url)
    except (OSError, Unusable) as error:
        for path in settings.store.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        raise Unusable(f"Nothing was restored: {error}") from None
    if (folder / KEY).is_file():
        _copy(folder / KEY, key)
    with psycopg.connect(url) as connection:
        connection.execute("analyze")  # without figures the first items of a large queue take seconds to find
        found = _rows(connection)
    if found != manifest.rows:
        raise Unusable(
            f"The restored database has other rows than the backup says: {_difference(found, manifest.rows)}."
        )


def _difference(found: dict[str, int], wanted: dict[str, int]) -> str:
    names = sorted(name for name in {*found, *wanted} if found.get(name) != wanted.get(name))
    return ", ".join(f"{name} {found.get(name)} instead of {wanted.get(name)}" for name in names)


def plain(url: str) -> str:
    """An address as libpq reads it."""
    return url.replace("+psycopg", "", 1)


def _refuse_filled(folder: Path, sentence: str) -> None:
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise Unusable(f"{folder} is there already. {sentence}")


@contextmanager
def _moment(url: str) -> Iterator[tuple[str, "psycopg.Connection[tuple[Any, ...]]"]]:
    """One state of the database: the name by which pg_dump sees it, and a connection that does."""
    with psycopg.connect(url) as connection:
        connection.execute("set transaction isolation level repeatable read, read only")
        connection.execute("set local idle_in_transaction_session_timeout = 0")  # while pg_dump is at work
        row = connection.execute("select pg_export_snapshot()").fetchone()
        yield str(row[0] if row else ""), connection


def _revision(connection: "psycopg.Connection[tuple[Any, ...]]") -> str | None:
    row = connection.execute("select version_num from alembic_version").fetchone()
    return str(row[0]) if row else None


def _rows(connection: "psycopg.Connection[tuple[Any, ...]]") -> dict[str, int]:
    counted = {}
    for (name,) in connection.execute(_TABLES).fetchall():
        row = connection.execute(sql.SQL("select count(*) from {}").format(sql.Identifier(name))).fetchone()
        counted[str(name)] = int(row[0]) if row else 0
    return counted


def _artifacts(connection: "psycopg.Connection[tuple[Any, ...]]") -> list[str]:
    found = connection.execute("select artifact from model where state = 'ready' and artifact is not null order by 1")
    return [str(artifact) for (artifact,) in found.fetchall()]


def _program(name: str, connection: "psycopg.Connection[Any]") -> str:
    """Ours, or the system's where the server is newer: pg_dump refuses one that is."""
    server = connection.info.server_version // 10_000
    if server <= VERSION:
        return str(programs() / name)
    if found := shutil.which(name):
        return found
    raise Unusable(f"The database is PostgreSQL {server}; install its {name} (Debian: postgresql-client-{server}).")


def _run(*command: str, url: str) -> None:
    """Run a program on the database at `url`; its password is in no list of processes."""
    address = make_url(url)
    kept = {name: value for name, value in address._asdict().items() if name != "password"}
    shown = URL.create(**kept).render_as_string()
    environment = dict(os.environ) | ({"PGPASSWORD": str(address.password)} if address.password else {})
    whole = [*command, f"--dbname={shown}"]
    done = subprocess.run(whole, capture_output=True, text=True, stdin=subprocess.DEVNULL, env=environment)
    if done.returncode:
        said = [line for line in done.stderr.splitlines() if line.strip()] or ["it gave no reason"]
        raise Unusable(f"{Path(command[0]).name} failed: {said[0]}")


def _copy_whole(source: Path, target: Path) -> dict[str, File]:
    """Copy a file or folder; its files by their paths beside `target`. Half-written things, whose names begin with a
    dot, are left out. A folder in which files vanish meanwhile is copied anew: a checkpoint is all of its files."""
    for _ in range(_TRIES):
        try:
            return _copy_tree(source, target)
        except FileNotFoundError:
            shutil.rmtree(target, ignore_errors=True)
    raise Unusable(f"{source} changes too fast to be copied. Try again, or cancel the run that writes there.")


def _copy_tree(source: Path, target: Path) -> dict[str, File]:
    if not source.is_dir():
        return {target.name: _copy(source, target)} if source.exists() else {}
    target.mkdir()
    found: dict[str, File] = {}
    listed = sorted(source.iterdir())
    for path in listed:
        if not path.name.startswith("."):
            # Each checkpoint by itself: the others need not be copied anew for one that is deleted meanwhile.
            copy = _copy_whole if path.is_dir() else _copy_tree
            found |= {f"{target.name}/{name}": about for name, about in copy(path, target / path.name).items()}
    if not {*listed} <= {*source.iterdir()}:  # what was listed may have been the rest of a folder being deleted
        raise FileNotFoundError(source)
    return found


def _copy(source: Path, target: Path) -> File:
    digest, size = hashlib.sha256(), 0
    with source.open("rb") as reading, target.open("xb") as writing:
        while piece := reading.read(_CHUNK):
            digest.update(piece)
            size += writing.write(piece)
        writing.flush()
        os.fsync(writing.fileno())
    return File(size=size, sha256=digest.hexdigest())


def _about(path: Path) -> File:
    with path.open("rb") as file:
        return File(size=path.stat().st_size, sha256=hashlib.file_digest(file, "sha256").hexdigest())
