"""The life of a run in a worker: real child processes of the learning library, a real database."""

import fcntl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event, Thread
from typing import Any

import psutil
import pytest
import redis
from sqlalchemy import event, select, text
from sqlalchemy.exc import OperationalError

from app.db import get_engine, task_session
from app.models import Model, ModelState, Run, RunKind, RunMetric, RunState, SamplingConfig
from app.registry import service as registry
from app.runs import folders as run_folders
from app.runs import preparation, readable_log
from app.runs import queries as run_queries
from app.runs import service as runs
from app.runs import work as run_work
from app.settings import get_settings
from rlhf.lease import clock
from rlhf.tiny_model import tiny_model, tiny_tokenizer
from tests import factories
from tests.rlhf import architectures
from workers.runs import scheduling
from workers.runs.attempt import AWAY, Attempt, ClaimLost, Progress, child_environment
from workers.runs.execution import execute


def make_run(**config: Any) -> int:
    """A queued sampling run of a project with one prompt, on a model that has a folder."""
    with task_session() as session:
        base = factories.base_model(session)
        project = factories.project(session, base_model=base)
        prompt = factories.prompt(session, project)
        folder = get_settings().store / str(base.artifact)
        folder.mkdir(parents=True)
        (folder / "config.json").write_text("{}")
        settings = factories.sampler(strategy="stochastic", max_new_tokens=4, **config)
        asked = SamplingConfig(item_kind="comparison", prompt_ids=[prompt.id], settings=settings)
        return int(factories.run(session, project, config=asked).id)


def prepared(model: Model, ends: RunState) -> int:
    """Execute the run that prepares the model; its number."""
    with task_session() as session:
        run = run_queries.preparation_of(session, model.id)
        assert run is not None
    assert execute(run.id, "here:1", "CPU", Event()) is ends
    return run.id


def state_of(run_id: int) -> Run:
    with task_session() as session:
        return session.get_one(Run, run_id)


def child_of(run_id: int, seconds: float = 20) -> psutil.Process:
    """The trainer of a run, once it is there."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        for each in psutil.Process().children(recursive=True):
            with suppress(psutil.NoSuchProcess):  # one that another test ended, and nobody has waited for
                if any(f"/runs/{run_id}/" in word for word in each.cmdline()):
                    return each
        time.sleep(0.02)
    raise AssertionError("no child came")


class Working:
    """A worker that executes a run in a thread."""

    def __init__(self, run_id: int) -> None:
        self.stopping, self.ended = Event(), Event()
        self.state: RunState | None = None
        self.thread = Thread(target=self._work, args=(run_id,))
        self.thread.start()

    def _work(self, run_id: int) -> None:
        self.state = execute(run_id, "here:1", "CPU", self.stopping)

    def wait(self) -> RunState | None:
        self.thread.join(60)
        assert not self.thread.is_alive()
        return self.state


def test_what_the_trainer_refuses_is_the_runs_error(database: str) -> None:
    run_id = make_run(n=5_000)
    assert execute(run_id, "here:1", "CPU", Event()) is RunState.FAILED
    run = state_of(run_id)
    assert run.error is not None
    assert run.error.startswith("--n:")
    assert "Traceback" not in run.error
    assert (run.worker, run.device, run.attempt) == ("here:1", "CPU", 1)


def test_a_trainer_that_the_system_kills_fails_one_run_with_a_reason(database: str) -> None:
    run_id = make_run()
    work = Working(run_id)
    child_of(run_id).kill()
    assert work.wait() is RunState.FAILED
    assert "out of memory or was killed" in str(state_of(run_id).error)


def test_a_model_whose_files_are_gone_fails_the_run_with_a_sentence(database: str) -> None:
    run_id = make_run()
    with task_session() as session:
        (get_settings().store / str(session.get_one(Run, run_id).model.artifact) / "config.json").unlink()
    assert execute(run_id, "here:1", "CPU", Event()) is RunState.FAILED
    assert "gone from the store" in str(state_of(run_id).error)


def test_a_store_that_cannot_be_written_fails_the_run_with_a_sentence(database: str) -> None:
    run_id = make_run()
    (get_settings().store / "runs").write_text("in the way")
    assert execute(run_id, "here:1", "CPU", Event()) is RunState.FAILED
    assert "store" in str(state_of(run_id).error)


def test_a_second_delivery_does_nothing(database: str) -> None:
    run_id = make_run()
    with task_session() as session:
        assert run_work.claim(session, run_id, "there:2", "CPU")
    assert execute(run_id, "here:1", "CPU", Event()) is None
    run = state_of(run_id)
    assert (run.state, run.worker, run.attempt) == (RunState.RUNNING, "there:2", 1)
    assert execute(run_id + 1, "here:1", "CPU", Event()) is None  # a run that is gone


def _cancel(run_id: int, work: Working) -> None:
    with task_session() as session:
        runs.request_cancel(session, None, session.get_one(Run, run_id))


def _stop(run_id: int, work: Working) -> None:
    work.stopping.set()


@pytest.mark.parametrize(("ask", "state", "attempt"), [(_cancel, RunState.CANCELLED, 1), (_stop, RunState.QUEUED, 0)])
def test_a_run_that_must_stop_ends_its_child_first(
    database: str, ask: Callable[[int, Working], None], state: RunState, attempt: int
) -> None:
    run_id = make_run()
    work = Working(run_id)
    child = child_of(run_id)
    ask(run_id, work)
    assert work.wait() is state
    assert not child.is_running()
    run = state_of(run_id)
    assert (run.state, run.attempt, run.claim) == (state, attempt, None)


def test_a_worker_that_lost_its_claim_ends_its_child_and_writes_nothing(database: str) -> None:
    run_id = make_run()
    work = Working(run_id)
    child = child_of(run_id)
    with task_session() as session:
        session.get_one(Run, run_id).claim = "somebody else's"
    assert work.wait() is None
    assert not child.is_running()
    run = state_of(run_id)
    assert (run.state, run.claim, run.error) == (RunState.RUNNING, "somebody else's", None)


def test_what_is_kept_is_kept_under_the_claim(database: str) -> None:
    run_id = make_run()
    with task_session() as session:
        claimed = run_work.claim(session, run_id, "here:1", "CPU")
        assert claimed is not None
    attempt = Attempt(claimed, Event(), clock())
    with attempt.writing() as (session, run):
        run.summary = {"kept": 1}

    def write_and_lose() -> None:
        with attempt.writing() as (_, run):
            run.summary = {"kept": 2}
            with task_session() as other:
                other.execute(text("update run set claim = 'somebody else''s'"))

    with pytest.raises(ClaimLost):
        write_and_lose()
    assert state_of(run_id).summary == {"kept": 1}


def test_a_transaction_that_is_stopped_midway_keeps_nobody_from_the_run(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workers.runs.attempt.LEASE_SECONDS", 1.0)
    run_id = make_run()
    with task_session() as session:
        claimed = run_work.claim(session, run_id, "here:1", "CPU")
        assert claimed is not None
    attempt = Attempt(claimed, Event(), clock())

    def stop_midway() -> None:
        with attempt.writing() as (session, run):
            run.summary = {"kept": 1}
            session.flush()  # the row is locked from here on
            with task_session() as other:
                other.execute(text("update run set heartbeat_at = now() - interval '1 minute'"))
                assert run_work.requeue_stale(other, scheduling.STALE) == [run_id]

    with pytest.raises(AWAY):
        stop_midway()
    assert state_of(run_id).summary is None


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Another process is at work in the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("a") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def test_a_held_lock_makes_a_run_wait(database: str, redis_url: str) -> None:
    run_id = make_run()
    with locked(run_folders.folder(run_id)):
        assert execute(run_id, "here:1", "CPU", Event()) is RunState.QUEUED
    run = state_of(run_id)
    assert (run.state, run.error, run.attempt, run.workspace) == (RunState.QUEUED, None, 0, None)
    with redis.Redis.from_url(redis_url) as broker:
        assert broker.llen("sampling") == 0  # it is not tried again and again
    assert [path.name for path in run_folders.folder(run_id).iterdir()] == [".lock"]
    assert execute(run_id, "here:1", "CPU", Event()) is None  # nor does it keep others of its queue from their turn
    other = make_run()
    assert execute(run_id, "here:1", "CPU", Event()) is RunState.FAILED
    assert state_of(other).attempt == 1
    with task_session() as session:
        session.execute(text("update run set not_before = now(), sent_at = now() - interval '1 minute'"))
        assert run_id in run_work.resend_queued(session)
    assert execute(run_id, "here:1", "CPU", Event()) is RunState.FAILED  # of what is wrong with its model
    assert state_of(run_id).attempt == 1


def test_an_attempt_goes_on_from_the_last_one_that_began_and_no_other(database: str) -> None:
    """First from the run's folder itself, where earlier versions worked."""
    run_id = make_run()
    folder = run_folders.folder(run_id)
    folder.mkdir(parents=True)
    (folder / "log.txt").write_text("error: an old one\n")
    (folder / "samples.jsonl").write_text("kept\n")
    (folder / "attempt-1-of-a-zombie").mkdir()
    (folder / "attempt-1-of-a-zombie" / "samples.jsonl").write_text("not kept\n")
    assert execute(run_id, "here:1", "CPU", Event()) is RunState.FAILED
    first = state_of(run_id)
    assert "an old one" not in str(first.error)
    assert (run_folders.workspace(first) / "samples.jsonl").read_text() == "kept\n"
    assert str(readable_log.tail(first)).startswith("error: an old one\n")
    with task_session() as session:
        runs.resume(session, None, session.get_one(Run, run_id))
    assert execute(run_id, "here:1", "CPU", Event()) is RunState.FAILED
    second = state_of(run_id)
    assert second.workspace != first.workspace
    assert (run_folders.workspace(second) / "samples.jsonl").read_text() == "kept\n"
    assert not run_folders.workspace(first).exists()


def test_news_wait_for_a_database_that_is_away(database: str) -> None:
    run_id = make_run()
    with task_session() as session:
        claimed = run_work.claim(session, run_id, "here:1", "CPU")
        assert claimed is not None
    attempt = Attempt(claimed, Event(), clock())
    told = iter(range(1, 4))

    def news() -> Progress:
        step = next(told)
        return Progress(step=step, metrics=(("loss", step, 1.0 / step),))

    attempt._tell(news)
    with get_engine().connect() as other:  # somebody holds the row, and the database gives up waiting
        other.execute(text("select 1 from run for update"))
        with pytest.raises(OperationalError), impatient():
            attempt._tell(news)
    attempt._tell(news)
    with task_session() as session:
        points = session.execute(select(RunMetric.step, RunMetric.value).order_by(RunMetric.step)).all()
        assert [tuple(point) for point in points] == [(1, 1.0), (2, 0.5), (3, 1.0 / 3)]


@contextmanager
def impatient() -> Iterator[None]:
    """Statements of this process give up at once where they would have to wait for a lock."""

    def hurry(connection: Any, *_: Any) -> None:
        connection.execute("set lock_timeout = '50ms'")

    def calm(connection: Any, *_: Any) -> None:
        connection.execute("set lock_timeout = 0")

    event.listen(get_engine(), "checkout", hurry)
    try:
        yield
    finally:
        event.remove(get_engine(), "checkout", hurry)
        event.listen(get_engine(), "checkout", calm)


def test_a_worker_that_stops_takes_nothing_new(database: str) -> None:
    run_id = make_run()
    stopping = Event()
    stopping.set()
    assert execute(run_id, "here:1", "CPU", stopping) is None
    assert state_of(run_id).state is RunState.QUEUED


def test_a_base_model_that_cannot_be_had_says_why_and_leaves_nothing(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HONE_BASE_MODEL", "/no/such/folder")  # the operator's choice
    get_settings.cache_clear()
    with task_session() as session:
        model = preparation.base_model(session, "/no/such/folder")
    run_id = prepared(model, RunState.FAILED)
    with task_session() as session:
        model = session.get_one(Model, model.id)
        assert model.state is ModelState.FAILED
        assert model.error == session.get_one(Run, run_id).error
        assert "no folder /no/such/folder" in str(model.error)
    assert not (get_settings().store / "models").exists()
    assert "no folder" in str(readable_log.tail(state_of(run_id)))


def test_a_base_model_of_a_kind_that_cannot_be_used_says_so(
    database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    architectures.save("gpt_neo", tmp_path / "neo", tiny_tokenizer())
    monkeypatch.setenv("HONE_MODEL_FOLDERS", str(tmp_path))
    get_settings.cache_clear()
    with task_session() as session:
        model = preparation.base_model(session, str(tmp_path / "neo"))
        model.offered = True
    prepared(model, RunState.FAILED)
    with task_session() as session:
        model = session.get_one(Model, model.id)
        assert model.state is ModelState.FAILED
        assert str(model.error).startswith("GPTNeoForCausalLM cannot be used for responses: of texts of unequal length")


def test_a_base_model_is_prepared_by_a_run_and_tried_again_by_it(
    database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "later"
    monkeypatch.setenv("HONE_BASE_MODEL", str(source))
    get_settings.cache_clear()
    with task_session() as session:
        model = preparation.base_model(session, str(source))
    run_id = prepared(model, RunState.FAILED)
    small, tokenizer = tiny_model(7)
    small.save_pretrained(source)
    tokenizer.save_pretrained(source)
    with task_session() as session:
        assert preparation.base_model(session, str(source)).state is ModelState.PREPARING
        assert preparation.base_model(session, str(source)).id == model.id
    assert prepared(model, RunState.SUCCEEDED) == run_id
    with task_session() as session:
        model = session.get_one(Model, model.id)
        assert (model.state, model.error, model.run_id) == (ModelState.READY, None, run_id)
        assert registry.artifact_path(model).is_dir()
    assert [path.name for path in (get_settings().store / "models").iterdir()] == [str(model.artifact).split("/")[1]]
    assert not (run_folders.workspace(state_of(run_id)) / "model").exists()  # the space of the model is taken once


def test_a_preparation_that_is_cancelled_says_so_and_leaves_no_child(database: str) -> None:
    with task_session() as session:
        model = preparation.base_model(session, "tiny:7")
        run = run_queries.preparation_of(session, model.id)
        assert run is not None
        runs.request_cancel(session, None, run)
        assert (model.state, model.error) == (ModelState.FAILED, "Its preparation was cancelled.")
        runs.resume(session, None, run)
        assert (model.state, model.error) == (ModelState.PREPARING, None)


def test_one_broken_project_does_not_hold_up_the_sweep(database: str) -> None:
    with task_session() as session:
        broken, whole = factories.project(session), factories.project(session)
        for project in (broken, whole):
            factories.prompt(session, project)
        waits = factories.training(session, whole, "reward").id
        told = """update project set automation = '{"keep_queue_filled": "perhaps"}' where id = :id"""
        session.execute(text(told), {"id": broken.id})
    scheduling.sweep()
    with task_session() as session:
        [sampling] = session.scalars(select(Run).where(Run.kind == RunKind.SAMPLING)).all()
        assert sampling.project_id == whole.id
        assert session.get_one(Run, waits).sent_at is not None


def test_a_child_knows_the_extensions_and_no_secret_however_they_are_spelt(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("hone_extensions", "json, csv"), ("hone_secret_key", "s" * 40), ("Database_Url", "secret")):
        monkeypatch.setenv(name, value)
    get_settings.cache_clear()
    try:
        environment = child_environment(2)
    finally:
        monkeypatch.undo()
        get_settings.cache_clear()
    assert (environment["HONE_EXTENSIONS"], environment["OMP_NUM_THREADS"]) == ("json, csv", "2")
    assert not {"s" * 40, "secret"} & set(environment.values())
