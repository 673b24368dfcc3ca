"""Exports as runs, on a real database: the same file as the one that is sent at once, killed, cancelled, expired."""

import json
from collections.abc import Iterator
from datetime import timedelta
from io import BytesIO
from threading import Event
from typing import Any
from zipfile import ZipFile

import pytest
from sqlalchemy import select, update

from app.db import patient_session, task_session
from app.exports import parts, queries, service
from app.exports.export import Export
from app.models import Item, Label, Project, Prompt, Run, RunKind, RunState, Split, User
from app.models.export_settings import ExportFormat, ExportSettings
from app.runs import folders, work
from app.runs import service as runs
from app.web.errors import Conflict, NotFound
from tests import factories
from tests.exporting import All
from workers.runs.execution import execute


@pytest.fixture
def project(database: str, monkeypatch: pytest.MonkeyPatch) -> int:
    """With labels of every kind, of which few make a part."""
    monkeypatch.setattr(parts, "PART", 3)
    monkeypatch.setattr(queries, "BATCH", 2)
    monkeypatch.setattr(queries, "ITEMS", 2)
    with task_session() as session:
        made = factories.project(session)
        one, two = factories.user(session, name="Ann", is_admin=True), factories.user(session, name="Ben")
        return int(All(session, made, one, two).project.id)


def begin(project: int, **wanted: Any) -> int:
    with task_session() as session:
        target, user = session.get_one(Project, project), session.scalars(select(User).order_by(User.id)).first()
        assert user is not None
        return service.start(session, target, user, ExportSettings(**wanted)).id


def finish(run_id: int) -> Run:
    execute(run_id, "here:1", "CPU", Event())
    with task_session() as session:
        return session.get_one(Run, run_id)


def file(project: int, run_id: int) -> bytes:
    with task_session() as session:
        download = service.file(session, session.get_one(Project, project), run_id)
    return b"".join(download._make())


def streamed(project: int, **wanted: Any) -> bytes:
    with task_session() as session:
        export = Export(session.get_one(Project, project), ExportSettings(**wanted))
    with patient_session() as session:
        return b"".join(export.pieces(session))


def inside(archive: bytes) -> dict[str, bytes]:
    with ZipFile(BytesIO(archive)) as opened:
        assert opened.testzip() is None
        return {name: opened.read(name) for name in opened.namelist()}


TEXT = (ExportFormat.JSONL, ExportFormat.JSON, ExportFormat.CSV, ExportFormat.EXCEL)


@pytest.mark.parametrize("format_", TEXT)
def test_a_run_writes_what_is_sent_at_once(project: int, format_: ExportFormat) -> None:
    run = finish(begin(project, format=format_))
    assert (run.state, run.error) == (RunState.SUCCEEDED, None)
    assert run.summary is not None
    assert (run.summary["rows"], run.step, run.total_steps, run.unit) == (13, 13, 13, "labels")
    assert file(project, run.id) == streamed(project, format=format_)
    assert run.summary["bytes"] == len(file(project, run.id))
    apart = finish(begin(project, format=format_, files="splits"))
    assert inside(file(project, apart.id)) == inside(streamed(project, format=format_, files="splits"))


def test_pairs_and_tasks_come_by_item(project: int) -> None:
    for wanted in ({"layout": "trl", "rows": "pairs", "ties": True}, {"layout": "label-studio"}):
        run = finish(begin(project, **wanted))
        assert file(project, run.id) == streamed(project, **wanted)


def labels_of(archive: bytes) -> dict[str, list[int]]:
    """Split -> numbers of the labels in its tables, in the order of their files."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    found: dict[str, list[int]] = {}
    for name, content in sorted(inside(archive).items()):
        if name.endswith(".parquet"):
            table = pq.read_table(BytesIO(content))
        elif name.endswith(".arrow"):
            table = pa.ipc.open_stream(content).read_all()
        else:
            continue
        found.setdefault(name.replace("/", "-").split("-")[0], []).extend(table["label"].to_pylist())
    return found


@pytest.mark.parametrize("format_", [ExportFormat.PARQUET, ExportFormat.DATASET])
def test_tables_come_in_parts(project: int, format_: ExportFormat) -> None:
    run = finish(begin(project, format=format_, files="splits"))
    found = labels_of(file(project, run.id))
    with task_session() as session:
        standing = select(Label.id, Prompt.split).join(Label.item).join(Prompt).where(Label.superseded_at.is_(None))
        rows = session.execute(standing.order_by(Label.id)).all()
    assert found["train"] == [row.id for row in rows if row.split == "train"]
    assert found["test"] == [row.id for row in rows if row.split == "holdout"]
    assert len([name for name in inside(file(project, run.id)) if name.startswith("train")]) > 2


@pytest.mark.parametrize("at", range(1, 8))
def test_one_that_was_killed_goes_on_without_a_gap_or_a_double(project: int, at: int) -> None:
    """Broken off at each batch in turn; labels that come and change meanwhile are not of its moment."""
    expected = streamed(project)
    run_id = begin(project)

    class Killed(BaseException):
        pass

    def tells() -> Iterator[None]:
        for _ in range(at - 1):
            yield
        raise Killed

    counted = tells()
    with task_session() as session:
        run = work.claim(session, run_id, "there:1", "CPU")
        assert run is not None
        wanted = ExportSettings()
        export = Export(session.get_one(Project, project), wanted)
    folder = folders.folder(run_id) / "attempt-1-0" / parts.FOLDER
    folder.parent.mkdir(parents=True)
    with patient_session() as session, pytest.raises(Killed):
        parts.write(session, export, folder, lambda done, total, what: next(counted))
    with task_session() as session:
        session.get_one(Run, run_id).workspace = "attempt-1-0"
        session.execute(update(Run).where(Run.id == run_id).values(heartbeat_at=Run.created_at - timedelta(hours=1)))
        newest = session.scalars(select(Label).order_by(Label.id.desc())).first()
        assert newest is not None
        newest.superseded_at = Label.created_at + timedelta(days=1)
        factories.label(session, newest.item, factories.user(session))
    with task_session() as session:
        assert work.requeue_stale(session, timedelta(seconds=1)) == [run_id]
    run = finish(run_id)
    assert (run.state, run.attempt) == (RunState.SUCCEEDED, 2)
    assert file(project, run_id) == expected


def test_a_cancelled_one_is_resumed(project: int) -> None:
    run_id = begin(project)
    with task_session() as session:
        runs.request_cancel(session, None, session.get_one(Run, run_id))
    with (
        task_session() as session,
        pytest.raises(NotFound, match=f"export {run_id} is not ready: the run is cancelled"),
    ):
        service.file(session, session.get_one(Project, project), run_id)
    with task_session() as session:
        runs.resume(session, None, session.get_one(Run, run_id))
    assert finish(run_id).state is RunState.SUCCEEDED
    assert file(project, run_id) == streamed(project)


def test_files_are_kept_for_some_days_and_made_anew(project: int) -> None:
    run_id = finish(begin(project)).id
    for ended, there in ((timedelta(days=6), True), (timedelta(days=8), False)):
        with task_session() as session:
            session.execute(update(Run).where(Run.id == run_id).values(ended_at=Run.created_at - ended))
        with task_session() as session:
            runs.delete_files(session, RunKind.EXPORT, timedelta(days=7))
        assert folders.folder(run_id).exists() is there
    with pytest.raises(NotFound, match="is deleted: files are kept for 7 days"):
        file(project, run_id)
    with task_session() as session:
        copy = runs.clone(session, session.scalars(select(User)).first(), session.get_one(Run, run_id))
        again = copy.id
    assert finish(again).state is RunState.SUCCEEDED
    assert file(project, again) == streamed(project)


def test_what_is_too_large_to_be_sent_at_once_is_refused(project: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "STREAMED", 12)
    with task_session() as session:
        target, user = session.get_one(Project, project), session.scalars(select(User)).first()
        assert user is not None
        with pytest.raises(Conflict, match="more than 12 labels"):
            service.download(session, target, user, ExportSettings())
        assert service.download(session, target, user, ExportSettings(layout="trl"))


def test_a_run_of_another_kind_has_no_file(project: int) -> None:
    with task_session() as session:
        target = session.get_one(Project, project)
        other = factories.run(session, target)
        with pytest.raises(NotFound, match="no such export"):
            service.file(session, target, other.id)


@pytest.mark.parametrize("format_", [ExportFormat.JSONL, ExportFormat.PARQUET, ExportFormat.DATASET])
def test_a_split_without_rows_has_no_file(project: int, format_: ExportFormat) -> None:
    """`load_dataset` refuses a folder that names a split with nothing in it, and nobody here writes responses to
    held-out prompts. Of no rows at all there is a file all the same."""
    held_out = select(Item.id).join(Prompt).where(Prompt.split == Split.HOLDOUT)
    with task_session() as session:
        session.execute(update(Label).where(Label.item_id.in_(held_out)).values(superseded_at=Label.created_at))
    for layout in ("everything", "trl", "sft"):
        wanted = {"layout": layout, "format": format_, "files": "splits"}
        at_once = inside(streamed(project, **wanted))
        run = finish(begin(project, **wanted))
        for found in (at_once, inside(file(project, run.id))):
            assert any(name.startswith("train") for name in found)
            assert not any(name.startswith("test") for name in found)
            assert b"test" not in found["README.md"]
            if format_ is ExportFormat.DATASET:
                assert json.loads(found["dataset_dict.json"]) == {"splits": ["train"]}
    nothing = inside(streamed(project, format=format_, files="splits", annotator=-9))
    assert any(name.startswith("train") for name in nothing)
