"""`hone doctor`: what is there, what is wrong, what to do about it."""

import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from app.db import get_engine
from app.resources import STATIC
from app.settings import Settings, get_settings
from app.web import health, presence
from rlhf.runtime import available_cores
from workers.platform import address, packages, services
from workers.platform.folder import FolderInUse, Unusable, lock, prepare_folder
from workers.platform.migrate import check_known, config
from workers.platform.servers import check_postgres, check_redis
from workers.runs.presence import gpus

_LOW_DISK = 5e9


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at."""

    subject: str
    well: bool
    says: str

    def __str__(self) -> str:
        return f"{'ok   ' if self.well else 'WRONG'} {self.subject:<12} {self.says}"


def examine() -> list[Finding]:
    """Look at everything; changes nothing but that the data folder is there, and its owner's alone."""
    settings = get_settings()
    findings = [_look("python", _python), _look("packages", packages.versions), _look("machine", _machine)]
    folder: list[Path] = []

    def data_folder() -> str:
        folder.append(prepare_folder(settings))
        free = shutil.disk_usage(folder[0]).free
        if free < _LOW_DISK:
            raise Unusable(f"{folder[0]} has {free / 1e9:.1f} GB left; a checkpoint may need more. Make room.")
        return f"{folder[0]}, {free / 1e9:.0f} GB free"

    findings.append(_look("data folder", data_folder))
    if folder:
        findings += _platform(settings, folder[0])
    findings.append(_look("pages", _static))
    return findings


def _look(subject: str, look: Callable[[], str]) -> Finding:
    try:
        return Finding(subject, True, look())
    except Unusable as error:
        return Finding(subject, False, str(error))
    except Exception as error:  # noqa: BLE001  a doctor reports what goes wrong and looks at the rest
        return Finding(subject, False, f"{type(error).__name__}: {' '.join(str(error).split())}")


def _python() -> str:
    return f"{sys.version.split()[0]} at {sys.executable}"


def _machine() -> str:
    return f"{available_cores()} cores, {len(gpus())} GPUs"


def _static() -> str:
    if not (STATIC / "vendor" / "htmx.min.js").exists():
        raise Unusable("static/vendor is missing, so pages work without scripts only; run make in the checkout.")
    return "static files are in place"


def _platform(settings: Settings, folder: Path) -> list[Finding]:
    try:
        with lock(folder):
            up = False
    except FolderInUse:
        address.adopt(folder)
        settings, up = get_settings(), True
    state = "running" if up else "not running; start it with `hone up`"
    findings = [Finding("hone up", True, state)]
    if settings.database_url:
        findings.append(_look("database", lambda: f"PostgreSQL {check_postgres(settings.database_url or '')}"))
    if settings.redis_url:
        findings.append(_look("queue", lambda: f"Redis {check_redis(settings.redis_url or '')}"))
    if not up and not (settings.database_url and settings.redis_url):
        return findings

    def reach() -> str:
        services.use(services.running(settings, folder), folder)
        return "PostgreSQL and Valkey answer"

    reached = _look("services", reach)
    findings.append(reached)
    if reached.well:
        findings += [_look("schema", _schema), _look("workers", lambda: _workers(up))]
        findings.append(_look("scheduling", lambda: _scheduling(up)))
    return findings


def _schema() -> str:
    scripts = ScriptDirectory.from_config(config())
    with get_engine().connect() as connection:
        revision = MigrationContext.configure(connection).get_current_revision()
    check_known(scripts, revision)
    if revision != scripts.get_current_head():
        raise Unusable(f"revision {revision} is behind {scripts.get_current_head()}; run `hone migrate`.")
    return f"revision {revision}"


def _workers(up: bool) -> str:
    found = presence.workers(get_settings())
    served = {queue for about in found.values() for queue in about.get("queues", [])}
    missing = {*health.NEEDED_QUEUES} - served
    if up and missing:
        raise Unusable(f"nobody serves {', '.join(sorted(missing))}; the logs of `hone up` say why.")
    return ", ".join(f"{name} ({about.get('device')})" for name, about in found.items()) or "none are running"


def _scheduling(up: bool) -> str:
    settings = get_settings()
    part = health.scheduling(settings)
    at_work = up or presence.workers(settings) or presence.silent(settings)
    if at_work and not part.ok:
        raise Unusable(f"{part.says}. Start one: `hone process scheduling`, or all of `hone up`.")
    return part.says
