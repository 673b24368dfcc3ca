"""The client at the real application: typed answers, lists read to their end, waits, files, refusals."""

import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from sqlalchemy import func, select

import hone_client
from app.db import task_session
from app.models import Project, Run, RunState
from hone_client import Client, Invalid, NotAllowed, NotFound, RunEnded, SignInNeeded, StillRunning, Unreachable, models
from tests import factories
from tests.hone_client.conftest import Place
from workers.reference.__main__ import main as reference


def test_it_needs_nothing_of_the_platform() -> None:
    code = (
        "import hone_client, sys\n"
        "mine = {'app', 'formats', 'rlhf', 'workers', 'torch', 'fastapi', 'sqlalchemy', 'celery', 'numpy'}\n"
        "sys.exit(str(sorted(mine & set(sys.modules))) if mine & set(sys.modules) else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (Path(hone_client.__file__).parent / "py.typed").is_file()


def test_it_is_written_from_the_document_that_stands() -> None:
    assert reference(check=True) == 0


def test_what_is_answered_has_types_and_lists_are_read_to_their_end(place: Place) -> None:
    with task_session() as session:
        project = session.get_one(Project, place.project)
        numbers = [factories.prompt(session, project).id for _ in range(5)]
    hone = place.manager
    me = hone.show_me()
    assert isinstance(me, models.PersonView)
    assert (me.email, me.is_admin, me.created_at.tzinfo is not None) == ("manager@example.org", False, True)
    assert [each.id for each in hone.list_prompts(place.project)] == numbers[::-1]
    asked: list[str] = []
    hone._http.event_hooks["request"] = [lambda request: asked.append(request.url.query.decode())]
    some = hone.list_prompts(place.project, limit=3)
    assert [each.id for each in some] == numbers[:1:-1]
    assert (asked, some.before) == (["limit=3"], numbers[2])
    rest = hone.list_prompts(place.project, before=some.before)
    assert [each.id for each in rest] == numbers[1::-1]
    assert rest.before is None
    assert list(hone.list_prompts(place.project, status="withdrawn")) == []
    assert "ppo" in [method.name for method in hone.list_methods(place.project)]


def test_pages_are_asked_for_one_after_the_other(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hone_client.calling.MOST", 2)
    with task_session() as session:
        project = session.get_one(Project, place.project)
        numbers = [factories.prompt(session, project).id for _ in range(5)]
    asked: list[str] = []
    place.manager._http.event_hooks["request"] = [lambda request: asked.append(request.url.query.decode())]
    rows = iter(place.manager.list_prompts(place.project))
    assert next(rows).id == numbers[4]
    assert asked == ["limit=2"]
    assert [each.id for each in rows] == numbers[3::-1]
    assert asked == ["limit=2", f"limit=2&before={numbers[3]}", f"limit=2&before={numbers[1]}"]


def test_what_is_left_out_stays_and_none_is_none(place: Place) -> None:
    before = place.manager.show_project(place.project)
    changed = place.manager.change_project(place.project, queue={"overlap": 3})
    assert changed.queue.overlap == 3
    assert (changed.name, changed.guidelines) == (before.name, before.guidelines)
    plan = models.SamplingPlan(sources=[models.PlannedSource(model_id=None, responses=2)])
    assert place.manager.change_project(place.project, plan=plan).plan == plan


def test_a_refusal_is_an_exception_with_the_sentence(place: Place) -> None:
    with pytest.raises(NotFound) as missing:
        place.manager.show_run(place.project, 999)
    assert str(missing.value) == "There is no run 999 in this project."
    assert missing.value.request_id
    with pytest.raises(NotAllowed, match="Only a manager of this project may do this"):
        place.annotator.list_runs(place.project, limit=1).__iter__().__next__()
    with pytest.raises(Invalid) as wrong:
        place.manager.start_training(place.project, method="pppo")
    assert "pppo" in str(wrong.value)
    with pytest.raises(Invalid) as field:
        place.manager.change_project(place.project, name="")
    assert str(field.value) == "Please check your input. name: This is needed."
    assert field.value.errors == {"name": "This is needed."}
    with pytest.raises(Invalid) as setting:
        place.manager.start_training(place.project, method="ppo", settings={"start_from": "4"})
    assert str(setting.value).count("This must be one of 'promoted' or 'base'.") == 1
    with Client(place.url, "hone_" + "x" * 43) as nobody, pytest.raises(SignInNeeded, match="token is not valid"):
        nobody.show_me()
    with Client("http://127.0.0.1:1", "x", retries=0) as nowhere, pytest.raises(Unreachable, match="Nothing answers"):
        nowhere.show_me()


def test_a_key_of_ones_own_makes_one_thing_of_two_calls(place: Place) -> None:
    first = place.manager.create_project(name="Once", starter_prompts=False, idempotency_key="mine")
    again = place.manager.create_project(name="Once", starter_prompts=False, idempotency_key="mine")
    other = place.manager.create_project(name="Once", starter_prompts=False)
    assert first == again
    assert other.id != first.id
    with task_session() as session:
        assert session.scalar(select(func.count()).where(Project.name == "Once")) == 2


def test_a_run_is_followed_to_its_end(place: Place) -> None:
    with task_session() as session:
        run = factories.run(session, session.get_one(Project, place.project), state=RunState.RUNNING, total_steps=3)
        number = run.id

    def work() -> None:
        for step in (1, 2, 3):
            time.sleep(0.1)
            with task_session() as session:
                session.get_one(Run, number).step = step
        with task_session() as session:
            session.get_one(Run, number).state = RunState.SUCCEEDED

    worker = threading.Thread(target=work)
    worker.start()
    told: list[tuple[str, int]] = []
    asked = place.manager.show_run(place.project, number)
    done = place.manager.wait(asked, progress=lambda now: told.append((now.state, now.step)), every=0.02, timeout=60)
    worker.join()
    assert (done.state, done.step) == ("succeeded", 3)
    assert told == sorted(set(told), key=told.index)  # told once each
    assert told[-1] == ("succeeded", 3)
    assert place.manager.wait(done) == done


def test_a_run_that_fails_or_goes_on_is_an_exception_with_the_run(place: Place) -> None:
    with task_session() as session:
        project = session.get_one(Project, place.project)
        ids = [
            factories.run(session, project, state=RunState.FAILED, error="The disk is full.").id,
            factories.run(session, project, state=RunState.CANCELLED).id,
            factories.run(session, project).id,
        ]
    failed, cancelled, queued = (place.manager.show_run(place.project, each) for each in ids)
    with pytest.raises(RunEnded, match=f"Run {failed.id} failed: The disk is full."):
        place.manager.wait(failed)
    with pytest.raises(RunEnded, match="was cancelled") as ended:
        place.manager.wait(cancelled)
    assert ended.value.run == cancelled
    with pytest.raises(StillRunning, match="still queued after 0 seconds"):
        place.manager.wait(queued, timeout=0, every=0.01)


def test_files_go_in_and_come_out(place: Place, tmp_path: Path) -> None:
    file = tmp_path / "prompts.jsonl"
    file.write_text('{"prompt": "Why?"}\n{"prompt": 7}\n')
    seen = place.manager.preview_import(place.project, file)
    assert (seen.what, seen.counts) == ("prompts", {"prompts": 1, "duplicates": 0, "refused": 1})
    assert [row.line for row in seen.refused] == [2]
    with file.open("rb") as stream:
        assert place.manager.start_import(place.project, stream, skip_invalid=True).run.state == "queued"
    with task_session() as session:
        project = session.get_one(Project, place.project)
        person = factories.user(session)
        factories.label(
            session, factories.item(session, factories.prompt(session, project), project.base_model), person
        )
    to = tmp_path / "labels.jsonl"
    with place.manager.download_export(place.project) as download:
        assert download.name is not None
        assert download.name.endswith(".jsonl")
        assert download.save(to) == to
    assert to.read_bytes() == place.manager.download_export(place.project).read()
    assert to.read_text().count("\n") == 1
    assert {path.name for path in tmp_path.iterdir()} <= {"prompts.jsonl", "labels.jsonl", "hone"}
    with pytest.raises(Invalid, match="rows is of TRL"):
        place.manager.download_export(place.project, rows="pairs")
