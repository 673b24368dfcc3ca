"""kill -9 of everything in the middle of a reward training and of PPO, and what must be there afterwards."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.accounts import sessions as sign_ins
from app.methods import Method, MethodForm
from app.models import Model, Project, Run, RunState, User
from app.policies.ppo import PPO
from app.rewards import service as rewards
from app.rewards.method import REWARD
from app.runs import service as runs
from app.runs import training
from tests import factories
from tests.faults import loop
from tests.faults.annotators import Annotator
from tests.faults.platform import Platform


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    platform = Platform(tmp_path_factory.mktemp("kill") / "data")
    try:
        yield platform.start()
    finally:
        platform.stop()


@pytest.fixture(scope="module")
def project_id(platform: Platform) -> int:
    project_id = loop.make_project(platform)
    loop.wait_for_items(platform, project_id)
    return project_id


def _folder(platform: Platform, run_id: int) -> Path:
    return platform.folder / "store" / "runs" / str(run_id) / str(loop.run_of(platform, run_id).workspace)


def _checkpoints(platform: Platform, run_id: int) -> list[Path]:
    return sorted(_folder(platform, run_id).glob("checkpoint-*"))


def _metrics(platform: Platform, run_id: int) -> list[dict[str, Any]]:
    return _lines(_folder(platform, run_id))


def _lines(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def _kill_at_a_checkpoint(platform: Platform, run_id: int) -> list[dict[str, Any]]:
    """Kill everything once the run has a checkpoint; the metrics up to it."""
    platform.wait_for(lambda: _checkpoints(platform, run_id), 120)
    folder = _folder(platform, run_id)
    platform.kill_tree()
    step = max(int(path.name.removeprefix("checkpoint-")) for path in folder.glob("checkpoint-*"))
    assert not (folder / "summary.json").exists(), "the run was over before the kill"
    return [row for row in _lines(folder) if row["step"] <= step]


def _ends_whole(platform: Platform, run_id: int, before: list[dict[str, Any]], metric: str) -> Run:
    """The run ends well, went on from its checkpoint, and tells every step once."""
    run = loop.wait_for_end(platform, run_id)
    assert (run.state, run.error) == (RunState.SUCCEEDED, None)
    after = _metrics(platform, run_id)
    assert after[: len(before)] == before, "the run began anew"  # with the seconds at which each step was made
    told = [row["step"] for row in after if metric in row]
    assert told == sorted(set(told))
    assert loop.steps(platform, run_id, metric) == told
    return run


def test_no_answered_label_is_lost_or_doubled_by_a_kill(platform: Platform, project_id: int) -> None:
    with platform.session() as session:
        project = session.get_one(Project, project_id)
        sessions = []
        for _ in range(2):
            person = factories.user(session)
            factories.member(session, project, person)
            sessions.append(sign_ins.start(session, person, "test"))
    people = [Annotator(f"{platform.url}/projects/{project_id}/label", each) for each in sessions]
    for person in people:
        person.thread.start()
    platform.wait_for(lambda: sum(len(person.answered) for person in people) >= 6, 60)
    platform.kill_tree()
    for person in people:
        person.thread.join(30)
    platform.start()
    answered = sorted(lease for person in people for lease in person.answered)
    unsure = {lease for person in people for lease in person.unsure}
    kept = loop.leases_of_labels(platform, project_id)
    assert kept == sorted(set(kept)), "an answer was counted twice"
    assert set(answered) <= set(kept), "an answer that was received well is lost"
    assert set(kept) <= set(answered) | unsure
    for person in people:  # a person sends again what may not have arrived
        with person.client() as client:
            for lease in person.unsure:
                assert person.send(client, lease) == 303
    kept = loop.leases_of_labels(platform, project_id)
    assert kept == sorted({*answered, *unsure})


def _start(session: Session, project_id: int, method: Method, form: MethodForm) -> int:
    project, person = session.get_one(Project, project_id), session.get_one(User, 1)
    return training.start(session, project, person, method, form).id


def test_a_killed_reward_training_goes_on(platform: Platform, project_id: int) -> None:
    """First its worker alone is killed, then everything."""
    loop.label_everything(platform, project_id)
    labels = loop.leases_of_labels(platform, project_id)
    assert len(labels) >= 20
    form = REWARD.form(num_train_epochs=50, train_batch_size=1, early_stopping_patience=0, heads=2, max_length=128)
    with platform.session() as session:
        run_id = _start(session, project_id, REWARD, form)
    loop.wait_for_step(platform, run_id, 5)
    trainer = next(each for each in platform.tree() if "rlhf.train_reward" in each.cmdline())
    worker = trainer.parent()
    assert worker is not None
    worker.kill()
    psutil.wait_procs([trainer, worker], timeout=10)
    assert not trainer.is_running(), "a trainer outlived its worker"
    platform.wait_for(lambda: loop.run_of(platform, run_id).attempt == 2, 60)

    before = _kill_at_a_checkpoint(platform, run_id)
    platform.start()
    run = _ends_whole(platform, run_id, before, "loss")
    assert run.attempt == 3
    assert loop.leases_of_labels(platform, project_id) == labels
    with platform.session() as session:
        model = session.scalar(select(Model).where(Model.run_id == run_id))
        assert model is not None
        made = platform.folder / "store" / str(model.artifact)
    assert [made] == [*(platform.folder / "store" / "models").glob(f"run-{run_id}*")]
    assert ".safetensors" in {path.suffix for path in made.iterdir()}
    assert _checkpoints(platform, run_id) == []


def test_a_ppo_run_that_is_cancelled_resumed_stopped_and_killed_ends(platform: Platform, project_id: int) -> None:
    form = PPO.form(  # long enough for a fast machine not to end it between two looks
        total_episodes=960, batch_size=4, max_new_tokens=8, eval_steps=40, eval_size=4, kl_budget=1000, num_ppo_epochs=1
    )
    with platform.session() as session:
        run_id = _start(session, project_id, PPO, form)
    loop.wait_for_step(platform, run_id, 2)
    with platform.session() as session:
        runs.request_cancel(session, None, session.get_one(Run, run_id))
    run = loop.wait_for_end(platform, run_id)
    assert run.state is RunState.CANCELLED
    assert _checkpoints(platform, run_id), "a cancelled run keeps no checkpoint"
    before = _metrics(platform, run_id)

    with platform.session() as session:
        runs.resume(session, None, session.get_one(Run, run_id))
    loop.wait_for_step(platform, run_id, run.step + 2)
    folder = _folder(platform, run_id)
    assert platform.stop() == []
    stopped = _lines(folder)
    assert stopped[: len(before)] == before
    platform.start()
    assert loop.run_of(platform, run_id).attempt <= 2  # an orderly stop is no failed attempt

    loop.wait_for_step(platform, run_id, stopped[-1]["step"] + 2)
    before = _kill_at_a_checkpoint(platform, run_id)
    assert before[: len(stopped)] == stopped
    platform.start()
    run = _ends_whole(platform, run_id, before, "objective/kl")
    assert run.summary is not None
    assert run.summary["updates"] == 240


def test_the_queue_is_derived_from_the_rows(platform: Platform, project_id: int) -> None:
    """Everything in Valkey is deleted while two runs wait; both run all the same."""
    with platform.session() as session:
        admin = session.get_one(User, 1)
        model = session.scalars(select(Model).where(Model.kind == "reward", Model.project_id == project_id)).one()
        ids = [rewards.score_text(session, admin, model, "Hello?", f"Answer {n}.").id for n in range(2)]
    platform.empty_queue()
    for run_id in ids:
        run = loop.wait_for_end(platform, run_id, 120)
        assert (run.state, run.error) == (RunState.SUCCEEDED, None)
