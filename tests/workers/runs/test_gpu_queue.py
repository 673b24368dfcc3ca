"""A run that asks for a GPU waits for a worker that serves the queue `gpu`: real worker processes, a tiny model."""

import subprocess
import time
from collections.abc import Callable, Iterator

import pytest

from app.db import task_session
from app.models import Item, Run, RunState, SamplingConfig
from app.runs import service as runs
from app.runs import views
from app.settings import get_settings
from rlhf.tiny_model import tiny_model
from tests import factories
from workers.platform import children
from workers.platform.processes import spawn, stop

Start = Callable[[str], "subprocess.Popen[bytes]"]


@pytest.fixture
def start(database: str) -> Iterator[Start]:
    """Start the worker process of a queue, as `hone up` and the containers do."""
    started = []

    def start(queue: str) -> "subprocess.Popen[bytes]":
        started.append(spawn(children.commands(get_settings())[queue], env=children.environment(queue)))
        return started[-1]

    yield start
    for process in started:
        stop(process, 20)


@pytest.fixture
def run_id(database: str) -> int:
    with task_session() as session:
        project = factories.project(session)
        folder = get_settings().store / str(project.base_model.artifact)
        model, tokenizer = tiny_model(1)
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        prompt = factories.prompt(session, project)
        settings = factories.sampler(strategy="stochastic", seed=1, max_new_tokens=6)
        config = SamplingConfig(item_kind="comparison", prompt_ids=[prompt.id], settings=settings)
        return runs.create(session, project, config, model=project.base_model, needs_gpu=True).id


def now(run_id: int) -> tuple[Run, str | None]:
    with task_session() as session:
        run = session.get_one(Run, run_id)
        return run, views.waits_for(run)


def until(run_id: int, condition: Callable[[Run, str | None], bool], seconds: float = 90) -> Run:
    deadline = time.monotonic() + seconds
    while not condition(*(found := now(run_id))):
        assert time.monotonic() < deadline, (found[0].state, found[0].error, found[1])
        time.sleep(0.2)
    return found[0]


def test_a_gpu_run_waits_says_so_and_runs_once_its_queue_is_served(start: Start, run_id: int) -> None:
    _, says = now(run_id)
    assert says == (
        "Waits for a worker with a GPU: nobody serves the queue “gpu” now. It starts as soon as a worker does."
    )
    start("sampling")  # the queue that this run would be in without its wish
    with task_session() as session:
        waiting = session.get_one(Run, run_id)
        config = SamplingConfig(item_kind="comparison", prompt_ids=[], settings=factories.sampler())
        other = runs.create(session, factories.project(session), config, model=waiting.model).id
    until(
        other, lambda run, _: run.state is RunState.FAILED
    )  # the worker is at work: it took the run that says nothing
    run, says = now(run_id)
    assert (run.state, run.attempt) == (RunState.QUEUED, 0)
    assert says is not None
    assert "nobody serves the queue “gpu”" in says
    start("gpu")
    run = until(run_id, lambda run, _: run.state not in (RunState.QUEUED, RunState.RUNNING))
    assert (run.state, run.error, run.attempt) == (RunState.SUCCEEDED, None, 1)
    with task_session() as session:
        assert session.query(Item).filter(Item.run_id == run_id).count() == 1
    until(run_id, lambda _, says: says is None, 1)
