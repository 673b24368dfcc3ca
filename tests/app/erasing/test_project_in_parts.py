"""A project goes a part at a time: nobody finds it from the first moment, and whatever is killed, the rest goes on."""

import os
import signal
import subprocess
import sys
import time
from contextlib import nullcontext, suppress
from datetime import UTC, datetime
from itertools import pairwise

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from app import models as m
from app.db import task_session
from app.erasing import project, project_in_parts, retention
from app.erasing.going import going
from app.runs import folders
from tests import factories
from tests.app.erasing.dying import Killed, one_only
from tests.app.erasing.slowness import counted, slow_down
from tests.app.erasing.test_erasing import MARK, fill, found, rows
from workers.runs import tasks


@pytest.fixture
def world(database: str, monkeypatch: pytest.MonkeyPatch) -> tuple[int, int]:
    """The number of a project that is archived, and of another."""
    first_parts(monkeypatch, 2)
    with task_session() as session:
        other, _ = fill(session, "Other")
        made, _ = fill(session, MARK)
        made.archived_at = datetime.now(UTC)
        return made.id, other.id


def first_parts(monkeypatch: pytest.MonkeyPatch, rows: int) -> None:
    for kinds in ("MANY", "NAMING"):
        monkeypatch.setattr(project_in_parts, kinds, [(*each[:2], rows) for each in getattr(project_in_parts, kinds)])


def begin(number: int) -> None:
    with task_session() as session:
        project.erase(session, session.get_one(m.Project, number), None)


def count(what: str) -> int:
    with task_session() as session:
        return int(session.scalar(text(f"select count(*) from {what}")) or 0)


def test_it_goes_on_after_every_part_that_was_its_last(world: tuple[int, int]) -> None:
    number, other = world
    with task_session() as session:
        before = rows(session, other)
    begin(number)
    left, parts = [8], 0
    while count(f"project where id = {number}"):
        parts += 1
        assert parts < 40
        with suppress(Killed):
            project_in_parts.go_on(one_only, number)
        left.append(count(f"label where project_id = {number}"))
        assert left[-2] - left[-1] in (0, 2)
        if parts == 7:
            break
    assert left == [8, 8, 8, 8, 8, 6, 4, 2], "eight rows of a snapshot in four parts, then labels"
    with task_session() as session:
        [one] = going(session)
        assert (one.kind, one.number, one.left["labels"], one.left["prompts"] > 0) == ("project", number, 2, True)
        assert "prompt" in rows(session, number)
    assert project_in_parts.go_on(task_session, number)
    with task_session() as session:
        assert found(session) == {"user", "api_token"}
        assert rows(session, number) == {}
        assert rows(session, other) == before
        assert project_in_parts.waiting(session) == []
    assert not project_in_parts.go_on(task_session, number), "nothing is left to do"


def test_a_worker_that_is_killed_in_the_midst_leaves_the_rest_to_the_next(world: tuple[int, int]) -> None:
    number, _ = world
    begin(number)
    code = f"""
import time
from app.db import task_session
from app.erasing import project_in_parts
from contextlib import contextmanager
project_in_parts.MANY = [(*each[:2], 1) for each in project_in_parts.MANY]
@contextmanager
def slow():
    with task_session() as session:
        yield session
        time.sleep(0.3)
project_in_parts.go_on(slow, {number})
"""
    process = subprocess.Popen([sys.executable, "-c", code], env=os.environ)
    try:
        deadline = time.monotonic() + 60
        while count(f"label where project_id = {number}") > 6:
            assert time.monotonic() < deadline
            assert process.poll() is None
            time.sleep(0.02)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert 0 < count(f"label where project_id = {number}") <= 6
    with task_session() as session:
        project_in_parts.ask(session)
        assert session.info["hone.pending_jobs"] == [(project_in_parts.TASK, (), project_in_parts.QUEUE)]
    deadline = time.monotonic() + 30  # until the server has seen that the killed one is gone
    while count("project where goes_since is not null"):
        tasks.erase_labels()
        assert time.monotonic() < deadline
    with task_session() as session:
        assert found(session) == {"user", "api_token"}
        assert rows(session, number) == {}


def test_parts_become_smaller_where_the_machine_is_slow(
    world: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    number, _ = world
    first_parts(monkeypatch, 4)
    begin(number)
    slow_down("label", 0.2)
    parts: list[int] = []
    assert project_in_parts.go_on(counted(f"label where project_id = {number}", parts), number)
    assert parts == [4, 1, 1, 1, 1], "0.8 s, so that the next may have one row, as 0.3 s are not two"


@pytest.mark.parametrize("first", [1, 3, 1000])
def test_all_goes_whatever_a_part_is(world: tuple[int, int], monkeypatch: pytest.MonkeyPatch, first: int) -> None:
    number, other = world
    first_parts(monkeypatch, first)
    with task_session() as session:
        before = rows(session, other)
        runs = session.query(m.Run).filter_by(project_id=number).order_by(m.Run.id).all()
        assert len(runs) > 1
        for older, newer in pairwise(runs):
            newer.parent_id = older.id
    begin(number)
    assert project_in_parts.go_on(task_session, number)
    with task_session() as session:
        assert rows(session, number) == {}
        assert rows(session, other) == before


def test_files_that_cannot_go_keep_it_from_being_forgotten(
    world: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    number, _ = world
    with task_session() as session:
        [run, *_] = session.query(m.Run.id).filter_by(project_id=number).order_by(m.Run.id).first() or ()
    begin(number)

    def full(path: object) -> None:
        raise PermissionError(path)

    with monkeypatch.context() as broken:
        broken.setattr(project_in_parts.shutil, "rmtree", full)
        with pytest.raises(PermissionError):
            project_in_parts.go_on(task_session, number)
    assert folders.folder(run).exists()
    assert count(f"run where id = {run}") == 1
    assert project_in_parts.go_on(task_session, number)
    assert not folders.folder(run).exists()
    assert count(f"run where id = {run}") == 0


def test_one_that_cannot_go_holds_up_no_other(world: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = sorted(world)
    with task_session() as session:
        session.execute(text("update project set archived_at = now()"))
    begin(first)
    begin(second)
    stuck, places = folders.folder(-1), project_in_parts._places
    monkeypatch.setattr(
        project_in_parts, "_places", lambda session, number: [stuck] if number == first else places(session, number)
    )
    stuck.parent.mkdir(parents=True, exist_ok=True)
    stuck.write_text("a file where a folder is to be")
    tasks.erase_labels()
    assert (count(f"project where id = {first}"), count(f"project where id = {second}")) == (1, 0)
    stuck.unlink()
    tasks.erase_labels()
    assert count(f"project where id = {first}") == 0


def test_two_workers_share_one_project_and_neither_fails(world: tuple[int, int]) -> None:
    number, _ = world
    begin(number)
    with task_session() as session:
        assert project_in_parts._hold(session, number)
        assert not project_in_parts.go_on(task_session, number), "another is at it"
    assert project_in_parts.go_on(task_session, number)


def test_it_cannot_be_taken_up_again_by_a_request_that_had_begun_before(world: tuple[int, int]) -> None:
    number, _ = world
    begin(number)
    begin(number)  # as by a second click
    assert count("audit_event where action = 'project.deleted'") == 1
    with pytest.raises(IntegrityError, match="goes_archived"), task_session() as session:
        session.execute(text(f"update project set archived_at = null where id = {number}"))


def test_what_no_retention_takes_meanwhile(world: tuple[int, int]) -> None:
    number, _ = world
    with task_session() as session:
        session.execute(text("update run set ended_at = now() - interval '9 days', workspace = 'attempt-1'"))
        session.execute(text("update conversation set created_at = now() - interval '9 days'"))
        session.execute(text("update turn set created_at = now() - interval '9 days'"))
    begin(number)
    with task_session() as session:
        runs, chats = retention.old_runs(session, 3), retention.old_chats(session, 3)
        assert {run.project_id for run in runs} | {chat.project_id for chat in chats} == {world[1]}


def test_from_the_first_moment_it_is_on_no_page_and_in_no_answer(as_, cast, session, monkeypatch) -> None:
    monkeypatch.setattr(project_in_parts, "ask", lambda session: None)
    made = cast.project
    made.name = MARK
    model = factories.model(session, made, name=MARK)
    factories.label(session, factories.item(session, factories.prompt(session, made, MARK), model), cast.annotator)
    factories.conversation(session, made, cast.annotator, title=MARK)
    run = factories.run(session, made, state=m.RunState.SUCCEEDED, name=MARK)
    made.archived_at = datetime.now(UTC)
    session.flush()
    number, browser = made.id, as_("admin")
    pages = ["/", "/?archived=1", "/system", "/users", "/retention", "/models", "/endpoints", "/projects/new"]
    calls = ["projects", "projects?archived=true", "runs", f"runs/{run.id}", "models", "audit", "users"]
    paths = [*pages, *(f"/api/v1/{call}" for call in calls)]
    shown = {path for path in paths if MARK in browser.get(path).text}
    assert {"/api/v1/runs", f"/api/v1/runs/{run.id}"} <= shown, shown
    browser.submit(f"/projects/{number}/delete", name=MARK)
    assert {path for path in paths if MARK in browser.get(path).text and path != "/"} == set()
    browser.get("/")  # on which it was said once that it was deleted
    assert MARK not in browser.get("/").text
    assert f"Project {number}, begun" in browser.get("/retention").text
    assert "items: 1, labels: 1, conversations: 1" in browser.get("/retention").text
    [one] = browser.get("/api/v1/deletions").json()["items"]
    assert (one["kind"], one["number"], one["left"]["labels"]) == ("project", number, 1)
    assert MARK not in browser.get("/api/v1/deletions").text
    for who in ("admin", "manager", "annotator"):
        for path in ("", "/settings", "/delete", "/label", "/runs", f"/runs/{run.id}", "/chat", "/labels"):
            assert as_(who).get(f"/projects/{number}{path}").status_code == 404, (who, path)
        assert as_(who).get(f"/api/v1/projects/{number}").status_code == 404
        assert as_(who).get(f"/api/v1/runs/{run.id}").status_code == (404 if who == "admin" else 403)
    assert project_in_parts.go_on(lambda: nullcontext(session), number)
    assert session.scalar(text(f"select count(*) from label where project_id = {number}")) == 0
    assert "Being deleted" not in browser.get("/retention").text
    assert set(rows(session, number)) == set()
