"""PostgreSQL and Valkey for this data folder: embedded, or the servers that the environment names."""

import logging
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from app import db, jobs
from app.settings import Settings, get_settings
from workers.platform import address
from workers.platform.dump import dump
from workers.platform.folder import FolderInUse, Unusable, lock, prepare_folder
from workers.platform.migrate import migrate
from workers.platform.postgres import EmbeddedPostgres
from workers.platform.servers import check_postgres, check_redis
from workers.platform.valkey import EmbeddedValkey


@dataclass
class Services:
    """What is running: addresses, and the embedded servers that this process must stop."""

    database_url: str
    redis_url: str
    embedded: list[EmbeddedPostgres | EmbeddedValkey] = field(default_factory=list)

    def stop(self) -> None:
        """Stop the embedded servers."""
        for server in reversed(self.embedded):
            server.stop()


def start(settings: Settings, folder: Path, check_queue: Callable[[str], str] = check_redis) -> Services:
    """Start (or adopt) what is embedded, check what is not. The caller holds the folder's lock."""
    with ExitStack() as undo:
        embedded: list[EmbeddedPostgres | EmbeddedValkey] = []

        def run(server: EmbeddedPostgres | EmbeddedValkey) -> str:
            undo.callback(server.stop)
            server.start()
            embedded.append(server)
            return server.url

        database_url = _given(settings.database_url, check_postgres) or run(EmbeddedPostgres(folder))
        redis_url = _given(settings.redis_url, check_queue) or run(EmbeddedValkey(folder))
        undo.pop_all()
    return Services(database_url, redis_url, embedded)


def _given(url: str | None, check: Callable[[str], str]) -> str | None:
    if url:
        check(url)
    return url


def running(settings: Settings, folder: Path, check_queue: Callable[[str], str] = check_redis) -> Services:
    """The addresses of servers that another process of this folder runs."""
    postgres, valkey = EmbeddedPostgres(folder), EmbeddedValkey(folder)
    if not settings.database_url and not postgres.running():
        raise Unusable(f"The database of {folder} is not up yet. Wait until `hone up` is ready and try again.")
    try:
        redis_url = settings.redis_url or valkey.url
    except FileNotFoundError:
        raise Unusable(f"The queue of {folder} is not up yet. Wait until `hone up` is ready and try again.") from None
    check_queue(redis_url)
    return Services(settings.database_url or postgres.url, redis_url)


def note_queue_away(url: str) -> str:
    """As `check_redis`, but where it cannot be used a line says so and work goes on: the rows are the queue."""
    try:
        return check_redis(url)
    except Unusable as problem:
        print(f"note: {problem} What is queued now is sent once it answers.", file=sys.stderr)
        logging.getLogger(jobs.__name__).setLevel(logging.ERROR)  # which would say it again
        return ""


def use(services: Services, folder: Path) -> None:
    """Point this process and its children at the services."""
    settings = get_settings()
    os.environ["DATABASE_URL"], os.environ["REDIS_URL"] = services.database_url, services.redis_url
    os.environ["HONE_DATA_DIR"] = str(folder)
    if settings.store_dir:
        os.environ["HONE_STORE_DIR"] = str(settings.store_dir.expanduser().resolve())
    for cache in (get_settings, db.get_engine, db.get_patient_engine, jobs.producer):
        cache.cache_clear()


def upgrade() -> bool:
    """Bring the database in use to this code's schema, after a copy of an embedded one; whether there was anything to
    do. What happens is told on stderr."""
    folder, url = get_settings().data_dir, str(get_settings().database_url)

    def tell(line: str) -> None:
        print(line, file=sys.stderr, flush=True)

    def before(revision: str) -> None:
        if url == EmbeddedPostgres(folder).url:
            dump(url, folder, revision, tell)

    return migrate(before, tell)


def _require_data(folder: Path) -> None:
    """A command in another folder than the platform's would make one more database there, and find nothing in it."""
    if not (folder / "run").is_dir():
        raise Unusable(
            f"There is no platform's data in {folder}. Run this where `hone up` was started, set HONE_DATA_DIR to its "
            "data folder, or start a platform with `hone up`."
        )


@contextmanager
def connected(*, anew: bool = False) -> Iterator[None]:
    """Services for one command: those of a running `hone up`, or started for the time of the command. Raises Unusable
    where there is no platform's data, unless they may be made `anew`."""
    settings = get_settings()
    if not anew and not settings.database_url:
        _require_data(settings.data_dir.expanduser().resolve())
    folder = prepare_folder(settings)
    with ExitStack() as stack:
        try:
            stack.enter_context(lock(folder))
        except FolderInUse:
            address.adopt(folder)
            use(running(settings, folder, note_queue_away), folder)
        else:
            services = start(settings, folder, note_queue_away)
            stack.callback(services.stop)
            use(services, folder)
            upgrade()
        try:
            yield
        finally:
            db.get_engine().dispose()
