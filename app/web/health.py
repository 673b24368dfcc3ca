"""The state of every part, quickly: each check has about a second, and all run at once."""

import logging
import shutil
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from threading import Lock
from typing import Any

import httpx
import psycopg

from app.db import connection_arguments
from app.resources import MIGRATIONS
from app.settings import Settings, get_settings
from app.silence import Connection, watched
from app.web import presence
from app.web.filters import size

log = logging.getLogger(__name__)

NEEDED_QUEUES = ("sampling", "training", "files")
LEAST_FREE_BYTES = 2 * 2**30
SWEPT_SECONDS = 20.0  # a sweep comes every five seconds, and another scheduling process takes over within fifteen
FRESH = 1.0  # seconds for which all who ask are given one answer
_SECONDS = 1.0
_CHECKERS = ThreadPoolExecutor(max_workers=8, thread_name_prefix="health")
_checking, _asking = Lock(), Lock()
_checked: tuple[float, dict[str, "Part"]] = (0.0, {})
_readiness: tuple[float, str | None] = (0.0, None)


@dataclass(frozen=True)
class Part:
    """One part: up or not, a sentence, and figures that say more. For administrators; it holds no address."""

    ok: bool
    says: str
    details: dict[str, Any] = field(default_factory=dict)


def check() -> dict[str, Part]:
    """The state of each part by name."""
    settings = get_settings()
    checks: dict[str, Callable[[Settings], Part]] = {
        "database": _database,
        "queue": _queue,
        "scheduling": scheduling,
        "workers": _workers,
        "inference": _inference,
        "disk": _disk,
    }
    running: dict[str, Future[Part]] = {name: _CHECKERS.submit(one, settings) for name, one in checks.items()}
    found: dict[str, Part] = {}
    for name, future in running.items():
        try:
            found[name] = future.result(timeout=3 * _SECONDS)
        except Exception as error:  # noqa: BLE001  whatever goes wrong in a check, that part is not up
            found[name] = Part(False, f"does not answer ({type(error).__name__})")
    return found


def recent() -> dict[str, Part]:
    """As `check`, as of a second ago at most: anybody may ask, as often as they like."""
    global _checked
    with _checking:
        if time.monotonic() - _checked[0] > FRESH:
            found = check()
            _checked = (time.monotonic(), found)
        return _checked[1]


def report(parts: dict[str, Part]) -> dict[str, Any]:
    """The parts as JSON, with one word for all."""
    ok = all(part.ok for part in parts.values())
    return {"status": "ok" if ok else "degraded", "parts": {name: asdict(part) for name, part in parts.items()}}


def ready() -> bool:
    """Whether this process has what it needs to serve people, as of a second ago at most: the database, with the schema
    of this code or a later one, which an upgrade has brought meanwhile. The log says what is missing, once."""
    global _readiness
    with _asking:
        seen, before = _readiness
        if time.monotonic() - seen > FRESH:
            _readiness = (time.monotonic(), missing := _missing(get_settings()))
            if missing != before and seen:
                log.warning("this process is %s", f"not ready: {missing}" if missing else "ready again")
        return _readiness[1] is None


def _missing(settings: Settings) -> str | None:
    try:
        schema = _database(settings).details.get("schema")
    except psycopg.Error as error:
        return f"the database does not answer ({type(error).__name__})"
    *before, wanted = [None, *_schemas_of_this_code()]
    return f"the schema is {schema}, this code wants {wanted}" if schema in before else None


@lru_cache
def _schemas_of_this_code() -> list[str]:
    """The newest last. What is not among them is of a later copy."""
    from alembic.script import ScriptDirectory

    return [script.revision for script in ScriptDirectory(str(MIGRATIONS)).walk_revisions()][::-1]


def _database(settings: Settings) -> Part:
    if settings.database_url is None:
        return Part(False, "not configured")
    with connect(settings.database_url) as connection:
        row = connection.execute("select version_num from alembic_version").fetchone()
    return Part(True, "answers", {"schema": row[0] if row else None})


def connect(url: str) -> Connection:
    """A connection for a question that is answered in about a second, or not."""
    plain = url.replace("+psycopg", "", 1)
    arguments = connection_arguments(url, _SECONDS) | {"connect_timeout": 2}
    return watched(Connection, plain, 2 * _SECONDS).connect(plain, autocommit=True, **arguments)


def scheduling(settings: Settings) -> Part:
    """Whether what has to happen by itself does happen."""
    if settings.database_url is None:
        return Part(False, "not configured")
    with connect(settings.database_url) as connection:
        statement = "select extract(epoch from clock_timestamp() - swept_at)::float, leader from scheduler"
        seconds, leader = connection.execute(statement).fetchone() or (None, None)
    if seconds is None:
        return Part(False, "nothing automatic has ever happened: no scheduling process runs")
    if seconds > SWEPT_SECONDS:
        since = f"{seconds:.0f} s" if seconds < 600 else f"{seconds / 60:.0f} minutes"
        return Part(False, f"nothing automatic has happened for {since}: no scheduling process runs, or it hangs")
    return Part(True, "at work", {"leader": leader, "seconds_since_sweep": round(seconds, 1)})


def _queue(settings: Settings) -> Part:
    with presence.connect(settings) as client:
        client.ping()
    return Part(True, "answers")


def _workers(settings: Settings) -> Part:
    workers = presence.workers(settings)
    served = {queue for worker in workers.values() for queue in worker.get("queues", [])}
    missing = [queue for queue in NEEDED_QUEUES if queue not in served]
    says = f"no worker serves {', '.join(missing)}" if missing else f"{len(workers)} at work"
    if silent := presence.silent(settings):
        says += f"; {len(silent)} fell silent in the last ten minutes"
    return Part(not missing, says, {"workers": workers, "silent": silent})


def _inference(settings: Settings) -> Part:
    response = httpx.get(f"{settings.inference_base_url}/models", timeout=_SECONDS, headers=settings.inference_headers)
    return Part(response.is_success, "answers" if response.is_success else f"answers {response.status_code}")


def _disk(settings: Settings) -> Part:
    folder = settings.store.absolute()
    while not folder.exists():
        folder = folder.parent
    usage = shutil.disk_usage(folder)
    enough = usage.free >= LEAST_FREE_BYTES
    details = {"free_bytes": usage.free, "total_bytes": usage.total}
    return Part(enough, f"{size(usage.free)} free" + ("" if enough else ", too little for a model"), details)
