"""Retention frees what it says that it would, and only that."""

import os
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from app import models as m
from app.db import task_session
from app.erasing import retention
from app.runs import folders, work
from app.runs import service as runs
from app.settings import get_settings
from tests import factories
from workers.cli.main import main

NOW = datetime.now(UTC)


def used(folder: Path) -> int:
    """Bytes of all files below, each once however often it is linked."""
    return sum({path.lstat().st_ino: path.lstat().st_size for path in folder.rglob("*") if path.is_file()}.values())


def left(number: int) -> Path:
    """A folder as a run leaves it: a log, and a checkpoint."""
    folder = folders.folder(number) / "attempt-1" / "checkpoint-5"
    folder.mkdir(parents=True)
    (folder / "model.safetensors").write_bytes(os.urandom(5_000))
    (folder.parent / "log.txt").write_bytes(b"x" * 700)
    return folder


@pytest.fixture
def world(database: str) -> dict[str, int]:
    """Runs of several states and ages; name -> number."""
    with task_session() as session:
        factories.user(session, is_admin=True)
        project = factories.project(session)
        old, fresh = NOW - timedelta(days=40), NOW - timedelta(days=10)
        wanted = {
            "failed": (m.RunState.FAILED, old), "succeeded": (m.RunState.SUCCEEDED, old),
            "fresh": (m.RunState.FAILED, fresh), "running": (m.RunState.RUNNING, None),
            "resumed": (m.RunState.QUEUED, None),
        }  # fmt: skip
        made = {}
        for name, (state, ended) in wanted.items():
            run = factories.run(
                session, project, state=state, ended_at=ended, workspace="attempt-1", claim="c",
                created_at=NOW - timedelta(days=90),
            )  # fmt: skip
            made[name] = run.id
            checkpoint = left(run.id)
            if name == "failed":  # weights that lie among the models too
                store = get_settings().store / "models" / "7"
                store.mkdir(parents=True)
                os.link(checkpoint / "model.safetensors", store / "model.safetensors")
        return made


def retain(*words: str) -> int:
    """Run the command; its status."""
    before, sys.argv = sys.argv, ["hone", "retention", *words]
    try:
        with pytest.raises(SystemExit) as ended:
            main()
    finally:
        sys.argv = before
    return int(ended.value.code or 0)


def test_it_says_what_would_go_and_frees_exactly_that(world, capsys):
    store = get_settings().store
    before = used(store)
    assert retain("--runs", "30") == 0
    said = capsys.readouterr().out
    assert said.startswith(f"run {world['failed']}: 700 B\nrun {world['succeeded']}: 6 kB\n2 folders of runs, 6 kB; ")
    assert f"In use, so they stay: runs {world['running']}, {world['resumed']}." in said
    assert "Nothing was changed" in said
    assert used(store) == before
    with task_session() as session:
        promised = retention.freed(retention.old_runs(session, 30))
    assert promised == 700 + 5_700  # not the weights that are linked from elsewhere
    assert retain("--runs", "30", "--yes") == 0
    assert before - used(store) == promised
    assert (store / "models" / "7" / "model.safetensors").stat().st_size == 5_000
    there = {name for name, number in world.items() if folders.folder(number).exists()}
    assert there == {"fresh", "running", "resumed"}
    assert retain("--runs", "30", "--yes") == 0
    assert "0 folders of runs, 0 B; 0 conversations" in capsys.readouterr().out


def test_a_run_whose_folder_went_is_resumed_from_the_beginning(world):
    with task_session() as session:
        retention.delete_folders(session, retention.old_runs(session, 30))
    with task_session() as session:
        run = session.get_one(m.Run, world["failed"])
        assert run.workspace is None
        runs.resume(session, None, run)
        assert work.claim(session, run.id, "worker", "CPU") is not None
        assert retention.old_runs(session, 1) != []
        assert run.id not in {each.id for each in retention.old_runs(session, 1)}


def test_chats_that_nobody_went_on_with_go_and_others_stay(database, capsys):
    with task_session() as session:
        project, person = factories.project(session), factories.user(session, is_admin=True)
        numbers = []
        for days in (100, 5):
            conversation = factories.conversation(session, project, person, created_at=NOW - timedelta(days=200))
            factories.turn(session, conversation, created_at=NOW - timedelta(days=days))
            numbers.append(conversation.id)
    assert retain("--chats", "30") == 0
    assert "1 conversation, " in capsys.readouterr().out
    assert retain("--chats", "30", "--yes") == 0
    with task_session() as session:
        assert [session.get(m.Conversation, number) is None for number in numbers] == [True, False]


def test_a_rule_that_says_nothing_is_refused(database, capsys):
    assert retain("--yes") == 2
    assert "Say what is to go" in capsys.readouterr().err
    assert retain("--runs", "0") == 2
