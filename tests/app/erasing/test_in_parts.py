"""A person's labels go a part at a time: whatever is killed in between, what is shown is right and the rest goes on."""

import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress

import pytest
from sqlalchemy import text

from app import models as m
from app.db import new_session, task_session
from app.erasing import in_parts, person
from app.labels import leases
from app.labels import service as labels
from app.models import ExportConfig
from app.models.export_settings import ExportSettings
from app.rewards import snapshot_checks
from app.runs import queries
from app.runs import service as runs
from app.web.errors import Conflict
from tests import factories
from tests.app.erasing.dying import Killed, one_only
from tests.app.erasing.slowness import counted, slow_down
from tests.app.erasing.test_their_labels import World, slots
from tests.app.labels.conftest import said
from workers.runs import tasks

_WRONG = text(
    """
    select count(*) from item where slots_left <> greatest(0, overlap_target
        - (select count(*) from assignment where item_id = item.id and state = 'open')
        - (select count(*) from label where item_id = item.id and superseded_at is null and not surplus))
    """
)


@pytest.fixture
def world(database: str, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setattr(in_parts, "LABELS", 2)
    monkeypatch.setattr(in_parts, "OTHERS", 1)
    monkeypatch.setattr(snapshot_checks, "READ", 7)  # of 24, so that the last is short
    return World()


def begin(world: World) -> None:
    with task_session() as session:
        person.erase(session, None, session.get_one(m.User, world.ana), with_labels=True)


def count(table: str) -> int:
    with task_session() as session:
        return int(session.scalar(text(f"select count(*) from {table}")) or 0)


def test_after_every_part_all_is_right_and_what_was_killed_goes_on(world: World) -> None:
    with task_session() as session:
        made, ana = session.get_one(m.Project, world.project), session.get_one(m.User, world.ana)
        for number in range(3):
            talk = factories.conversation(session, made, ana, title=f"Talk {number}")
            factories.turn(session, talk, content="Hello")
            factories.prompt(session, made, f"own {number}", source=m.PromptSource.CHAT, created_by_id=ana.id)
    begin(world)
    left, parts = [25], 0
    while True:
        parts += 1
        with suppress(Killed):
            assert in_parts.go_on(one_only, world.ana)
        with task_session() as session:
            going = session.get_one(m.User, world.ana).labels_go_since is not None
            assert session.scalar(_WRONG) == 0
            snapshot = session.get_one(m.Snapshot, world.snapshot)
            found = snapshot_checks.check(session, snapshot)
            assert found.intact, found.sentence
            assert snapshot.label_count == 12
        left.append(count(f"label where annotator_id = {world.ana}"))
        # All labels of an item go at once, and two are looked for in each part.
        assert left[-2] - left[-1] in (0, 1, 2, 3, 4)
        if left[-1] == 0 and count("conversation") == 0 and count("prompt where source = 'chat'") == 0:
            break
        assert going
        assert parts < 40
    assert left[-1] == 0
    assert parts == 1 + 12 + 3 + 3, "the snapshot, 13 items, conversations, prompts"
    assert in_parts.go_on(task_session, world.ana)
    assert slots(world) == [1] * 12
    with task_session() as session:
        report = session.get_one(m.Model, world.judge).metrics["report"]
        assert {row["annotator_id"] for row in report["by_annotator"]} == {world.bob}
        assert session.get_one(m.User, world.ana).labels_go_since is None
    assert not in_parts.go_on(task_session, world.ana), "nothing is left to do"


def test_a_worker_that_is_killed_in_the_midst_leaves_the_rest_to_the_next(world: World) -> None:
    begin(world)
    code = f"""
import time
from app.db import task_session
from app.erasing import in_parts
from contextlib import contextmanager
in_parts.LABELS = 1
@contextmanager
def slow():
    with task_session() as session:
        yield session
        session.flush()
        time.sleep(0.3)
in_parts.go_on(slow, {world.ana})
"""
    process = subprocess.Popen([sys.executable, "-c", code], env=os.environ)
    try:
        deadline = time.monotonic() + 60
        while count(f"label where annotator_id = {world.ana}") > 20:
            assert time.monotonic() < deadline
            assert process.poll() is None
            time.sleep(0.02)
        assert not in_parts.go_on(task_session, world.ana), "another is at it"
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert 0 < count(f"label where annotator_id = {world.ana}") <= 20
    with task_session() as session:
        assert session.scalar(_WRONG) == 0
        assert in_parts.waiting(session) == [world.ana]
        in_parts.ask(session)
        assert session.info["hone.pending_jobs"] == [(in_parts.TASK, (), in_parts.QUEUE)]
    deadline = time.monotonic() + 30  # until the server has seen that the killed one is gone
    while count('"user" where labels_go_since is not null'):
        tasks.erase_labels()
        assert time.monotonic() < deadline
    assert count(f"label where annotator_id = {world.ana}") == 0
    assert count(f"assignment where annotator_id = {world.ana}") == 0
    assert slots(world) == [1] * 12


def test_while_half_is_deleted_nobody_signs_in_and_nothing_reads_the_rest(world: World) -> None:
    with task_session() as session:
        ana = session.get_one(m.User, world.ana)
        factories.web_session(session, ana)
        factories.api_token(session, ana)
        factories.sign_in_link(session, ana)
        ana.password_hash = "x"
        failed = factories.training(
            session, session.get_one(m.Project, world.project), state=m.RunState.FAILED, workspace="attempt-1"
        )
    begin(world)
    for table in ("web_session", "sign_in_link", "api_token"):
        assert count(f"{table} where user_id = {world.ana}") == 0
    for _ in range(3):
        with task_session() as session:
            who, project = session.get_one(m.User, world.ana), session.get_one(m.Project, world.project)
            assert (who.password_hash, who.name) == (None, f"Person {who.id}")
            assert who.disabled_at is not None
            sentence = f"The labels of person {who.id} are being deleted. Start again once that is done"
            with pytest.raises(Conflict, match=sentence):
                runs.create(session, project, ExportConfig(wanted=ExportSettings()))
            with pytest.raises(Conflict, match=sentence):
                runs.resume(session, None, session.get_one(m.Run, failed.id))
            other = factories.project(session)
            assert queries.people_going(session, other.id) == []
        with pytest.raises(Killed):
            in_parts.go_on(one_only, world.ana)
    assert in_parts.go_on(task_session, world.ana)
    with task_session() as session:
        runs.create(session, session.get_one(m.Project, world.project), ExportConfig(wanted=ExportSettings()))


def test_others_label_meanwhile_and_no_slot_is_lost(world: World) -> None:
    with task_session() as session:
        project = session.get_one(m.Project, world.project)
        people = [factories.user(session) for _ in range(3)]
        for who in people:
            factories.member(session, project, who)
    begin(world)
    faults: list[BaseException] = []
    given: list[int] = []
    over = threading.Event()

    def work(who: m.User) -> None:
        try:
            while not over.is_set():
                with new_session() as session, session.begin():
                    task = leases.claim_item(session, project, who)
                if task is None:
                    time.sleep(0.01)
                    continue
                with new_session() as session, session.begin():
                    given.append(labels.submit(session, project, who, None, task.id, said("left")).label_id)
        except BaseException as error:  # noqa: BLE001  told by the test's own thread
            faults.append(error)

    threads = [threading.Thread(target=work, args=(who,)) for who in people]
    for thread in threads:
        thread.start()
    assert in_parts.go_on(task_session, world.ana)
    deadline = time.monotonic() + 60
    while count("item where slots_left > 0 and purpose = 'train'") and time.monotonic() < deadline:
        time.sleep(0.05)
    over.set()
    for thread in threads:
        thread.join(60)
    assert faults == []
    assert len(set(given)) == len(given) == 12, "each pair lost one label, and got one"
    assert slots(world) == [0] * 12
    with task_session() as session:
        assert session.scalar(_WRONG) == 0
        found = snapshot_checks.check(session, session.get_one(m.Snapshot, world.snapshot))
        assert found.intact


def test_chats_go_in_parts_too_where_labels_stay(world: World) -> None:
    with task_session() as session:
        made, ana = session.get_one(m.Project, world.project), session.get_one(m.User, world.ana)
        for number in range(3):
            factories.turn(session, factories.conversation(session, made, ana, title=f"Talk {number}"), content="Hello")
    labels_before = count("label")
    with task_session() as session:
        person.erase(session, None, session.get_one(m.User, world.ana), with_labels=False)
        assert session.info["hone.pending_jobs"] == [(in_parts.TASK, (), in_parts.QUEUE)]
    left = [count("conversation")]
    while left[-1]:
        with pytest.raises(Killed):
            in_parts.go_on(one_only, world.ana)
        left.append(count("conversation"))
        with task_session() as session:
            assert in_parts.waiting(session) == [world.ana]
            assert queries.people_going(session, world.project) == [], "what reads labels need not wait"
    assert left == [3, 2, 1, 0]
    assert in_parts.go_on(task_session, world.ana)
    assert count("label") == labels_before
    with task_session() as session:
        assert in_parts.waiting(session) == []
        assert session.get_one(m.Project, world.project).labels_deleted_at is None


def test_a_snapshot_that_another_deletion_changed_while_it_was_read_is_read_again(world: World) -> None:
    """Two people go at the same time."""
    begin(world)
    read = snapshot_checks.without(task_session, world.ana, world.snapshot)
    assert read is not None
    with task_session() as session:
        person.erase(session, None, session.get_one(m.User, world.bob), with_labels=True)
    assert in_parts.go_on(task_session, world.bob)
    with task_session() as session:
        assert not snapshot_checks.let_go(session, world.ana, world.snapshot, read)
    assert in_parts.go_on(task_session, world.ana)
    with task_session() as session:
        snapshot = session.get_one(m.Snapshot, world.snapshot)
        assert (snapshot.label_count, snapshot.deleted["labels"]) == (0, 24)
        assert snapshot_checks.check(session, snapshot).intact


def test_a_snapshot_taken_in_the_midst_loses_their_labels_too(world: World) -> None:
    """As by a request that had begun before."""
    from app.rewards import snapshots

    begin(world)
    for _ in range(3):
        with pytest.raises(Killed):
            in_parts.go_on(one_only, world.ana)
    with task_session() as session:
        late = snapshots.take(session, session.get_one(m.Project, world.project))
        assert 12 < late.label_count < 24
    assert in_parts.go_on(task_session, world.ana)
    with task_session() as session:
        late = session.get_one(m.Snapshot, late.id)
        assert (late.label_count, snapshot_checks.check(session, late).intact) == (12, True)


def test_parts_become_smaller_where_the_machine_is_slow(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(in_parts, "LABELS", 8)
    begin(world)
    slow_down("label", 0.1)
    parts: list[int] = []
    assert in_parts.go_on(counted(f"label where annotator_id = {world.ana}", parts), world.ana)
    assert sum(parts) == 25
    assert parts[0] >= 7, "as many as were to go at first"
    assert max(parts[1:]) <= 4, "0.3 s are three labels; those of an item go together"


@pytest.mark.parametrize("first", [1, 3, 1000])
def test_all_goes_whatever_a_part_is(world: World, monkeypatch: pytest.MonkeyPatch, first: int) -> None:
    monkeypatch.setattr(in_parts, "LABELS", first)
    monkeypatch.setattr(snapshot_checks, "READ", first)
    begin(world)
    assert in_parts.go_on(task_session, world.ana)
    assert count(f"label where annotator_id = {world.ana}") == 0
    assert slots(world) == [1] * 12
    with task_session() as session:
        snapshot = session.get_one(m.Snapshot, world.snapshot)
        assert (snapshot.label_count, snapshot_checks.check(session, snapshot).intact) == (12, True)
