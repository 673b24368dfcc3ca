"""The life of a run: one claim, beats, ends, lost workers, cancel and resume."""

from contextlib import suppress
from datetime import timedelta
from threading import Barrier, Thread

import pytest
import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from app.db import new_session, task_session
from app.models import Run, RunKind, RunMetric, RunSample, RunState, SamplingConfig, TrainingConfig
from app.runs import folders, queueing, service, work
from app.web.errors import Conflict
from tests import factories

STALE = timedelta(seconds=30)


@pytest.fixture
def run(session: Session) -> Run:
    return factories.training(session, factories.project(session), "reward")


def _claimed(session: Session, run: Run) -> str:
    claimed = work.claim(session, run.id, "worker-1", "cpu")
    assert claimed is not None
    assert claimed.claim is not None
    return claimed.claim


def _silence(session: Session, run: Run, seconds: int = 60) -> None:
    session.execute(
        text("update run set heartbeat_at = now() - make_interval(secs => :s) where id = :id"),
        {"s": seconds, "id": run.id},
    )


def test_claim_takes_a_queued_run_once(session: Session, run: Run) -> None:
    claimed = work.claim(session, run.id, "worker-1", "cpu")
    assert claimed is not None
    assert (claimed.state, claimed.attempt, claimed.worker, claimed.device) == (RunState.RUNNING, 1, "worker-1", "cpu")
    assert claimed.started_at is not None
    assert work.claim(session, run.id, "worker-2", "cpu") is None


def test_of_eight_workers_on_their_own_connections_one_wins(database: str) -> None:
    with task_session() as session:
        run_id = factories.run(session, factories.project(session)).id
    barrier, winners = Barrier(8), []

    def take(name: str) -> None:
        with new_session() as own, own.begin():
            own.execute(text("select 1"))  # connected before the race starts
            barrier.wait()
            claimed = work.claim(own, run_id, name, "cpu")
            if claimed is not None:
                winners.append(name)

    threads = [Thread(target=take, args=(f"worker-{n}",)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with task_session() as session:
        run = session.get_one(Run, run_id)
        assert winners == [run.worker]
        assert run.attempt == 1


def test_a_second_delivery_waits_for_the_first_and_then_does_nothing(database: str) -> None:
    with task_session() as session:
        run_id = factories.run(session, factories.project(session)).id
    second: list[Run | None] = []

    def late() -> None:
        with task_session() as own:
            second.append(work.claim(own, run_id, "worker-2", "cpu"))

    with task_session() as first:
        assert work.claim(first, run_id, "worker-1", "cpu") is not None
        thread = Thread(target=late)
        thread.start()
        thread.join(0.3)
        assert thread.is_alive()  # held by the row lock of the first
    thread.join()
    assert second == [None]


def test_create_sends_after_commit_only(database: str, redis_url: str) -> None:
    def waiting() -> int:
        with redis.Redis.from_url(redis_url) as broker:
            return int(broker.llen("training"))

    with new_session() as session:
        project = factories.project(session)
        run = service.create(session, project, TrainingConfig(), method="reward", model=project.base_model)
        assert run.state is RunState.QUEUED
        assert waiting() == 0
        session.commit()
        assert waiting() == 1
        service.create(session, project, TrainingConfig(), method="ppo", model=project.base_model)
        session.rollback()
    assert waiting() == 1


@pytest.mark.parametrize(
    ("kind", "needs_gpu", "queue"),
    [
        (RunKind.SAMPLING, False, "sampling"),
        (RunKind.EVALUATION, False, "sampling"),
        (RunKind.SCORING, False, "sampling"),
        (RunKind.PREPARATION, False, "sampling"),
        (RunKind.TRAINING, False, "training"),
        (RunKind.TRAINING, True, "gpu"),
        (RunKind.SAMPLING, True, "gpu"),
    ],
)
def test_queue_of(kind: RunKind, needs_gpu: bool, queue: str) -> None:
    assert queueing.queue_of(Run(kind=kind, needs_gpu=needs_gpu)) == queue


def test_beat_stores_progress_and_upserts_metrics(session: Session, run: Run) -> None:
    claim = _claimed(session, run)
    sample = {"step": 1, "prompt": [{"role": "user", "content": "Hi"}], "response": "Hello.", "score": 0.5}
    for loss in (0.9, 0.7):  # the second is the same step again, after a resume
        state = work.beat(
            session,
            run.id,
            claim,
            step=1,
            total_steps=10,
            unit="steps",
            steps_per_second=2.0,
            metrics=[("loss", 1, loss), ("lr", 1, 1e-5)],
            samples=[sample],
        )
        assert state is RunState.RUNNING
    session.refresh(run)
    assert (run.step, run.total_steps, run.unit, run.steps_per_second) == (1, 10, "steps", 2.0)
    points = session.execute(select(RunMetric.name, RunMetric.step, RunMetric.value).order_by(RunMetric.name)).all()
    assert [tuple(point) for point in points] == [("loss", 1, 0.7), ("lr", 1, 1e-5)]
    assert [row.response for row in session.scalars(select(RunSample).where(RunSample.run_id == run.id))] == ["Hello."]


def test_a_beat_under_a_lost_claim_changes_nothing(session: Session, run: Run) -> None:
    old = _claimed(session, run)
    _silence(session, run)
    assert work.requeue_stale(session, STALE) == [run.id]
    new = _claimed(session, run)
    assert new != old
    assert work.beat(session, run.id, old, step=99, metrics=[("loss", 99, 1.0)]) is None
    assert work.finish(session, run.id, old, RunState.SUCCEEDED) is None
    assert work.release(session, run.id, old) is None
    session.refresh(run)
    assert (run.state, run.step, run.attempt) == (RunState.RUNNING, 0, 2)
    assert session.scalars(select(RunMetric).where(RunMetric.run_id == run.id)).all() == []


def test_a_silent_run_fails_with_a_sentence_after_its_last_attempt(session: Session, run: Run) -> None:
    for _ in range(2):
        _claimed(session, run)
        _silence(session, run)
        assert work.requeue_stale(session, STALE) == [run.id]
    _claimed(session, run)
    _silence(session, run)
    assert work.requeue_stale(session, STALE) == []
    session.refresh(run)
    assert run.state is RunState.FAILED
    assert run.error is not None
    assert "fell silent" in run.error
    assert run.ended_at is not None


def test_a_worker_that_died_before_the_clock_was_set_back_is_silent(session: Session, run: Run) -> None:
    _claimed(session, run)
    _silence(session, run, -20)
    assert work.requeue_stale(session, STALE) == []
    _silence(session, run, -3600)
    assert work.requeue_stale(session, STALE) == [run.id]


def test_a_step_never_goes_back(session: Session, run: Run) -> None:
    """An attempt that goes on from a checkpoint repeats steps that people have seen."""
    claim = _claimed(session, run)
    for told, shown in ((8, 8), (5, 8), (7, 8), (9, 9)):
        work.beat(session, run.id, claim, step=told, metrics=[("loss", told, 1.0 / told)])
        session.refresh(run)
        assert run.step == shown


def test_only_attempts_that_bring_a_run_no_further_use_up_its_attempts(session: Session, run: Run) -> None:
    for attempt in range(1, 7):  # each one loses its worker, after one more step
        work.beat(session, run.id, _claimed(session, run), step=attempt)
        _silence(session, run)
        assert work.requeue_stale(session, STALE) == [run.id]
    for requeued in ([run.id], []):  # and then two that lose it over the same step, the third in all
        work.beat(session, run.id, _claimed(session, run), step=5)
        _silence(session, run)
        assert work.requeue_stale(session, STALE) == requeued
    session.refresh(run)
    assert (run.state, run.attempt, run.step) == (RunState.FAILED, 8, 6)


def test_what_is_held_is_held_under_its_claim_only(session: Session, run: Run) -> None:
    claim = _claimed(session, run)
    assert work.hold(session, run.id, claim) is run
    assert work.hold(session, run.id, "another") is None
    assert work.move(session, run.id, "another", "attempt-9") is None
    assert work.move(session, run.id, claim, "attempt-1") is run
    assert folders.workspace(run) == folders.folder(run.id) / "attempt-1"
    work.finish(session, run.id, claim, RunState.SUCCEEDED)
    assert work.hold(session, run.id, claim) is None


def test_a_live_run_is_left_alone(session: Session, run: Run) -> None:
    _claimed(session, run)
    assert work.requeue_stale(session, STALE) == []


def test_a_silent_run_that_was_being_cancelled_is_cancelled(session: Session, run: Run) -> None:
    _claimed(session, run)
    service.request_cancel(session, None, run)
    _silence(session, run)
    assert work.requeue_stale(session, STALE) == []
    session.refresh(run)
    assert run.state is RunState.CANCELLED


def test_cancel_of_a_waiting_run_is_immediate_and_of_a_running_one_asked_for(session: Session, run: Run) -> None:
    assert service.request_cancel(session, None, run).state is RunState.CANCELLED
    service.resume(session, None, run)
    claim = _claimed(session, run)
    assert service.request_cancel(session, None, run).state is RunState.CANCELLING
    assert work.beat(session, run.id, claim, step=3) is RunState.CANCELLING
    work.finish(session, run.id, claim, RunState.CANCELLED)
    with pytest.raises(Conflict, match="it is cancelled"):
        service.request_cancel(session, None, run)


def test_resume_gives_fresh_attempts_and_refuses_what_has_not_ended_badly(session: Session, run: Run) -> None:
    with pytest.raises(Conflict, match="only a failed or cancelled run"):
        service.resume(session, None, run)
    claim = _claimed(session, run)
    work.finish(session, run.id, claim, RunState.FAILED, error="The disk is full.")
    resumed = service.resume(session, None, run)
    assert (resumed.state, resumed.error, resumed.attempt, resumed.max_attempts) == (RunState.QUEUED, None, 1, 4)


def test_release_gives_the_attempt_back(session: Session, run: Run) -> None:
    claim = _claimed(session, run)
    released = work.release(session, run.id, claim)
    assert released is not None
    assert (released.state, released.attempt, released.claim) == (RunState.QUEUED, 0, None)
    claim = _claimed(session, run)
    assert work.release(session, run.id, claim, later=True) is not None
    assert work.resend_queued(session) == []  # not yet
    claim = _claimed(session, run)
    service.request_cancel(session, None, run)
    released = work.release(session, run.id, claim)
    assert released is not None
    assert released.state is RunState.CANCELLED


def test_resend_sends_what_is_queued_once_per_interval(session: Session, run: Run) -> None:
    assert work.resend_queued(session) == [run.id]
    assert work.resend_queued(session) == []
    session.execute(text("update run set sent_at = now() - interval '1 hour'"))
    assert work.resend_queued(session) == [run.id]
    _claimed(session, run)
    session.execute(text("update run set sent_at = now() - interval '1 hour'"))
    assert work.resend_queued(session) == []


def test_a_clone_has_the_same_inputs_and_names_its_parent(session: Session, run: Run) -> None:
    run.config, run.state = TrainingConfig(settings={"seed": 3}), RunState.SUCCEEDED
    copy = service.clone(session, None, run)
    assert copy.id != run.id
    assert (copy.parent_id, copy.kind, copy.config, copy.state) == (run.id, run.kind, run.config, RunState.QUEUED)


def test_a_copied_sampling_draws_other_answers(session: Session, run: Run) -> None:
    run.kind, run.method = RunKind.SAMPLING, None
    run.config = SamplingConfig(item_kind="comparison", prompt_ids=[1], settings=factories.sampler(seed=3))
    copy = service.clone(session, None, run)
    assert copy.asked(SamplingConfig).settings.seed != 3
    assert (copy.asked(SamplingConfig).settings.n, copy.asked(SamplingConfig).prompt_ids) == (2, [1])
    assert run.asked(SamplingConfig).settings.seed == 3


STEPS = st.lists(
    st.sampled_from(["claim", "beat", "succeed", "fail", "cancel", "resume", "release", "silence", "requeue"]),
    max_size=25,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_any_history_keeps_the_state_machine(session: Session, steps: list[str]) -> None:
    """A run has a claim exactly while it is held, an end exactly when it ended, and never too many attempts."""
    run = factories.training(session, factories.project(session), "reward")
    claim = ""
    for step in steps:
        if step == "claim":
            claimed = work.claim(session, run.id, "w", "cpu")
            claim = claimed.claim if claimed is not None and claimed.claim else claim
        elif step == "beat":
            work.beat(session, run.id, claim, step=1)
        elif step == "succeed":
            work.finish(session, run.id, claim, RunState.SUCCEEDED)
        elif step == "fail":
            work.finish(session, run.id, claim, RunState.FAILED, error="It broke.")
        elif step == "release":
            work.release(session, run.id, claim)
        elif step == "silence":
            _silence(session, run)
        elif step == "requeue":
            work.requeue_stale(session, STALE)
        else:
            with suppress(Conflict):
                {"cancel": service.request_cancel, "resume": service.resume}[step](session, None, run)
        session.refresh(run)
        assert (run.claim is not None) == (run.state in (RunState.RUNNING, RunState.CANCELLING))
        assert (run.ended_at is not None) == (run.state in service.ENDED)
        assert 0 <= run.attempt <= run.max_attempts
        assert (run.error is not None) == (run.state is RunState.FAILED)
