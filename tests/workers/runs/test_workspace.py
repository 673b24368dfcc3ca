"""One attempt's folder, made from another's: what is in it, what is not, and that the two have nothing in common."""

import fcntl
import os
from collections.abc import Callable
from pathlib import Path
from threading import Event, Thread

import pytest

from workers.runs import workspace


def nothing() -> None:
    """What is done between two files."""


@pytest.fixture
def left(tmp_path: Path) -> Path:
    """What an attempt has left."""
    folder = tmp_path / "attempt-1"
    for name, text in {
        "checkpoint-8/module-model.safetensors": "weights", "checkpoint-8/state.json": "{}",
        "best/checkpoint-4/module-model.safetensors": "best", "metrics.jsonl": '{"step": 8}\n', "log.txt": "begun\n",
        "prompts.jsonl": "{}\n", ".checkpoint-9.part/state.json": "half", ".lock": "", "config.yaml": "output: there",
        "child.json": "{}", "tensorboard/events": "e",
    }.items():  # fmt: skip
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def names(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


WHOLE = {
    "checkpoint-8/module-model.safetensors", "checkpoint-8/state.json", "best/checkpoint-4/module-model.safetensors",
    "metrics.jsonl", "log.txt", "prompts.jsonl", "tensorboard/events",
}  # fmt: skip


def test_all_that_is_whole_comes_along(left: Path, tmp_path: Path) -> None:
    workspace.make(left, tmp_path / "attempt-2", nothing)
    assert names(tmp_path / "attempt-2") == WHOLE
    weights = "checkpoint-8/module-model.safetensors"
    assert (tmp_path / "attempt-2" / weights).samefile(left / weights)  # takes no space


def test_what_the_old_attempt_writes_later_reaches_nothing(left: Path, tmp_path: Path) -> None:
    new = tmp_path / "attempt-2"
    workspace.make(left, new, nothing)
    before = {name: (new / name).read_bytes() for name in names(new)}
    for name in names(left):  # everything that a trainer appends to or writes anew
        if not name.endswith(".safetensors"):
            with (left / name).open("a") as file:
                file.write("more")
    (left / "checkpoint-8").rename(left / "checkpoint-9")
    (left / "checkpoint-9" / "module-model.safetensors").unlink()
    assert {name: (new / name).read_bytes() for name in names(new)} == before


def test_where_nothing_can_be_linked_it_is_copied(left: Path) -> None:
    import tempfile

    with tempfile.TemporaryDirectory(dir="/dev/shm") as elsewhere:  # another file system
        assert os.stat(elsewhere).st_dev != left.stat().st_dev
        workspace.make(left, Path(elsewhere) / "attempt-2", nothing)
        assert names(Path(elsewhere) / "attempt-2") == WHOLE


def test_a_run_that_begins_or_was_begun_in_its_own_folder(left: Path, tmp_path: Path) -> None:
    workspace.make(tmp_path / "nothing", tmp_path / "nothing" / "attempt-1", nothing)
    assert names(tmp_path / "nothing") == set()
    for path in left.iterdir():  # as earlier versions did
        path.rename(tmp_path / path.name)
    workspace.make(tmp_path, tmp_path / "attempt-2", nothing)
    assert names(tmp_path / "attempt-2") == WHOLE


def test_what_is_said_between_two_files_ends_it_without_a_trace(left: Path, tmp_path: Path) -> None:
    def lost() -> None:
        raise KeyError

    with pytest.raises(KeyError):
        workspace.make(left, tmp_path / "attempt-2", lost)
    assert not (tmp_path / "attempt-2").exists()
    assert names(left) > WHOLE


def test_a_folder_that_goes_on_changing_is_not_copied_half(left: Path, tmp_path: Path) -> None:
    def next_checkpoint() -> None:  # as a trainer does that does not know yet that it is over
        step = max(int(path.name.removeprefix("checkpoint-")) for path in left.glob("checkpoint-*"))
        (left / f"checkpoint-{step}").rename(left / f"checkpoint-{step + 1}")

    with pytest.raises(workspace.Changing):
        workspace.make(left, tmp_path / "attempt-2", next_checkpoint)
    assert not (tmp_path / "attempt-2").exists()
    again: list[Callable[[], None]] = [next_checkpoint]
    workspace.make(left, tmp_path / "attempt-2", lambda: again.pop()() if again else None)
    assert len([*(tmp_path / "attempt-2").glob("checkpoint-*")]) == 1


def test_a_model_appears_whole_and_stays_where_it_was_made(left: Path, tmp_path: Path) -> None:
    final = tmp_path / "models" / "run-1"
    (final.parent / ".run-1.part").mkdir(parents=True)  # of one that was killed in the midst of it
    (final.parent / ".run-1.part" / "half").touch()
    workspace.copy_model(left / "checkpoint-8", final, nothing)
    assert names(final.parent) == {"run-1/module-model.safetensors", "run-1/state.json"}
    assert (left / "checkpoint-8" / "state.json").exists()


def test_a_lock_is_seen_while_its_holder_lives(left: Path, tmp_path: Path) -> None:
    held, enough = Event(), Event()

    def hold() -> None:
        with (left / ".lock").open("a") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX)
            held.set()
            enough.wait(10)

    assert not workspace.locked(tmp_path)
    assert not workspace.locked(left)
    thread = Thread(target=hold)
    thread.start()
    held.wait(10)
    assert workspace.locked(left)
    enough.set()
    thread.join()
    assert not workspace.locked(left)
