"""The state of every part, quickly: each check has about a second, and all run at once."""

import shutil
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from typing import Any

import httpx
import psycopg

from app.settings import Settings, get_settings
from app.web import presence
from app.web.filters import size

NEEDED_QUEUES = ("sampling", "training")
LEAST_FREE_BYTES = 2 * 2**30
_SECONDS = 1.0
_CHECKERS = ThreadPoolExecutor(max_workers=8, thread_name_prefix="health")


@dataclass(frozen=True)
class Part:
    """One part: up or not, a sentence, and figures that say more. No addresses: the page is public."""

    ok: bool
    says: str
    details: dict[str, Any] = field(default_factory=dict)


def check() -> dict[str, Part]:
    """The state of each part by name."""
    settings = get_settings()
    checks: dict[str, Callable[[Settings], Part]] = {
        "database": _database,
        "queue": _queue,
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


def report(parts: dict[str, Part]) -> dict[str, Any]:
    """The parts as JSON, with one word for all."""
    ok = all(part.ok for part in parts.values())
    return {"status": "ok" if ok else "degraded", "parts": {name: asdict(part) for name, part in parts.items()}}


def _database(settings: Settings) -> Part:
    if settings.database_url is None:
        return Part(False, "not configured")
    url = settings.database_url.replace("+psycopg", "", 1)
    with psycopg.connect(url, connect_timeout=2, autocommit=True, options="-c statement_timeout=1000") as connection:
        row = connection.execute("select version_num from alembic_version").fetchone()
    return Part(True, "answers", {"schema": row[0] if row else None})


def _queue(settings: Settings) -> Part:
    with presence.connect(settings) as client:
        client.ping()
    return Part(True, "answers")


def _workers(settings: Settings) -> Part:
    workers = presence.workers(settings)
    served = {queue for worker in workers.values() for queue in worker.get("queues", [])}
    missing = [queue for queue in NEEDED_QUEUES if queue not in served]
    says = f"nobody serves the queue {' and '.join(missing)}" if missing else f"{len(workers)} at work"
    return Part(not missing, says, {"workers": workers})


def _inference(settings: Settings) -> Part:
    answer = httpx.get(
        f"{settings.inference_base_url}/models", timeout=_SECONDS, headers=settings.inference_headers
    )
    return Part(answer.is_success, "answers" if answer.is_success else f"answers {answer.status_code}")


def _disk(settings: Settings) -> Part:
    folder = settings.store.absolute()
    while not folder.exists():
        folder = folder.parent
    usage = shutil.disk_usage(folder)
    enough = usage.free >= LEAST_FREE_BYTES
    details = {"free_bytes": usage.free, "total_bytes": usage.total}
    return Part(enough, f"{size(usage.free)} free" + ("" if enough else ", too little for a model"), details)
