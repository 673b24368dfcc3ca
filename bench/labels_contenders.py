"""The platforms that bench/labels.py loads: each starts in a folder of its own with pairs and people."""

import json
import os
import random
import secrets
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar, Self

import httpx
import psycopg
import yaml

from bench.peers import peer_python
from tests.ports import free_port
from workers.platform.postgres import EmbeddedPostgres

Headers = dict[str, str]
WORDS = tuple("a model learns what people choose from pairs of short answers that it wrote before".split())  # noqa: SIM905


@dataclass(frozen=True)
class Stored:
    """A label that the contender has kept: what was acknowledged, its pair, and whose it is."""

    item: str
    pair: str
    person: str


def texts(number: int) -> list[tuple[str, str, str]]:
    """Prompts with two answers of about 600 characters in Markdown, the same for every contender."""
    draw = random.Random(number)

    def passage(length: int) -> str:
        return " ".join(draw.choice(WORDS) for _ in range(length)).capitalize() + "."

    def answer() -> str:
        points = "\n".join(f"- **{draw.choice(WORDS)}**: {passage(8)}" for _ in range(3))
        return f"{passage(30)}\n\n{points}\n\n{passage(35)}"

    return [(passage(15), answer(), answer()) for _ in range(number)]


class Contender(ABC):
    """A running platform."""

    name: ClassVar[str]
    pairs: int  # enough for its speed

    def __init__(self, folder: Path, people: int) -> None:
        folder.mkdir(parents=True)
        self.folder = folder
        self.people = people
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.process: subprocess.Popen[bytes] | None = None

    @property
    @abstractmethod
    def version(self) -> str:
        """Of the package that runs."""

    @abstractmethod
    def __enter__(self) -> Self:
        """Start it with its pairs and people."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait(60)

    @abstractmethod
    def sessions(self, number: int) -> list[Headers]:
        """What the requests of the first `number` people carry."""

    @abstractmethod
    def stored(self) -> list[Stored]:
        """Every label it has kept so far."""

    def start(self, command: Iterable[object], address: str, **env: str) -> None:
        """Start its server and wait until `address` answers."""
        with (self.folder / "server.log").open("wb") as log:
            self.process = subprocess.Popen(
                [str(part) for part in command], cwd=self.folder, env=os.environ | env, stdout=log, stderr=log
            )
        deadline = time.monotonic() + 300
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                if httpx.get(self.url + address, timeout=5).status_code < 500:
                    return
            except httpx.TransportError:
                time.sleep(0.5)
        raise SystemExit(f"{self.name} does not answer:\n" + (self.folder / "server.log").read_text()[-2000:])


class Ours(Contender):
    """`hone up` as it ships, with two web processes."""

    name = "ours"
    pairs = 240_000
    processes = 2
    version = "this tree"

    def __enter__(self) -> Self:
        self.key = secrets.token_urlsafe(32)
        self.data = self.folder / "data"
        self.database = EmbeddedPostgres(self.data).url
        self.start(
            [sys.executable, "-c", "from workers.cli.main import main; main()", "up"],
            "/healthz",
            HONE_DATA_DIR=str(self.data),
            HONE_PORT=str(self.port),
            HONE_BASE_MODEL="tiny:1",
            HONE_SECRET_KEY=self.key,
            HONE_WEB_PROCESSES=str(self.processes),
            HONE_LOG_LEVEL="warning",
        )
        os.environ |= {"DATABASE_URL": self.database, "HONE_SECRET_KEY": self.key, "HONE_DATA_DIR": str(self.data)}
        self.tokens = self._fill()
        return self

    def _fill(self) -> list[str]:
        """A project with its pairs and annotators; the annotators' session tokens."""
        from bench.labels_fill import PAIRS_A_PROMPT, fill

        return fill(texts(self.pairs // PAIRS_A_PROMPT), self.people)

    def sessions(self, number: int) -> list[Headers]:
        from app.web.csrf import HEADER, SESSION_COOKIE
        from app.web.signing import sign

        return [
            {
                "Cookie": f"{SESSION_COOKIE}={token}",
                HEADER: sign("csrf", f"{SESSION_COOKIE}={token}"),
                "HX-Request": "true",
                "Sec-Fetch-Site": "same-origin",
            }
            for token in self.tokens[:number]
        ]

    def stored(self) -> list[Stored]:
        with psycopg.connect(self.database) as connection:
            found = connection.execute(
                "select assignment_id, item_id, annotator_id from label where superseded_at is null"
            )
            return [Stored(*map(str, row)) for row in found]


class _SystemPostgres(EmbeddedPostgres):
    """Label Studio needs the extension pg_trgm, which the embedded server does not have, and a connection for each
    request at work."""

    def __init__(self, folder: Path, people: int) -> None:
        super().__init__(folder)
        found = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
        if not found:
            raise SystemExit("Label Studio needs a PostgreSQL with pg_trgm (Debian: sudo apt install postgresql).")
        self.programs, self.people = found[-1], people

    def _initialise(self) -> None:
        super()._initialise()
        with (self.data / "postgresql.conf").open("a") as settings:
            settings.write(f"max_connections = {self.people + 100}\n")


class LabelStudio(Contender):
    """Label Studio on PostgreSQL, one annotation to a task."""

    name = "label_studio"
    pairs = 3_000
    version = "1.23.2"

    _CONFIG = (
        "<View><Text name='prompt' value='$prompt'/><Text name='answer1' value='$answer1'/>"
        "<Text name='answer2' value='$answer2'/><Pairwise name='comparison' toName='answer1,answer2'/></View>"
    )

    def __enter__(self) -> Self:
        python = peer_python(f"label-studio=={self.version}", [f"label-studio=={self.version}"], alone=True)
        self.postgres = _SystemPostgres(self.folder / "data", self.people)
        for name in ("logs", "run"):
            (self.folder / "data" / name).mkdir(parents=True)
        self.postgres.start()
        token = secrets.token_hex(20)
        self.start(
            [
                *(python.with_name("label-studio"), "start", "--no-browser", "--internal-host", "127.0.0.1"),
                *("-p", str(self.port), "--data-dir", self.folder / "studio", "--username", "manager@example.org"),
                *("--password", secrets.token_hex(8), "--user-token", token, "--enable-legacy-api-token"),
            ],
            "/health",
            DJANGO_DB="default",
            POSTGRE_NAME="hone",
            POSTGRE_USER="postgres",
            POSTGRE_PASSWORD="",
            POSTGRE_HOST=str(self.postgres.sockets),
            POSTGRE_PORT="5432",
            COLLECT_ANALYTICS="0",
            SENTRY_DSN="",
            FRONTEND_SENTRY_DSN="",
        )
        with httpx.Client(base_url=self.url, headers={"Authorization": f"Token {token}"}, timeout=300) as manager:
            made = manager.post(
                "/api/projects/",
                json={
                    "title": "bench",
                    "maximum_annotations": 1,
                    "sampling": "Sequential sampling",
                    "label_config": self._CONFIG,
                },
            )
            self.project = made.raise_for_status().json()["id"]
            tasks = [{"prompt": p, "answer1": a, "answer2": b} for p, a, b in texts(self.pairs)]
            manager.post(f"/api/projects/{self.project}/import", json=tasks).raise_for_status()
            invitation = manager.get("/api/invite").raise_for_status().json()["invite_url"]
        self.accounts = [self._sign_up(invitation, number) for number in range(self.people)]
        return self

    def _sign_up(self, invitation: str, number: int) -> Headers:
        with httpx.Client(base_url=self.url, timeout=60) as client:
            client.get(invitation).raise_for_status()
            form = {
                "email": f"person{number}@example.org",
                "password": secrets.token_hex(8),
                "csrfmiddlewaretoken": client.cookies["csrftoken"],
            }
            client.post(invitation, data=form, headers={"Referer": self.url})  # answers with the way to the start page
            if "sessionid" not in client.cookies:
                raise SystemExit("Label Studio did not sign the annotator up.")
            return {
                "project": str(self.project),
                "Cookie": "; ".join(f"{name}={value}" for name, value in client.cookies.items()),
                "X-CSRFToken": client.cookies["csrftoken"],
            }

    def sessions(self, number: int) -> list[Headers]:
        return self.accounts[:number]

    def stored(self) -> list[Stored]:
        with psycopg.connect(self.postgres.url) as connection:
            found = connection.execute("select task_id, task_id, completed_by_id from task_completion")
            return [Stored(*map(str, row)) for row in found]

    def __exit__(self, *error: Any) -> None:
        super().__exit__(*error)
        self.postgres.stop()


class Potato(Contender):
    """Potato, one annotation to an item."""

    name = "potato"
    pairs = 6_000
    version = "2.12.1"

    def __enter__(self) -> Self:
        python = peer_python(f"potato=={self.version}", [f"potato-annotation=={self.version}"], alone=True)
        items = [
            json.dumps({"id": f"pair{number}", "text": [a, b], "prompt": p})
            for number, (p, a, b) in enumerate(texts(self.pairs))
        ]
        (self.folder / "items.jsonl").write_text("\n".join(items))
        config = {
            "annotation_task_name": "bench",
            "data_files": ["items.jsonl"],
            "item_properties": {"id_key": "id", "text_key": "text"},
            "task_dir": ".",
            "output_annotation_dir": "annotation_output",
            "output_annotation_format": "json",
            "num_annotators_per_item": 1,
            "require_password": False,
            "user_config": {"allow_all_users": True, "users": []},
            "annotation_schemes": [
                {
                    "annotation_type": "pairwise",
                    "name": "preference",
                    "description": "Which answer is better?",
                    "items_key": "text",
                }
            ],
        }
        (self.folder / "config.yaml").write_text(yaml.safe_dump(config))
        command = [python.with_name("potato"), "start", "config.yaml", "-p", str(self.port)]
        self.start(command, "/")
        self.accounts = [self._sign_in(f"person{number}") for number in range(self.people)]
        return self

    def _sign_in(self, name: str) -> Headers:
        with httpx.Client(base_url=self.url, timeout=60, follow_redirects=True) as client:
            client.post("/auth", data={"email": name, "username": name, "pass": ""}).raise_for_status()
            client.get("/annotate").raise_for_status()
            return {"Cookie": "; ".join(f"{key}={value}" for key, value in client.cookies.items())}

    def sessions(self, number: int) -> list[Headers]:
        return self.accounts[:number]

    def stored(self) -> list[Stored]:
        found = []
        for file in (self.folder / "annotation_output").glob("*/user_state.json"):
            labels = json.loads(file.read_text())["instance_id_to_label_to_value"]
            found += [Stored(item, item, file.parent.name) for item, given in labels.items() if given]
        return found


CONTENDERS: dict[str, type[Contender]] = {kind.name: kind for kind in (Ours, LabelStudio, Potato)}
