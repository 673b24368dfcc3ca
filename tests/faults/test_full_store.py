"""A store without room: the run says so in a sentence, keeps its last whole checkpoint, and goes on from it."""

import json
import resource
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from app.db import task_session
from app.models import Run, RunState
from app.runs import folders as run_folders
from app.runs import service as runs
from app.settings import get_settings
from tests.alerts import firing, scrape
from tests.faults.hosts import Host, trainers
from tests.faults.work import World, curves, ended, now, under_way, until

ROOM = 64 * 2**20


@pytest.fixture
def disk(world: World) -> Iterator[Path | None]:
    """A small disk under the runs' folders; None where the system lets us mount none."""
    folder = get_settings().store / "runs"
    folder.mkdir(parents=True)
    command = ["mount", "-t", "tmpfs", "-o", f"size={ROOM}", "none", str(folder)]
    mounted = subprocess.run(command, capture_output=True, check=False).returncode == 0
    yield folder if mounted else None
    if mounted:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(disk: Path | None, run_id: int) -> Callable[[], None]:
    """Leave a run no room; what gives it back. Without a disk of its own, its trainer may not write."""
    if disk is None:
        for each in trainers(run_id):
            resource.prlimit(each.pid, resource.RLIMIT_FSIZE, (100, resource.RLIM_INFINITY))
        return lambda: None
    ballast = disk / "ballast"
    with ballast.open("wb", buffering=0) as file:
        piece = 2**20
        while piece:
            try:
                file.write(b"x" * piece)
            except OSError:
                piece //= 2
    return ballast.unlink


def resume(run_id: int) -> Run:
    """As a person does; the run as it ends."""
    with task_session() as session:
        runs.resume(session, None, session.get_one(Run, run_id))
    return ended(run_id)


def test_a_run_without_room_fails_with_a_sentence_and_goes_on_later(
    world: World, disk: Path | None, tmp_path: Path
) -> None:
    with Host("training", tmp_path / "host.log", isolated=False):
        undisturbed = world.train()
        run_id = world.train()
        scrapes = [scrape()]
        until(lambda: under_way(run_id), 150)
        make_room = fill(disk, run_id)
        run = ended(run_id)
        assert run.state is RunState.FAILED
        assert "HoneRunFailed" in firing([*scrapes, scrape()], tmp_path, lasting=5)
        assert any(words in str(run.error) for words in ("No space left on device", "os error 28", "File too large"))
        assert "Traceback" not in str(run.error)
        assert "None" not in str(run.error)
        folder = run_folders.workspace(run)
        step = max(int(path.name.removeprefix("checkpoint-")) for path in folder.glob("checkpoint-*"))
        before = [row for row in lines(folder) if row["step"] <= step]
        if disk is not None:
            again = resume(run_id)
            assert (again.state, again.workspace) == (RunState.FAILED, run.workspace)
            assert str(again.error).startswith("The store could not be used: No space left on device")
            assert [path.name for path in folder.parent.iterdir()] == [folder.name]
        make_room()
        run = resume(run_id)
        assert (run.state, run.error) == (RunState.SUCCEEDED, None)
    assert lines(run_folders.workspace(now(run_id)))[: len(before)] == before, "the run began anew"
    assert curves(run_id) == curves(undisturbed)


def lines(folder: Path) -> list[dict[str, float]]:
    """The whole lines of a training's metrics."""
    whole = (folder / "metrics.jsonl").read_text().rpartition("\n")[0]
    return [json.loads(line) for line in whole.split("\n")]
