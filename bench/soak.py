"""Half an hour of everything at once: people label and chat, runs sample and train in turn, large exports are taken.

    make bench-soak                            # 35 minutes: half an hour of load
    python -m bench.soak --minutes 3 --divisor 50   # a try

A whole `hone up` on embedded servers with tiny models, the trainer on one thread. After a tenth of the time eight
exports of 300,000 labels each are asked for at once, made by runs, since so many are not sent as they are made, and
downloaded. Fails where anything fails: a request, a run, a line of a log; where a process grows by 2 % or more over the
last two thirds of the time; where the queue's places do not add up with the labels, or the 95th percentile of an answer
beside the exports reaches a second.

A process's memory is its anonymous memory (RssAnon): the median of the last sixth of these two thirds beside that of
the first, of processes that are there in both. Resident memory would count PostgreSQL's shared pages for each of its
processes as it touches them, and so does what the system calls private (USS): a shared page that one process alone has
touched. `--series` keeps each look, to see when a process grew.
"""

import os
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Thread
from typing import Annotated, Any

import httpx
import psutil
from sqlalchemy import create_engine, text

from app.accounts import service as accounts
from app.accounts.scopes import Scope
from app.db import get_engine, normalise_url, task_session
from app.models import Project, RunState
from app.settings import Settings, get_settings
from app.web.signing import digest
from bench.exports import TOKENS
from bench.pages import MANAGER, build
from bench.pairs import report, say
from rlhf.config import Doc, Ge, RunFailed, parse_config, run_cli
from tests import factories
from tests.faults.crowd import crowd
from tests.faults.platform import Platform
from tests.faults.work import ended, make_world
from workers.platform import services
from workers.platform.folder import prepare_folder
from workers.platform.migrate import migrate
from workers.platform.postgres import EmbeddedPostgres
from workers.platform.valkey import EmbeddedValkey

EXPORTS, LEAST_EXPORTED, GROWTH, SLOWEST_P95 = 8, 295_000, 0.02, 1.0
TURNS = 10  # of a conversation
# Nothing happens in that project by itself, and what it names is not named again.
QUIET = """
update "user" set email = 'large-' || email;
update model set name = 'large', source = 'large';
update project set automation = '{"keep_queue_filled": false, "retrain_reward": false, "refresh_pairs": false}';
update run set state = 'succeeded' where state = 'running';
"""
# Places of items that neither are left, nor lent, nor filled.
INEXACT = """
select count(*) from item where project_id = :project and slots_left != overlap_target
  - (select count(*) from assignment where item_id = item.id and state = 'open')
  - (select count(*) from label where item_id = item.id and superseded_at is null)
"""


@dataclass(frozen=True)
class SoakConfig:
    """Everything at once, for long."""

    minutes: Annotated[float, Ge(1), Doc("How long the load lasts.")] = 30
    annotators: Annotated[int, Ge(1), Doc("People who label.")] = 50
    chats: Annotated[int, Ge(1), Doc("People who chat.")] = 10
    thought: Annotated[float, Ge(0), Doc("Seconds between a person's requests.")] = 2.0
    divisor: Annotated[int, Ge(1), Doc("Makes the exported project so many times smaller, for a try.")] = 1
    series: Annotated[Path | None, Doc("File for each process's memory over time, as CSV.")] = None


@dataclass
class Load:
    """What people do, and what came of it."""

    url: str
    thought: float
    enough: Event = field(default_factory=Event)
    answers: list[tuple[float, float]] = field(default_factory=list)  # when it was there, and seconds
    messages: int = 0
    faults: list[str] = field(default_factory=list)

    def label(self, project: int, token: str) -> None:
        """One annotator, from first to last."""

        def work(post: Callable[..., Any]) -> None:
            task = post("/label/next", {})["task"]
            while task is not None and not self.enough.wait(self.thought):
                began = time.monotonic()
                answer = ("left", "right", "tie")[task["assignment_id"] % 3]
                said = post("/label", {"assignment_id": task["assignment_id"], "answer": answer})
                self.answers.append((time.monotonic(), time.monotonic() - began))
                task = said["next"]
            if task is None:
                raise RunFailed("the pairs were used up")

        self._person(project, token, work)

    def chat(self, project: int, token: str) -> None:
        """One person who chats, a conversation after the other."""

        def work(post: Callable[..., Any]) -> None:
            while not self.enough.is_set():
                address = "/chat"
                for number in range(TURNS):
                    if self.enough.wait(self.thought):
                        return
                    said = post(address, {"content": f"What do you say to the number {number}?"})
                    address = f"/chat/{said['id']}/messages" if number == 0 else address
                    self.messages += 1

        self._person(project, token, work)

    def _person(self, project: int, token: str, work: Callable[[Callable[..., Any]], None]) -> None:
        headers = {"Authorization": f"Bearer {token}"}
        with httpx.Client(base_url=f"{self.url}/api/v1/projects/{project}", headers=headers, timeout=120) as client:

            def post(path: str, body: dict[str, Any]) -> Any:
                answer = client.post(path, json=body)
                if answer.is_error:
                    raise RunFailed(f"{path} answered {answer.status_code}: {answer.text[:300]}")
                return answer.json()

            try:
                work(post)
            except (RunFailed, httpx.HTTPError) as error:
                self.faults.append(f"{type(error).__name__}: {error}")


@dataclass
class Memory:
    """Looks at the memory of each process of the platform, all the time."""

    platform: Platform
    seen: dict[tuple[int, str], list[tuple[float, int]]] = field(default_factory=lambda: defaultdict(list))

    def look(self, enough: Event) -> None:
        """Every few seconds."""
        while not enough.wait(3):
            for process in self.platform.tree():
                try:
                    memory = process.memory_info()
                    key = process.pid, _name(process.cmdline())
                    self.seen[key].append((time.monotonic(), memory.rss - memory.shared))
                except psutil.NoSuchProcess:
                    continue

    def write(self, path: Path, began: float) -> None:
        """Every look, by process: its name and number, seconds since the beginning, MB."""
        rows = [
            f"{name},{pid},{at - began:.0f},{size / 2**20:.2f}\n"
            for (pid, name), seen in self.seen.items()
            for at, size in seen
        ]
        path.write_text("process,pid,seconds,mb\n" + "".join(rows))

    def growth(self, began: float, ended: float) -> dict[str, dict[str, float]]:
        """Of each process that was there all the time: MB at the beginning, and the share by which it grew."""
        span, found = (ended - began) / 6, {}
        for (pid, name), seen in self.seen.items():
            first = [size for at, size in seen if began <= at < began + span]
            last = [size for at, size in seen if ended - span <= at]
            if first and last:
                before, after = statistics.median(first), statistics.median(last)
                found[f"{name} {pid}"] = {"mb": round(before / 2**20, 1), "growth": round(after / before - 1, 4)}
        return found


def _name(command: list[str]) -> str:
    words = " ".join(command)
    known = ("uvicorn", "celery_app beat", *(f"--queues {queue}" for queue in ("sampling", "training", "files")))
    return next((part for part in (*known, "inference", "valkey", "postgres") if part in words), "hone up")


def main(argv: list[str]) -> None:
    config = parse_config(SoakConfig, argv, prog="python -m bench.soak")
    with tempfile.TemporaryDirectory(prefix="hone-soak-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        platform = Platform(folder, base_model="tiny:7777")
        os.environ["HONE_DATA_DIR"] = name
        get_settings.cache_clear()
        say("making the project of 300,000 labels")
        _large_project(folder, config.divisor)
        platform.start()
        try:
            found = soak(config, platform)
        finally:
            get_engine().dispose()
            platform.stop()
    report({"bench": "soak"} | found)
    if found["wrong"]:
        raise RunFailed("; ".join(found["wrong"]))


def _large_project(folder: Path, divisor: int) -> None:
    running = services.start(get_settings(), prepare_folder(Settings(data_dir=folder)))
    try:
        services.use(running, folder)
        migrate()
        engine = create_engine(normalise_url(running.database_url), isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            build(connection, divisor)
            connection.execute(text(TOKENS), {"user": MANAGER, "hash": digest("manager")})
            for statement in QUIET.strip().split("\n"):
                connection.exec_driver_sql(statement)
        engine.dispose()
    finally:
        running.stop()


def soak(config: SoakConfig, platform: Platform) -> dict[str, Any]:
    """The load on a platform that is up, and what was found."""
    services.use(
        services.Services(EmbeddedPostgres(platform.folder).url, EmbeddedValkey(platform.folder).url), platform.folder
    )
    for process in platform.tree():
        if _name(process.cmdline()) == "--queues training":
            process.cpu_affinity([0])  # its trainers take as many threads as they may have cores
    world = make_world()
    with task_session() as session:
        # Each person answers a pair once, so that there is enough for all.
        project, labellers = crowd(session, config.annotators, overlap=config.annotators, questions=())
        labelled, talkers = project.id, []
        for _ in range(config.chats):
            person = factories.user(session)
            factories.member(session, session.get_one(Project, world.project_id), person)
            talkers.append(accounts.create_token(session, person, "chat", [Scope.LABEL])[1])
    load, memory, looked = Load(platform.url, config.thought), Memory(platform), Event()
    people = [Thread(target=load.label, args=(labelled, token)) for token in labellers]
    people += [Thread(target=load.chat, args=(world.project_id, token)) for token in talkers]
    looking = Thread(target=memory.look, args=(looked,))
    began = time.monotonic()
    end = began + 60 * config.minutes
    for thread in (*people, looking):
        thread.start()
    say(f"{config.annotators} people label, {config.chats} chat, for {config.minutes:g} minutes")
    exports, exporting, runs = list[int](), [0.0, 0.0], 0

    def export() -> None:
        if not load.enough.wait(6 * config.minutes):  # two files workers make them for most of the time that is left
            exporting[0] = time.monotonic()
            try:
                with ThreadPoolExecutor(EXPORTS) as threads:
                    exports.extend(threads.map(lambda _: _exported(platform.url), range(EXPORTS)))
            except (RunFailed, httpx.HTTPError) as error:
                load.faults.append(f"an export: {type(error).__name__}: {error}")
            exporting[1] = time.monotonic()

    people.append(Thread(target=export))
    people[-1].start()
    while time.monotonic() < end:
        for run in [ended(each, 600) for each in (world.sample(), world.train())]:
            runs += 1
            if run.state is not RunState.SUCCEEDED:
                load.faults.append(f"run {run.id} ended as {run.state}: {run.error}")
        say(f"{(time.monotonic() - began) / 60:.1f} min: {len(load.answers):,} labels, {runs} runs")
    load.enough.set()
    for thread in people:
        thread.join()
    looked.set()
    looking.join()
    if config.series is not None:
        memory.write(config.series, began)
    with get_engine().connect() as connection:
        inexact = connection.execute(text(INEXACT), {"project": labelled}).scalar_one()
        kept = connection.execute(
            text("select count(*) from label where project_id = :of"), {"of": labelled}
        ).scalar_one()
    beside = [seconds for at, seconds in load.answers if exporting[0] < at - seconds and at < exporting[1]]
    apart = [seconds for at, seconds in load.answers if not exporting[0] < at < exporting[1]]
    growth = memory.growth(end - 40 * config.minutes, end)
    said = [line for line in platform.lines if "Traceback" in line or " ERROR" in line or "ended with status" in line]
    wrong = load.faults + said
    wrong += [f"{name} grew by {of['growth']:.1%}" for name, of in growth.items() if of["growth"] >= GROWTH]
    wrong += [f"{inexact} items whose places do not add up"] if inexact else []
    wrong += [f"{len(load.answers)} answers were taken, {kept} labels kept"] if kept != len(load.answers) else []
    wrong += [f"{len(exports)} of {EXPORTS} exports came to their end"] if len(exports) < EXPORTS else []
    wrong += [f"an export had {rows:,} rows only" for rows in exports if rows < LEAST_EXPORTED / config.divisor]
    wrong += [f"p95 beside the exports {_p95(beside):.2f} s"] if _p95(beside) >= SLOWEST_P95 else []
    return {
        "minutes": config.minutes, "labels": kept, "messages": load.messages, "runs": runs,
        "p95_ms": round(1000 * _p95(apart)), "p95_beside_exports_ms": round(1000 * _p95(beside)),
        "exports": exports, "exports_s": round(exporting[1] - exporting[0]), "memory": growth, "wrong": wrong,
    }  # fmt: skip


def _exported(url: str) -> int:
    """Rows of an export of the large project, which a run makes."""
    headers = {"Authorization": "Bearer manager"}
    with httpx.Client(base_url=f"{url}/api/v1/projects/1", headers=headers, timeout=600) as client:
        run = client.post("/exports", json={"format": "jsonl"}).raise_for_status().json()
        while run["state"] in ("queued", "running"):
            time.sleep(1)
            run = client.get(f"/runs/{run['id']}").raise_for_status().json()
        if run["state"] != "succeeded":
            raise RunFailed(f"run {run['id']} ended as {run['state']}: {run['error']}")
        with client.stream("GET", f"/exports/{run['id']}/file") as found:
            found.raise_for_status()
            return sum(piece.count(b"\n") for piece in found.iter_raw())


def _p95(seconds: list[float]) -> float:
    return statistics.quantiles(seconds, n=20)[-1] if len(seconds) > 1 else 0.0


if __name__ == "__main__":
    run_cli(main)
