"""A million labels in and out of a whole platform, whose worker is killed on the way.

    make bench-imports                              # about an hour
    python -m bench.imports --rows 20000  # a try

A file of labels of two annotators, two a pair, goes in as an import and comes out again as an export; the process at
work is killed twice during the one and once during the other, and the next goes on. Then an export is sent as it is
made, as pages do, some times in a row and as the first thing after a start. Fails where a label is missing or there
twice, where the worker ever takes 500 MB, or where the first byte of what is sent takes a second.
"""

import gzip
import json
import random
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread
from typing import Annotated, Any

import psutil
from sqlalchemy import select, text

from app.accounts import service as accounts
from app.accounts.scopes import Scope
from app.models import User
from bench.pairs import report, say
from hone_client import Client
from hone_client.models import RunView
from rlhf.config import Doc, Ge, RunFailed, parse_config, run_cli
from tests.faults.platform import Platform

MOST_MB, FIRST_BYTE_S, STREAMS, STARTS = 500, 1.0, 5, 5
IMPORT_KILLS, EXPORT_KILLS = (0.4, 0.6), (0.35,)  # shares of the rows that are done
COUNTS = """
select (select count(*) from label) as labels, (select count(distinct item_id) from label) as items,
    (select count(*) from (select 1 from label group by item_id, imported_annotator_id having count(*) > 1) twice)
        as doubled
"""


@dataclass(frozen=True)
class ImportsConfig:
    """Labels in and out."""

    rows: Annotated[int, Ge(2), Doc("Labels.")] = 1_000_000
    words: Annotated[int, Ge(1), Doc("Words of a response.")] = 25


def write(path: Path, config: ImportsConfig) -> None:
    """Preferences in TRL's layout, each pair judged by two people."""
    chance = random.Random(5)
    words = [f"word{number}" for number in range(4_000)]
    with gzip.open(path, "wt", compresslevel=1) as file:
        for number in range(config.rows // 2):
            said = [" ".join(chance.choices(words, k=config.words)) for _ in range(3)]
            for who in ("Ann", "Ben" if number % 50 else "Cyd"):
                chosen, rejected = said[1:] if chance.random() < 0.7 else said[:0:-1]
                row = {"prompt": f"Question {number}: {said[0]}", "chosen": chosen, "rejected": rejected}
                file.write(json.dumps(row | {"annotator": who, "strength": chance.choice([1, 2, 3])}) + "\n")


def worker(platform: Platform) -> psutil.Process:
    """The process that reads and writes files."""
    while True:
        for process in platform.tree():
            try:
                if "files" in process.cmdline() and "--queues" in process.cmdline():
                    return process
            except psutil.NoSuchProcess:
                continue
        time.sleep(0.2)


@contextmanager
def watched(platform: Platform, peak: list[float]) -> Iterator[None]:
    """Notes the most memory that the worker ever takes, in MB, meanwhile."""
    enough = Event()

    def look() -> None:
        while not enough.wait(0.25):
            try:
                peak[0] = max(peak[0], worker(platform).memory_info().rss / 2**20)
            except psutil.NoSuchProcess:
                continue

    thread = Thread(target=look)
    thread.start()
    try:
        yield
    finally:
        enough.set()
        thread.join()


def through(client: Client, run: RunView, platform: Platform, rows: int, kills: tuple[float, ...]) -> dict[str, Any]:
    """The run to its end, its worker killed at these shares of its rows; seconds, and the memory that it took."""
    began, left, peak, killed = time.monotonic(), list(kills), [0.0], list[int]()

    def progress(now: RunView) -> None:
        if left and now.step >= left[0] * rows:
            left.pop(0)
            killed.append(now.step)
            worker(platform).kill()
            say(f"killed at {now.step:,}")

    with watched(platform, peak):
        client.wait(run, progress=progress)
    seconds = time.monotonic() - began
    found = {"s": round(seconds), "rows_per_s": round(rows / seconds), "killed_at": killed, "peak_mb": round(peak[0])}
    say(f"{run.kind}: {found}")
    if left:
        raise RunFailed("the run was over before it was killed: give it more rows")
    return found


def labels(client: Client, project: int, run: int) -> dict[int, list[int]]:
    """The numbers of the labels that an export holds, by annotator."""
    rest, found = b"", defaultdict[int, list[int]](list)
    with client.download_export_of_run(project, run) as file:
        for piece in file:
            *lines, rest = (rest + piece).split(b"\n")
            for row in map(json.loads, lines):
                found[row["annotator"]].append(row["label"])
    return found


def first_byte(client: Client, project: int, annotator: int) -> float:
    """Seconds until the first byte of an export that is sent as it is made."""
    began = time.monotonic()
    with client.download_export(project, annotator=annotator) as file:
        next(iter(file))
        return round(time.monotonic() - began, 2)


def main(argv: list[str]) -> None:
    config = parse_config(ImportsConfig, argv, prog="python -m bench.imports")
    rows = config.rows // 2 * 2
    with tempfile.TemporaryDirectory(prefix="hone-imports-", ignore_cleanup_errors=True) as name:
        source = Path(name) / "labels.jsonl.gz"
        write(source, config)
        platform = Platform(Path(name) / "data", base_model="tiny:1").start()
        try:
            found = measure(platform, source, rows)
        finally:
            platform.stop()
    report({"bench": "imports", "rows": rows} | found)
    if wrong := faults(found, rows):
        raise RunFailed("; ".join(wrong))


def measure(platform: Platform, source: Path, rows: int) -> dict[str, Any]:
    """The file in, out by a run, and a part of it out as it is made."""
    with platform.session() as session:
        manager = session.scalars(select(User).order_by(User.id)).first()
        assert manager is not None
        token = accounts.create_token(session, manager, "bench", [Scope.READ, Scope.MANAGE, Scope.ADMIN])[1]
    with Client(platform.url, token) as client:
        project = client.create_project(name="A million labels", starter_prompts=False).id
        brought = client.start_import(project, source, what="labels").run
        found: dict[str, Any] = {"import": through(client, brought, platform, rows, IMPORT_KILLS)}
        with platform.session() as session:
            found["kept"] = dict(session.execute(text(COUNTS)).mappings().one())
        export = client.start_export(project)
        found["export"] = through(client, export, platform, rows, EXPORT_KILLS)
        written = labels(client, project, export.id)
        found["exported"] = sum(len(ids) for ids in written.values())
        found["exported_once"] = sum(len(set(ids)) for ids in written.values())
        few = min(written, key=lambda annotator: len(written[annotator]))
        found["streamed"] = len(written[few])
        found["first_byte_s"] = [first_byte(client, project, few) for _ in range(STREAMS)]
    found["first_byte_after_start_s"] = []
    for _ in range(STARTS):
        platform.stop()
        with Client(platform.start().url, token) as client:
            found["first_byte_after_start_s"].append(first_byte(client, project, few))
    say(f"first bytes after: {found['first_byte_s']}, of the first after a start: {found['first_byte_after_start_s']}")
    return found


def faults(found: dict[str, Any], rows: int) -> list[str]:
    """What is not as it should be."""
    whole = {"labels": rows, "items": rows // 2, "doubled": 0}
    wrong = [f"{whole} were to be there, {found['kept']} are"] if found["kept"] != whole else []
    if not found["exported"] == found["exported_once"] == rows:
        wrong.append(f"of {rows:,} labels {found['exported']:,} lines came out, {found['exported_once']:,} different")
    peaks = [found[way]["peak_mb"] for way in ("import", "export")]
    wrong += [f"a worker took {peak} MB" for peak in peaks if peak >= MOST_MB]
    for when in ("first_byte_s", "first_byte_after_start_s"):
        if (first := statistics.median(found[when])) >= FIRST_BYTE_S:
            wrong.append(f"{when}: {first}")
    return wrong


if __name__ == "__main__":
    run_cli(main)
