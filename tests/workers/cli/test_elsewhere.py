"""`hone` for another machine's Hone: by HONE_URL and HONE_TOKEN, without its database or its files."""

import json
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from threading import Event

import pytest
from sqlalchemy import select

from app.accounts import service as accounts
from app.accounts.scopes import Scope
from app.db import task_session
from app.models import Project, Prompt, Role, Run, RunState, User
from app.runs import work
from rlhf.lease import clock
from tests import factories
from tests.web_server import web_server
from tests.workers.cli.test_cli import hone, refused
from workers.runs.execution import work_on


@pytest.fixture
def project(database: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """A project on a served platform, which the commands know by its address and a manager's token alone."""
    monkeypatch.setenv("HONE_SECRET_KEY", "a key for tests only, of the length that is asked")
    with task_session() as session:
        project = factories.project(session)
        manager = factories.user(session, email="far@example.org")
        factories.member(session, project, manager, Role.MANAGER)
        _, token = accounts.create_token(session, manager, "cli", [Scope.READ, Scope.MANAGE])
        number = project.id
    with web_server() as server:
        monkeypatch.setenv("HONE_URL", server.url)
        monkeypatch.setenv("HONE_TOKEN", token)
        yield number


@pytest.fixture
def worker() -> Iterator[None]:
    """Works on whatever is queued, as the platform's worker does."""
    stop = Event()

    def run() -> None:
        while not stop.wait(0.05):
            with task_session() as session:
                waiting = session.scalars(select(Run.id).where(Run.state == RunState.QUEUED)).all()
            for number in waiting:
                since = clock()
                with task_session() as session:
                    claimed = work.claim(session, number, "test:1", "CPU")
                if claimed is not None:
                    work_on(claimed, stop, since)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def test_what_there_is_is_listed_and_changed(project: int) -> None:
    listed = json.loads(hone("project", "list", "--json").stdout)
    assert (listed["id"], listed["role"]) == (project, "manager")
    made = hone("project", "create", "Far away", "--no-starter-prompts", "--queue", '{"overlap": 2}', "--json")
    number = json.loads(made.stdout)["id"]
    assert (made.returncode, made.stderr) == (0, "")
    with task_session() as session:
        assert session.get_one(Project, number).overlap == 2
    assert hone("project", "change", str(number), "--name", "Nearer").stdout == "Saved.\n"
    assert json.loads(hone("project", "show", str(number), "--json").stdout)["name"] == "Nearer"
    cloned = json.loads(hone("project", "clone", str(number), "--name", "Twin", "--json").stdout)["id"]
    assert json.loads(hone("project", "show", str(cloned), "--json").stdout)["queue"]["overlap"] == 2
    assert "no run 999" in refused("runs", "show", "999")
    assert "--queue is not valid JSON" in refused("project", "create", "x", "--queue", "{")


def test_what_is_not_for_a_token_or_from_here_is_refused_with_a_sentence(
    project: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert "An API token cannot do this" in refused("token", "create", "more", "--scope", "read")
    assert "leave --as out" in refused("project", "list", "--as", "boss@example.org")
    assert "A folder cannot be sent" in refused("import", tmp_path, "-p", str(project))
    assert "say --as prompts, pairs or labels" in refused("import", "hub:org/x", "-p", str(project))
    monkeypatch.setenv("HONE_TOKEN", "hone_" + "x" * 43)
    assert "This API token is not valid" in refused("project", "list")
    monkeypatch.delenv("HONE_TOKEN")
    assert "Set HONE_TOKEN" in refused("project", "list")
    monkeypatch.setenv("HONE_TOKEN", "x")
    monkeypatch.setenv("HONE_URL", "http://127.0.0.1:1")
    monkeypatch.setattr("hone_client.calling.Caller._pause", lambda self, attempt: 0.0)
    assert "Nothing answers at http://127.0.0.1:1" in refused("project", "list")


def test_a_file_goes_in_and_labels_come_out(project: int, worker: None, tmp_path: Path) -> None:
    rows = [{"prompt": f"Why {n}?", "chosen": "So.", "rejected": "No."} for n in range(3)]
    file = tmp_path / "labels.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    dry = json.loads(hone("import", file, "-p", str(project), "--dry-run", "--json").stdout)
    assert (dry["labels"], dry["refused"]) == (3, [])
    done = hone("import", file, "-p", str(project), "--json")
    told = json.loads(done.stdout)
    assert (done.returncode, told["labels"], told["duplicates"], told["refused"]) == (0, 3, 0, [])
    assert re.search(r"Run \d+ is ", done.stderr)
    with task_session() as session:
        assert len(session.scalars(select(Prompt)).all()) == 3

    file.write_text('{"prompt": "How?", "chosen": "So.", "rejected": "No."}\n{"prompt": 7}\n')
    bad = hone("import", file, "-p", str(project), "--as", "labels", "--json")
    assert (bad.returncode, json.loads(bad.stdout)["labels"]) == (2, 0)
    assert json.loads(bad.stdout)["refused"][0]["row"] == '{"prompt": 7}'

    out = tmp_path / "out.jsonl"
    made = hone("export", "-p", str(project), "--layout", "trl", "-o", out, "--json")
    assert json.loads(made.stderr.splitlines()[-1]) == {"rows": 3, "file": str(out)}
    assert {json.loads(line)["chosen"] for line in out.read_text().splitlines()} == {"So."}


def test_a_run_is_followed_to_its_end_and_a_failed_one_ends_with_2(project: int) -> None:
    with task_session() as session:
        owner = session.get_one(Project, project)
        done = factories.run(session, owner, state=RunState.SUCCEEDED).id
        failed = factories.run(session, owner, state=RunState.FAILED, error="No room.").id
        assert session.scalars(select(User)).all()
    followed = hone("runs", "follow", str(done), "--json")
    assert (followed.returncode, json.loads(followed.stdout)["state"]) == (0, "succeeded")
    assert followed.stderr == f"Run {done} is succeeded.\n"
    assert refused("runs", "follow", str(failed)) == f"error: Run {failed} failed: No room."
