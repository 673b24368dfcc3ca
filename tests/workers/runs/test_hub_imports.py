"""Data sets of the hub, fetched by the run that imports them: whole, or told why not, with nothing left behind."""

import gzip
import time
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from sqlalchemy import select

from app.db import task_session
from app.imports import files
from app.imports import service as imports
from app.imports.forms import HubImport
from app.models import ImportConfig, Item, Label, Project, Prompt, Run, RunState, User
from app.runs import service as runs
from tests.hub import ask, serving
from tests.workers.runs.test_importing import PAIR, counted, finish, lines, project

__all__ = ["project"]
SETS = {
    "org/pairs": {
        "train.jsonl": lines([PAIR]),
        "data/a b@1 #2?%41/test.jsonl": lines([PAIR | {"prompt": "Why?"}]),
        "x.bin": b"no",
    },
    "org/odd": {"train.jsonl": lines([{"Q": "How?", "Best": "So.", "Worst": "No."}])},
    "org/none": {"README.md": b"Nothing here."},
}


def begin(project: int, name: str, what: Any = "labels") -> int:
    with task_session() as session:
        user = session.scalars(select(User)).one()
        wanted = HubImport(hub=name, what=what)
        return imports.start_from_hub(session, session.get_one(Project, project), user, wanted).id


def left(project: int) -> list[str]:
    folder = files.folder_of(project)
    return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []


def test_a_data_set_is_fetched_kept_and_imported_with_its_splits(project: int, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(SETS) as address:
        ask(monkeypatch, address)
        run = finish(begin(project, "org/pairs"))
        assert (run.state, run.error) == (RunState.SUCCEEDED, None)
        assert run.summary == {"prompts": 2, "pairs": 2, "labels": 2, "duplicates": 0, "refused": 0}
        digest = run.asked(ImportConfig).file.rsplit("/", 1)[1]
        assert left(project) == [digest]
        kept = files.folder_of(project) / digest
        assert sorted(str(path.relative_to(kept)) for path in kept.rglob("*.*")) == [
            "data/a b@1 #2?%41/test.jsonl", "train.jsonl",
        ]  # fmt: skip
        again = finish(begin(project, "org/pairs"))
        assert (again.summary or {})["duplicates"] == 2
        assert left(project) == [digest]
    with task_session() as session:
        splits = [(label.extra or {})["split"] for label in session.scalars(select(Label).order_by(Label.id))]
        assert splits == ["test", "train"]


def test_what_cannot_be_fetched_leaves_nothing_and_can_be_tried_again(
    project: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask(monkeypatch, "http://127.0.0.1:9")
    run = finish(begin(project, "org/pairs"))
    assert run.state is RunState.FAILED
    assert (run.error or "").startswith("The dataset org/pairs cannot be fetched from the hub")
    assert (left(project), counted(Prompt, Item, Label)) == ([], [0, 0, 0])
    with serving(SETS) as address:
        ask(monkeypatch, address)
        for name, reason in (("org/away", "cannot be fetched from the hub"), ("org/none", "has no files of data")):
            refused = finish(begin(project, name))
            assert refused.state is RunState.FAILED
            assert reason in (refused.error or "")
        with task_session() as session:
            user = session.scalars(select(User)).one()
            runs.resume(session, user, session.get_one(Run, run.id))
        assert finish(run.id).state is RunState.SUCCEEDED
    assert counted(Prompt, Item, Label) == [2, 2, 2]


def test_columns_that_say_nothing_are_kept_to_be_mapped(project: int, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(SETS) as address:
        ask(monkeypatch, address)
        run = finish(begin(project, "org/odd"))
    assert run.state is RunState.FAILED
    assert "columns" in (run.error or "")
    assert Path(files.path(run.asked(ImportConfig).file)).is_dir()


def test_one_larger_than_an_upload_may_be_is_refused_before_anything_of_it_is_fetched(
    project: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    sets = {"org/large": {"a.jsonl": lines([PAIR]), "b.jsonl": lines([PAIR])}}
    asked: list[str] = []
    with serving(sets, sizes={"b.jsonl": 3 * 2**30}, asked=asked) as address:
        ask(monkeypatch, address)
        run = finish(begin(project, "org/large"))
    assert run.state is RunState.FAILED
    assert run.error == (
        "The dataset org/large has 3,073 MB of data in 2 files; at most 1,024 MB are fetched from the hub. "
        "Download what you need of it, and import that with “hone import”, which takes any size."
    )
    assert (asked, left(project), counted(Prompt)) == ([], [], [0])


def test_a_hub_that_sends_another_size_than_it_told_is_not_believed(
    project: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for size in (10, 10_000):
        with serving({"org/odd": {"a.jsonl": lines([PAIR])}}, sizes={"a.jsonl": size}) as address:
            ask(monkeypatch, address)
            run = finish(begin(project, "org/odd"))
        assert run.state is RunState.FAILED
        assert f"a.jsonl is to have {size} bytes" in (run.error or "").replace(",", "")
        assert left(project) == []


def test_progress_is_told_while_it_is_fetched_and_a_cancel_ends_it_there(
    project: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    large = b"x" * (60 * 2**20)  # 19 s at 20 ms for 64 kB
    with serving({"org/slow": {"a.jsonl": large, "b.jsonl": large}}, asked=asked, pause=0.02) as address:
        ask(monkeypatch, address)
        run = begin(project, "org/slow")
        working = Thread(target=finish, args=[run])
        working.start()
        deadline = time.monotonic() + 15
        while not (found := shown(run)).step and time.monotonic() < deadline:
            time.sleep(0.1)
        assert (found.unit, found.total_steps) == ("MB fetched", 120)
        with task_session() as session:
            runs.request_cancel(session, session.scalars(select(User)).one(), session.get_one(Run, run))
        working.join(5)
        assert not working.is_alive()
    assert shown(run).state is RunState.CANCELLED
    assert 0 < (shown(run).step or 0) < 60
    assert (asked, left(project), counted(Prompt)) == (["a.jsonl"], [], [0])


def test_compressed_tables_of_a_data_set_are_data_too(project: int, monkeypatch: pytest.MonkeyPatch) -> None:
    table = b"prompt,chosen,rejected\nHow?,So.,No.\n"
    with serving({"org/gz": {"data/train.csv.gz": gzip.compress(table)}}) as address:
        ask(monkeypatch, address)
        run = finish(begin(project, "org/gz"))
    assert (run.state, run.error) == (RunState.SUCCEEDED, None)
    assert counted(Prompt, Item, Label) == [1, 1, 1]


def shown(run_id: int) -> Run:
    with task_session() as session:
        return session.get_one(Run, run_id)
