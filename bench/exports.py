"""What people who label notice of eight exports at once, of 60,000 labels each, and how fast the exports are.

    make bench-exports        # about three minutes

One web process on an embedded PostgreSQL with the project of bench-pages. Four people label through the JSON API, a
quarter of a second of thought between their requests: first alone, then beside eight downloads in three formats. Fails
where the 95th percentile of an answer reaches a second, or an export is not whole.
"""

import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from subprocess import Popen
from threading import Event
from typing import Any

import httpx
from sqlalchemy import Connection, create_engine, text

from app.db import normalise_url
from app.settings import Settings
from app.web.signing import digest
from bench.pages import MANAGER, build
from bench.pairs import report, say
from workers.platform.children import commands
from workers.platform.folder import prepare_folder
from workers.platform.migrate import migrate
from workers.platform.postgres import EmbeddedPostgres
from workers.platform.valkey import EmbeddedValkey

PEOPLE, THOUGHT, ALONE_SECONDS, EXPORTS, LIMIT = 4, 0.25, 15.0, 8, 1.0
FORMATS = ("jsonl", "csv", "parquet")
TOKENS = """
insert into api_token (user_id, name, token_hash, scopes) values (:user, 'bench', :hash, '["read", "label", "manage"]')
"""


@contextmanager
def served(
    folder: Path, people: int, divisor: int = 1, more: Callable[[Connection], None] = lambda connection: None
) -> Iterator[str]:
    """The address of a web process over the large project, to which `more` is done; the token of person n, of so many
    and the manager, is `token n`."""
    settings = Settings(data_dir=folder, port=8790)
    prepare_folder(settings)
    postgres, valkey = EmbeddedPostgres(folder), EmbeddedValkey(folder)
    postgres.start()
    valkey.start()
    try:
        os.environ |= {"DATABASE_URL": postgres.url, "REDIS_URL": valkey.url, "HONE_DATA_DIR": str(folder)}
        migrate()
        engine = create_engine(normalise_url(postgres.url), isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            build(connection, divisor)
            more(connection)
            for user in (MANAGER, *range(1, people + 1)):
                connection.execute(text(TOKENS), {"user": user, "hash": digest(f"token {user}")})
        engine.dispose()
        web = Popen(commands(settings)["web"])
        try:
            while not _is_there(settings.base_url):
                time.sleep(0.1)
            yield settings.base_url
        finally:
            web.terminate()
            web.wait()
    finally:
        valkey.stop()
        postgres.stop()


def _is_there(url: str) -> bool:
    try:
        return httpx.get(f"{url}/static/hone.css").is_success
    except httpx.TransportError:
        return False


def client(url: str, user: int, project: int = 1) -> httpx.Client:
    """Somebody at it."""
    headers = {"Authorization": f"Bearer token {user}"}
    return httpx.Client(base_url=f"{url}/api/v1/projects/{project}", headers=headers, timeout=120)


def label(url: str, user: int, enough: Event) -> list[float]:
    """Seconds that each answer took until the next pair was there."""
    taken = []
    with client(url, user) as person:
        task = person.post("/label/next", json={}).json()["task"]
        while task is not None and not enough.wait(THOUGHT):
            began = time.perf_counter()
            said = person.post("/label", json={"assignment_id": task["assignment_id"], "answer": "left"})
            taken.append(time.perf_counter() - began)
            task = said.raise_for_status().json()["next"]
    return taken


def export(url: str, number: int) -> dict[str, Any]:
    """One download: seconds to the first byte and to the last, and how large it was."""
    format_, began, first, size, lines = FORMATS[number % 3], time.perf_counter(), 0.0, 0, 0
    with (
        client(url, MANAGER) as manager,
        manager.stream("GET", "/exports/file", params={"format": format_, "split": "holdout"}) as found,
    ):
        found.raise_for_status()
        for piece in found.iter_raw():
            first = first or time.perf_counter() - began
            size += len(piece)
            lines += piece.count(b"\n")
    rows = lines if format_ == "jsonl" else None
    seconds = time.perf_counter() - began
    return {"format": format_, "first_byte_s": round(first, 2), "s": round(seconds, 1), "bytes": size, "rows": rows}


def beside(url: str, others: int) -> tuple[list[float], list[dict[str, Any]]]:
    """Answers given while so many exports are under way; without any, for a while."""
    enough = Event()
    with ThreadPoolExecutor(PEOPLE + EXPORTS) as threads:
        people = [threads.submit(label, url, user, enough) for user in range(1, PEOPLE + 1)]
        time.sleep(0.0 if others else ALONE_SECONDS)
        exports = list(threads.map(lambda number: export(url, number), range(others)))
        enough.set()
        return [seconds for person in people for seconds in person.result()], exports


def main() -> int:
    """Measure both, compare."""
    temporary = tempfile.TemporaryDirectory(prefix="hone-bench-", ignore_cleanup_errors=True)
    with temporary as folder, served(Path(folder), PEOPLE) as url:
        alone, _ = beside(url, 0)
        say(f"alone: {_figures(alone)}")
        busy, exports = beside(url, EXPORTS)
    figures = _figures(busy)
    report({"bench": "exports", "alone": _figures(alone), "beside_exports": figures, "exports": exports})
    whole = {each["rows"] for each in exports if each["format"] == "jsonl"}
    return int(figures["p95_ms"] >= LIMIT * 1000 or not all(rows and rows >= 59_000 for rows in whole))


def _figures(taken: list[float]) -> dict[str, float]:
    cuts = statistics.quantiles(taken, n=100)
    found = {"p50_ms": cuts[49], "p95_ms": cuts[94], "slowest_ms": max(taken)}
    return {name: round(seconds * 1000, 1) for name, seconds in found.items()} | {"answers": len(taken)}


if __name__ == "__main__":
    sys.exit(main())
