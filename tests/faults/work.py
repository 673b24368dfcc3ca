"""Work for worker processes in tests of faults: a project on a tiny model, its runs, and what came of them."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from sqlalchemy import select

from app.db import task_session
from app.models import Item, Project, Run, RunMetric, RunState, Split, TrainingConfig
from app.models.project_settings import AutomationSettings
from app.models.run_config import SamplerSettings, SamplingConfig
from app.rewards import snapshots
from app.runs import folders as run_folders
from app.runs import service as runs
from app.settings import get_settings
from rlhf.tiny_model import tiny_model
from tests import factories

T = TypeVar("T")
SAMPLING = SamplerSettings(strategy="stochastic", n=2, seed=1, max_new_tokens=64)
TRAINING = {"train_batch_size": 1, "save_seconds": 0.5, "eval_steps": 200, "dtype": "float32"}
PROMPTS, STEPS = 100, 400  # a few seconds of work on an idle core
LABELS = 24


@dataclass
class World:
    """A project with labels and prompts, and runs of it."""

    project_id: int
    snapshot_id: int
    prompts: list[int]

    def sample(self, count: int = PROMPTS) -> int:
        """Queue a sampling run on so many prompts; the same number, the same run. The sweep sends it."""
        config = SamplingConfig(settings=SAMPLING, prompt_ids=self.prompts[:count], item_kind="comparison")
        with task_session() as session:
            return int(factories.run(session, session.get_one(Project, self.project_id), config=config).id)

    def train(self, steps: int = STEPS) -> int:
        """Queue a reward training of so many steps; the same number, the same run. The sweep sends it."""
        config = TrainingConfig(settings=TRAINING | {"max_steps": steps})
        with task_session() as session:
            project = session.get_one(Project, self.project_id)  # past the quota of those that are under way at a time
            return int(factories.training(session, project, config=config, snapshot_id=self.snapshot_id).id)


def make_world() -> World:
    """A project with a tiny model, labels and prompts, for which nothing is done by itself."""
    with task_session() as session:
        automation = AutomationSettings(keep_queue_filled=False)
        project = factories.project(session, automation=automation)
        folder = get_settings().store / str(project.base_model.artifact)
        model, tokenizer = tiny_model(1)
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        person = factories.user(session)
        for number in range(LABELS):
            asked = factories.prompt(session, project, split=Split.TRAIN if number % 6 else Split.HOLDOUT)
            item = factories.item(session, asked, project.base_model)
            factories.label(session, item, person)
        prompts = [factories.prompt(session, project).id for _ in range(30 * PROMPTS)]
        return World(project.id, snapshots.take(session, project, "").id, prompts)


def now(run_id: int) -> Run:
    """The run as it is."""
    with task_session() as session:
        return session.get_one(Run, run_id)


def until(condition: Callable[[], T], seconds: float = 90) -> T:
    """The first true value of a condition."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    return found


def ended(run_id: int, seconds: float = 120) -> Run:
    """The run, once it has ended."""
    return until(lambda: (run := now(run_id)).state in runs.ENDED and run, seconds)


def curves(run_id: int) -> list[tuple[str, int, float]]:
    """Every point of a run's curves."""
    with task_session() as session:
        rows = session.execute(
            select(RunMetric.name, RunMetric.step, RunMetric.value).where(RunMetric.run_id == run_id)
        )
        return sorted((name, step, value) for name, step, value in rows)


def answers(run_id: int) -> list[tuple[int, str, str]]:
    """The pairs of a run: prompt, and what was answered to it."""
    with task_session() as session:
        items = session.scalars(select(Item).where(Item.run_id == run_id))
        return sorted((item.prompt_id, *(response.text for response in item.responses)) for item in items)


def under_way(run_id: int) -> bool:
    """Whether the run is at work and has something to go on from."""
    run = now(run_id)
    folder = run_folders.workspace(run)
    made = [*folder.glob("checkpoint-*"), *(part for part in folder.glob("answers.jsonl.part") if part.stat().st_size)]
    return run.state is RunState.RUNNING and bool(made)


def files(run_id: int) -> dict[str, int]:
    """What is in a run's folder, and when each file was written to last."""
    folder = run_folders.folder(run_id)
    return {str(path.relative_to(folder)): path.stat().st_mtime_ns for path in folder.rglob("*")}


def tidied(run: Run) -> bool:
    """Whether what an ended run needs no more has been deleted: other attempts, and the model, which is elsewhere."""
    folder = run_folders.workspace(run)
    attempts = [path.name for path in run_folders.folder(run.id).iterdir()]
    return attempts == [folder.name] and not (folder / "model").exists()
