"""What people who label notice of an upgrade with old and new web processes side by side.

    make bench-upgrade                                 # two minutes, from a commit with schema 0036
    python -m bench.upgrade --old v1.2                 # from another one; neighbouring versions only

The old version is checked out of git beside this one and serves a project with two web processes. Six people label
through the JSON API, each request sent once, to the processes that are in service in turn, as a balancer does it. Then
this version's migration runs, two of its web processes take over, one after the other, and each old one is taken out of
service and gets SIGTERM. Fails where a request is not answered by 200, or a label is lost or there twice.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from threading import Event
from typing import Annotated, Any

import httpx
import psycopg

from app.resources import MIGRATIONS
from app.settings import Settings
from bench.pairs import report, say
from rlhf.config import Doc, Ge, RunFailed, parse_config, run_cli
from tests.ports import free_port
from workers.platform.children import commands
from workers.platform.folder import prepare_folder
from workers.platform.postgres import EmbeddedPostgres
from workers.platform.valkey import EmbeddedValkey

NEW = MIGRATIONS.parent
PEOPLE, THOUGHT = 6, 0.1
MIGRATE = "from workers.platform.migrate import migrate; migrate(tell=print)"
FILL = f"""
import json
from app.db import task_session
from tests.faults.crowd import crowd
with task_session() as session:
    project, tokens = crowd(session, {PEOPLE}, overlap={PEOPLE}, questions=())
    print(json.dumps([project.id, tokens]))
"""


@dataclass(frozen=True)
class UpgradeConfig:
    """Old and new web processes side by side under load."""

    old: Annotated[str, Doc("Commit that is upgraded from.")] = "bb3afc7"
    seconds: Annotated[float, Ge(1), Doc("How long each stage lasts.")] = 5.0


@dataclass
class Balancer:
    """The processes in service, and what came of the requests that were sent to them."""

    urls: list[str] = field(default_factory=list)
    labels: dict[int, int] = field(default_factory=dict)  # assignment -> label
    faults: list[str] = field(default_factory=list)
    slowest: float = 0.0
    enough: Event = field(default_factory=Event)
    _turn: Iterator[int] = field(default_factory=count)

    def work(self, project: int, token: str) -> None:
        """One person, who sends nothing twice."""
        with httpx.Client(headers={"Authorization": f"Bearer {token}"}, timeout=30) as client:
            try:
                task = self._post(client, project, "/next", {})["task"]
                while not self.enough.wait(THOUGHT):
                    if task is None:
                        raise RunFailed("the items were used up")
                    lease = task["assignment_id"]
                    said = self._post(client, project, "", {"assignment_id": lease, "answer": "left"})
                    self.labels[lease] = said["label"]
                    task = said["next"]
            except (RunFailed, httpx.HTTPError) as error:
                self.faults.append(f"{type(error).__name__}: {error}")

    def _post(self, client: httpx.Client, project: int, path: str, body: dict[str, Any]) -> Any:
        serving = self.urls
        url = serving[next(self._turn) % len(serving)]
        began = time.monotonic()
        answer = client.post(f"{url}/api/v1/projects/{project}/label{path}", json=body)
        self.slowest = max(self.slowest, time.monotonic() - began)
        if answer.status_code != 200:
            raise RunFailed(f"{answer.status_code}: {answer.text[:300]}")
        return answer.json()


@contextmanager
def checked_out(commit: str, folder: Path) -> Iterator[Path]:
    """The files of a commit, and what the pages load from here."""
    folder.mkdir()
    archive = subprocess.run(["git", "archive", commit], cwd=NEW, stdout=subprocess.PIPE, check=True)
    subprocess.run(["tar", "--extract", "--directory", str(folder)], input=archive.stdout, check=True)
    (folder / "static" / "vendor").symlink_to(NEW / "static" / "vendor")
    yield folder


def python(tree: Path, code: str) -> str:
    """What a program of that version prints."""
    done = subprocess.run([sys.executable, "-c", code], cwd=tree, env=_env(tree), stdout=subprocess.PIPE, text=True)
    if done.returncode:
        raise RunFailed(f"a program of {tree} ended with {done.returncode}; what it said is above")
    return done.stdout


def _env(tree: Path) -> dict[str, str]:
    return os.environ | {"PYTHONPATH": str(tree)}


def web(tree: Path) -> tuple[subprocess.Popen[bytes], str]:
    """A web process of that version, once it is ready, and its address."""
    settings = Settings(port=free_port())
    process = subprocess.Popen(commands(settings)["web"], cwd=tree, env=_env(tree), stdout=subprocess.DEVNULL)
    url, deadline = f"http://127.0.0.1:{settings.port}", time.monotonic() + 120
    while not _is_ready(url):
        if process.poll() is not None or time.monotonic() > deadline:
            process.kill()
            raise RunFailed(f"the web process of {tree} did not become ready")
        time.sleep(0.2)
    return process, url


def _is_ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/readyz").is_success
    except httpx.TransportError:
        return False


def upgrade(config: UpgradeConfig, old: Path, database: str) -> dict[str, Any]:
    """The upgrade under load, and what was found."""
    python(old, MIGRATE)
    project, tokens = json.loads(python(old, FILL).splitlines()[-1])
    balancer, ready = Balancer(), True
    with ExitStack() as left, ThreadPoolExecutor(PEOPLE) as threads:
        left.callback(balancer.enough.set)

        def start(tree: Path) -> tuple[subprocess.Popen[bytes], str]:
            process, url = web(tree)
            left.callback(process.kill)
            balancer.urls = [*balancer.urls, url]
            return process, url

        serving = [start(old), start(old)]
        people = [threads.submit(balancer.work, project, token) for token in tokens]
        time.sleep(config.seconds)
        say(python(NEW, MIGRATE).strip())
        for process, url in serving:
            time.sleep(config.seconds)
            ready = ready and _is_ready(url)
            start(NEW)
            time.sleep(config.seconds)
            balancer.urls = [other for other in balancer.urls if other != url]
            process.terminate()
            process.wait(30)
        time.sleep(config.seconds)
        balancer.enough.set()
        for person in people:
            person.result()
    with psycopg.connect(database) as connection:
        kept = connection.execute("select assignment_id, id from label where project_id = %s", [project]).fetchall()
    return {
        "bench": "upgrade", "old": config.old, "labels": len(balancer.labels), "kept": len(kept),
        "lost": len(set(balancer.labels.items()) - set(kept)), "doubled": len(kept) - len(dict(kept)),
        "old_stays_ready": ready, "slowest_ms": round(1000 * balancer.slowest), "faults": balancer.faults,
    }  # fmt: skip


def main(argv: list[str]) -> None:
    config = parse_config(UpgradeConfig, argv, prog="python -m bench.upgrade")
    with tempfile.TemporaryDirectory(prefix="hone-bench-", ignore_cleanup_errors=True) as name:
        folder = Path(name) / "data"
        prepare_folder(Settings(data_dir=folder))
        postgres, valkey = EmbeddedPostgres(folder), EmbeddedValkey(folder)
        postgres.start()
        valkey.start()
        os.environ |= {"DATABASE_URL": postgres.url, "REDIS_URL": valkey.url, "HONE_DATA_DIR": str(folder)}
        os.environ["HONE_SECRET_KEY"] = "of this bench alone, which signs nothing that lasts"
        try:
            with checked_out(config.old, Path(name) / "old") as old:
                found = upgrade(config, old, postgres.url)
        finally:
            valkey.stop()
            postgres.stop()
    report(found)
    well = found["labels"] == found["kept"] and not found["lost"] and not found["faults"] and found["old_stays_ready"]
    sys.exit(0 if well else 1)


if __name__ == "__main__":
    run_cli(main)
