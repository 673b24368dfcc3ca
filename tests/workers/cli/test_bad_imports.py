"""`hone import` of files that are no good: a sentence or a report by row, status 2, and nothing stored."""

import json
import os
from pathlib import Path

import pytest
from sqlalchemy import func, select

from app.db import task_session
from app.models import Item, Label, Prompt
from tests.bad_files import GOOD, ROWS, WHOLE
from tests.workers.cli.test_cli import hone, refused


def stored() -> list[int]:
    with task_session() as session:
        return [session.scalar(select(func.count()).select_from(kind)) or 0 for kind in (Prompt, Item, Label)]


def test_a_file_of_which_nothing_can_be_read_is_refused_in_a_sentence(project: int, tmp_path: Path) -> None:
    file = tmp_path / "file"
    for name, (content, sentence) in WHOLE.items():
        file.write_bytes(content)
        for further in ((), ("--dry-run",), ("--skip-invalid", "--json")):
            assert sentence in refused("import", file, "-p", str(project), *further), name
    assert stored() == [0, 0, 0]


def test_a_bad_row_is_named_and_nothing_is_imported(project: int, tmp_path: Path) -> None:
    file = tmp_path / "file"
    for name, (content, reason) in ROWS.items():
        file.write_bytes(content)
        told = hone("import", file, "-p", str(project))
        assert told.returncode == 2, name
        assert "Traceback" not in told.stderr
        done = hone("import", file, "-p", str(project), "--json")
        assert done.returncode == 2, name
        [first, *_] = json.loads(done.stdout)["refused"]
        assert reason in first["reason"], name
        assert f"line {first['line']}: {first['reason']}" in told.stderr
        assert stored() == [0, 0, 0], name
    done = hone("import", file, "-p", str(project), "--json", "--skip-invalid")
    assert (done.returncode, json.loads(done.stdout)["prompts"]) == (0, 1)


def test_what_is_no_file_is_told_so(project: int, tmp_path: Path) -> None:
    """Of a pipe, such as `<(zcat ...)`, a second reader finds nothing."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for further in ((), ("--dry-run",)):
        told = refused("import", pipe, "-p", str(project), *further)
        assert "pipe is neither a file nor a folder" in told
    assert stored() == [0, 0, 0]


def test_a_file_with_a_name_that_is_no_text_is_imported(project: int, tmp_path: Path) -> None:
    file = tmp_path / "caf\udce9.jsonl"
    file.write_text(GOOD)
    assert json.loads(hone("import", file, "-p", str(project), "--json").stdout)["prompts"] == 1


@pytest.mark.parametrize("number", [0, -1, 2**31, 2**63, 10**30])
def test_a_project_that_cannot_be_is_none(project: int, tmp_path: Path, number: int) -> None:
    file = tmp_path / "file"
    file.write_text(GOOD)
    assert f"There is no project {number}" in refused("import", file, f"--project={number}", "--dry-run")
    assert f"There is no project {number}" in refused("export", f"--project={number}")


def test_rows_that_share_an_id_are_rows_of_their_own(project: int, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text('{"prompt": "Why?", "id": 7}\n{"prompt": "Who?", "id": 7}\n{"prompt": "Why?", "id": 7}\n')
    done = hone("import", file, "-p", str(project), "--json")
    assert json.loads(done.stdout) == {"prompts": 2, "duplicates": 1, "refused": []}


def test_a_data_set_of_the_hub_is_imported_or_told_why_not(
    project: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import huggingface_hub.constants as constants

    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    told = refused("import", "hub:nobody/nothing", "-p", str(project))
    assert "The dataset nobody/nothing cannot be fetched from the hub" in told
    assert "give the file or folder" in told
    # What is in the hub's cache already needs no connection.
    commit = "0" * 40
    there = tmp_path / "datasets--nobody--something"
    (there / "refs").mkdir(parents=True)
    (there / "refs" / "main").write_text(commit)
    (there / "snapshots" / commit).mkdir(parents=True)
    (there / "snapshots" / commit / "train.jsonl").write_text(GOOD)
    done = hone("import", "hub:nobody/something", "-p", str(project), "--json")
    assert json.loads(done.stdout) == {"prompts": 1, "duplicates": 0, "refused": []}
