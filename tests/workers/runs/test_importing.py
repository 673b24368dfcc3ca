"""Imports as runs, on a real database: what becomes of rows, kills and resumes, taking an import back."""

import gzip
import json
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from threading import Event
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest
from sqlalchemy import func, select, text, update

from app.db import task_session
from app.exports import queries as export_queries
from app.exports.export import Export
from app.imports import queries, storing
from app.imports import service as imports
from app.imports.preview import preview
from app.labels import queries as label_queries
from app.labels import service as labels
from app.labels.table import LABELS
from app.models import (
    ImportConfig,
    ImportedAnnotator,
    Item,
    Label,
    Outcome,
    Preference,
    Project,
    Prompt,
    Response,
    Run,
    RunState,
    User,
)  # fmt: skip
from app.models.export_settings import ExportSettings, LabelConditions
from app.rewards import snapshots
from app.runs import work
from app.web import tables
from tests import factories
from tests.asking import asking
from workers.runs.execution import execute

PAIR = {"prompt": "Why is the sky blue?", "chosen": "It scatters light.", "rejected": "It is paint."}


def lines(rows: Sequence[Any]) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


@pytest.fixture
def project(database: str) -> int:
    with task_session() as session:
        made = factories.project(session, answer=asking(levels=3, questions=["Safer"]))
        factories.member(session, made, factories.user(session, name="Ann", is_admin=True))
        return int(made.id)


def begin(project: int, content: bytes, what: Any = "labels", **over: Any) -> int:
    with task_session() as session:
        target = session.get_one(Project, project)
        file = imports.keep(session, target, BytesIO(content))
        config = ImportConfig(file=file, name="file.jsonl", what=what, **over)
        return imports.start(session, target, session.scalars(select(User)).one(), config).id


def finish(run_id: int) -> Run:
    execute(run_id, "here:1", "CPU", Event())
    with task_session() as session:
        return session.get_one(Run, run_id)


def bring(project: int, content: bytes, what: Any = "labels", **over: Any) -> Run:
    return finish(begin(project, content, what, **over))


def counted(*tables: Any) -> list[int]:
    with task_session() as session:
        return [session.scalar(select(func.count()).select_from(table)) or 0 for table in tables]


EVERYTHING = (Prompt, Item, Response, Label, Preference)


def test_labels_come_with_who_judged_how_strongly_and_by_which_question(project: int) -> None:
    rows = [
        {"prompt": "Hello?", "response_a": "Yes.", "response_b": "No.", "choice": "a", "annotator": "ann@x.org",
         "model_a": "gpt-9", "id": 17},
        {"prompt": "Hello?", "response_a": "Yes.", "response_b": "No.", "choice": "tie", "annotator": "bob"},
        {"prompt": "Hello?", "response_a": "Yes.", "response_b": "No.", "choice": "b", "model_a": "gpt-9"},
    ]  # fmt: skip
    run = bring(project, lines(rows))
    assert run.state is RunState.SUCCEEDED, run.error
    assert run.summary == {"prompts": 1, "pairs": 2, "labels": 3, "duplicates": 0, "refused": 0}
    with task_session() as session:
        found = session.scalars(select(Label).order_by(Label.id)).all()
        assert [each.imported_annotator and each.imported_annotator.name for each in found] == ["ann@x.org", "bob", "1"]
        assert [each.imported_annotator and each.imported_annotator.aggregate for each in found] == [False, False, True]
        assert [[p.outcome for p in each.preferences] for each in found] == [
            [Outcome.FIRST], [Outcome.TIE], [Outcome.SECOND],
        ]  # fmt: skip
        assert found[0].extra == {"id": 17}
        assert {each.surplus for each in found} == {True}
        assert [each.told[0].words for each in found] == ["A", "equal", "B"]
        item = found[0].item
        assert [each.imported_from for each in item.responses] == ["gpt-9", "import"]
        assert (item.overlap_target, item.slots_left, item.run_id) == (0, 0, run.id)
        assert found[1].item_id != item.id  # another author is another response
        assert found[2].item_id == item.id


def test_strengths_questions_fractions_and_raters_reach_the_preferences(project: int) -> None:
    strong = {"prompt": "A?", "response_1": "x", "response_2": "y", "preference_strength": 3}
    (run,) = [bring(project, lines([strong, strong | {"prompt": "B?", "preference_strength": -1}]))]
    assert run.state is RunState.SUCCEEDED, run.error
    both = {
        "prompt": "C?", "response_0": "x", "response_1": "y", "better_response_id": 0, "safer_response_id": 1,
        "is_response_0_safe": True, "is_response_1_safe": True,
    }  # fmt: skip
    assert bring(project, lines([both])).state is RunState.SUCCEEDED
    fraction = {"prompt": "D?", "response_a": "x", "response_b": "y", "preference": 0.2}
    assert bring(project, lines([fraction, fraction | {"prompt": "E?", "preference": 0.5}])).state is RunState.SUCCEEDED
    with task_session() as session:
        rows = session.execute(
            select(Preference.question, Preference.outcome, Preference.probability, Preference.strength)
            .join(Label)
            .order_by(Label.id, Preference.question)
        ).all()
        asked = session.get_one(Project, project).answer.questions[0].id
    assert [tuple(row) for row in rows] == [
        ("", Outcome.SECOND, 0.0, 3),
        ("", Outcome.FIRST, 1.0, 1),
        ("", Outcome.FIRST, 1.0, None),
        (asked, Outcome.SECOND, 0.0, None),
        ("", Outcome.SECOND, 0.2, None),
        ("", Outcome.TIE, 0.5, None),
    ]


def test_rankings_come_as_rankings_with_each_two_as_a_preference(project: int) -> None:
    row = {"prompt": "Rank?", "answers": [
        {"answer": "c", "rank": 3, "model": "m3"}, {"answer": "a", "rank": 1, "model": "m1"},
        {"answer": "b", "rank": 2, "model": "m2"}]}  # fmt: skip
    run = bring(project, lines([row]))
    assert run.state is RunState.SUCCEEDED, run.error
    with task_session() as session:
        label = session.scalars(select(Label)).one()
        assert label.item.kind == "ranking"
        assert [each.text for each in label.item.responses] == ["c", "a", "b"]
        assert {(p.first, p.second): p.outcome.value for p in label.preferences} == {
            (0, 1): "second", (0, 2): "second", (1, 2): "first",
        }  # fmt: skip


def test_the_same_file_twice_changes_nothing_and_the_other_way_round_neither(project: int) -> None:
    rows = [PAIR, PAIR | {"prompt": "And at night?"}]
    assert bring(project, lines(rows)).summary == {
        "prompts": 2, "pairs": 2, "labels": 2, "duplicates": 0, "refused": 0,
    }  # fmt: skip
    before = counted(*EVERYTHING)
    again = bring(project, lines(rows))
    assert again.summary == {"prompts": 0, "pairs": 0, "labels": 0, "duplicates": 2, "refused": 0}
    turned = {"prompt": PAIR["prompt"], "response_a": PAIR["rejected"], "response_b": PAIR["chosen"], "choice": "b"}
    assert (bring(project, lines([turned])).summary or {})["labels"] == 0
    assert counted(*EVERYTHING) == before


def test_somebody_who_judges_again_supersedes_what_they_said(project: int) -> None:
    row = {"prompt": "Hm?", "response_a": "x", "response_b": "y", "choice": "a", "annotator": "ann"}
    bring(project, lines([row, row | {"choice": "b"}]))
    bring(project, lines([row, row | {"choice": "b"}]))
    last = bring(project, lines([row | {"choice": "tie"}]))
    with task_session() as session:
        found = session.scalars(select(Label).order_by(Label.id)).all()
        assert [each.superseded_at is None for each in found] == [False, False, True]
    undo(project, last.id)
    with task_session() as session:
        found = session.scalars(select(Label).order_by(Label.id)).all()
        assert [each.superseded_at is None for each in found] == [False, True]


def undo(project: int, run_id: int) -> Run:
    with task_session() as session:
        target = session.get_one(Project, project)
        who = session.scalars(select(User).order_by(User.id)).first()
        assert who is not None
        undoing = imports.undo(session, target, who, session.get_one(Run, run_id)).id
    return finish(undoing)


def test_one_bad_row_stops_all_until_the_rest_is_asked_for(project: int) -> None:
    rows = lines([PAIR]) + b"nonsense\n" + lines([PAIR | {"prompt": "Two?"}])
    run = bring(project, rows)
    assert run.state is RunState.FAILED
    assert run.error == "1 row of 3 cannot be used, so nothing was imported. Correct the file, or import the rest."
    assert counted(*EVERYTHING) == [0] * 5
    with task_session() as session:
        (bad,) = queries.refused(session, run.id, 10)
        assert (bad.line, bad.raw, bad.number) == (2, "nonsense", 2)
        who = session.scalars(select(User)).one()
        imports.import_rest(session, session.get_one(Project, project), who, session.get_one(Run, run.id))
    rest = finish(run.id)
    assert rest.state is RunState.SUCCEEDED
    assert rest.summary == {"prompts": 2, "pairs": 2, "labels": 2, "duplicates": 0, "refused": 1}


def test_pairs_to_label_join_the_queue_with_the_names_of_who_wrote_them(project: int) -> None:
    row = {"prompt": "Which?", "response_a": "x", "response_b": "y", "model_a": "gpt-9", "model_b": "ann"}
    run = bring(project, lines([row]), "pairs")
    assert run.state is RunState.SUCCEEDED, run.error
    assert (run.summary or {})["pairs"] == 1
    with task_session() as session:
        who = session.scalars(select(User)).one()
        task = labels.next_task(session, session.get_one(Project, project), who, None)
        assert task is not None
        assert sorted(each.text for each in task.responses) == ["x", "y"]
        item = session.scalars(select(Item)).one()
        assert [each.writer for each in item.responses] == ["gpt-9", "ann"]


def test_imported_labels_teach_with_their_fractions_and_raters(project: int) -> None:
    rows = [{"prompt": f"Q{n}?", "response_a": "x", "response_b": "y", "preference": 0.8} for n in range(40)]
    rows += [rows[0] | {"preference": 0.4}]
    assert bring(project, lines(rows)).state is RunState.SUCCEEDED
    with task_session() as session:
        target = session.get_one(Project, project)
        snapshot = snapshots.take(session, target)
        train, holdout = snapshots.training_rows(session, snapshot)
    assert len(train) + len(holdout) == 40
    by = {row["prompt"][0]["content"]: row for row in train + holdout}
    assert by["Q1?"]["preference"] == pytest.approx(0.8)
    assert by["Q0?"]["preference"] == pytest.approx(0.6)
    assert (by["Q0?"]["raters"], by["Q1?"]["raters"]) == (2, 1)


def test_an_import_is_taken_back_but_for_what_a_snapshot_holds(project: int) -> None:
    first = bring(project, lines([PAIR | {"prompt": f"Q{n}?"} for n in range(40)]))
    with task_session() as session:
        snapshots.take(session, session.get_one(Project, project))
    second = bring(project, lines([PAIR | {"prompt": f"R{n}?"} for n in range(7)] + [PAIR | {"prompt": "Q1?"}]))
    assert (second.summary or {})["labels"] == 7
    undone = undo(project, second.id)
    assert undone.summary == {"labels": 7, "pairs": 7, "prompts": 7, "stay": {}}
    assert counted(*EVERYTHING) == [40, 40, 80, 40, 40]
    kept = undo(project, first.id)
    assert kept.summary == {
        "labels": 0, "pairs": 0, "prompts": 0, "stay": {"labels": 40, "pairs": 40, "prompts": 40},
    }  # fmt: skip
    with task_session() as session:
        assert session.scalar(select(func.count()).where(Label.superseded_at.is_(None))) == 0
        assert session.scalar(select(func.count()).where(Item.withdrawn_at.is_(None))) == 0


def test_a_run_that_is_killed_at_any_transaction_stores_every_row_once(
    project: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [PAIR | {"prompt": f"Q{n}?"} for n in range(60)]
    monkeypatch.setattr(storing, "BATCH", 7)
    run_id = begin(project, lines(rows) + b"no\n", skip_invalid=True)
    kills = 0

    class Killed(BaseException):
        """As if the process were gone."""

    def dying(place: int) -> Any:
        left = place

        def store(*given: Any) -> Any:
            nonlocal left
            made = whole(*given)
            left -= 1
            if left < 0:
                raise Killed
            return made

        return store

    whole = storing.store
    for place in range(4):
        monkeypatch.setattr(storing, "store", dying(place))
        with pytest.raises(Killed):
            execute(run_id, "here:1", "CPU", Event())
        kills += 1
        with task_session() as session:  # its silence gives it back
            session.execute(update(Run).values(state=RunState.QUEUED, claim=None))
    monkeypatch.setattr(storing, "store", whole)
    run = finish(run_id)
    assert run.state is RunState.SUCCEEDED, run.error
    assert run.summary == {"prompts": 60, "pairs": 60, "labels": 60, "duplicates": 0, "refused": 1}
    assert counted(*EVERYTHING) == [60, 60, 120, 60, 60]
    assert kills == 4


def test_what_a_preview_counts_is_what_its_import_stores(project: int, tmp_path: Path) -> None:
    rows = lines([PAIR, PAIR, PAIR | {"prompt": "Again?", "annotator": "x"}, {"prompt": "", "chosen": "a"}])
    bring(project, lines([PAIR]), "pairs")
    for what in ("prompts", "pairs", "labels"):
        file = tmp_path / "file"
        file.write_bytes(rows)
        with task_session() as session:
            config = ImportConfig(file="", name="file", what=what)  # type: ignore[arg-type]
            found = preview(session, session.get_one(Project, project), file, config, None)
        run = bring(project, rows, what, skip_invalid=True)
        assert found.counts == run.summary
        assert (found.rows, len(found.refused)) == (4, 1)


ATTEMPT = """
import sys
from threading import Event
from workers.runs.execution import execute
execute(int(sys.argv[1]), "child:1", "CPU", Event())
"""


def test_an_import_whose_process_is_killed_goes_on_without_a_gap_or_a_double(project: int) -> None:
    rows = [PAIR | {"prompt": f"Question {n // 2}?", "rejected": f"It is paint {n}.", "id": n} for n in range(4_000)]
    run_id = begin(project, lines(rows))
    seen = 0
    for _ in range(2):
        child = subprocess.Popen([sys.executable, "-c", ATTEMPT, str(run_id)])
        try:
            while stored(run_id) <= seen:  # it has stored more than whoever was before it
                assert child.poll() is None, "it ended before it could be killed"
                time.sleep(0.01)
        finally:
            child.kill()
            child.wait()
        seen = stored(run_id)
        assert 0 < seen < len(rows)
        with task_session() as session:  # its silence gives it back
            session.execute(update(Run).where(Run.id == run_id).values(state=RunState.QUEUED, claim=None))
    run = finish(run_id)
    assert run.state is RunState.SUCCEEDED, run.error
    assert run.summary == {"prompts": 2_000, "pairs": 4_000, "labels": 4_000, "duplicates": 0, "refused": 0}
    assert counted(*EVERYTHING) == [2_000, 4_000, 8_000, 4_000, 4_000]
    with task_session() as session:
        numbers = session.scalars(select(Label.extra["id"].as_integer())).all()
    assert sorted(numbers) == list(range(4_000))


def stored(run_id: int) -> int:
    with task_session() as session:
        return queries.progress(session, run_id).stored


def test_it_tells_how_far_it_is_and_of_how_much_while_it_checks_and_while_it_stores(
    project: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [PAIR | {"prompt": f"Question {n}?"} for n in range(400)]
    monkeypatch.setattr(storing, "BATCH", 20)
    table = pyarrow.Table.from_pylist(rows)
    parquet = BytesIO()
    pyarrow.parquet.write_table(table, parquet)
    for content in (lines(rows), gzip.compress(lines(rows)), parquet.getvalue()):
        told: list[tuple[int, int | None, str]] = []
        tell = told.append
        run_id = begin(project, content)

        @contextmanager
        def writing(run_id: int = run_id) -> Iterator[Any]:
            with task_session() as session:
                yield session, session.get_one(Run, run_id)

        storing.bring_in(writing, lambda *news, tell=tell: tell(news))
        checked = [(done, total) for done, total, unit in told if unit == "rows checked"]
        assert [done for done, _ in checked] == [200, 400]
        assert all(total is not None and 200 <= total <= 500 for _, total in checked)
        assert [news for news in told if news[2] == "rows stored"] == [
            (done, 400, "rows stored") for done in range(20, 401, 20)
        ]


def test_steps_of_another_unit_are_counted_anew_and_never_go_back_in_their_own(project: int) -> None:
    run_id = begin(project, lines([PAIR]))
    with task_session() as session:
        run = work.claim(session, run_id, "here:1", "CPU")
        assert run is not None
        claim = run.claim or ""
        for step, unit, shown in ((900, "rows checked", 900), (20, "rows stored", 20), (10, "rows stored", 20)):
            work.beat(session, run_id, claim, step=step, total_steps=1_000, unit=unit)
            session.refresh(run)
            assert (run.step, run.unit) == (shown, unit)


def test_tables_that_an_import_has_filled_are_analysed_at_once(project: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Until PostgreSQL does so itself, a minute later, whoever labels would wait for plans made for empty tables."""
    monkeypatch.setattr(storing, "MANY", 3)
    known = select(func.count()).select_from(text("pg_stats")).where(text("tablename = 'item_response'"))
    for rows, analysed in ((2, False), (3, True)):
        pairs = [PAIR | {"prompt": f"{rows}, {n}?"} for n in range(rows)]
        assert bring(project, lines(pairs)).state is RunState.SUCCEEDED
        with task_session() as session:
            assert bool(session.scalar(known)) is analysed


def test_undoing_forgets_the_annotators_whom_no_label_names_any_more(project: int) -> None:
    row = PAIR | {"response_a": "x", "response_b": "y", "choice": "a"}
    first = bring(project, lines([row | {"annotator": name} for name in ("ann", "bob")]))
    second = bring(project, lines([row | {"prompt": "Two?", "annotator": name} for name in ("bob", "eve")]))

    def names() -> list[str]:
        with task_session() as session:
            return list(session.scalars(select(ImportedAnnotator.name).order_by(ImportedAnnotator.name)))

    assert names() == ["ann", "bob", "eve"]
    undo(project, first.id)
    assert names() == ["bob", "eve"]
    undo(project, second.id)
    assert names() == []
    assert (bring(project, lines([row | {"annotator": "ann"}])).summary or {})["labels"] == 1


def test_labels_are_found_by_the_annotator_whom_their_file_names(project: int) -> None:
    row = {"prompt": "Hello?", "response_a": "x", "response_b": "y", "choice": "a"}
    bring(project, lines([row | {"annotator": name} for name in ("ann", "bob")] + [row | {"prompt": "Two?"}]))
    with task_session() as session:
        by_name = {name: number for number, name in label_queries.annotators(session, project)}
        assert [*by_name] == ["Imported (ann)", "Imported (bob)", "Imported, rater 1"]
        for name, number in by_name.items():
            wanted = label_queries.found(project, LabelConditions(annotator=number))
            found = tables.page(session, LABELS, wanted, LABELS.order).items
            assert [each.given_by for each in found] == [name]
        export = Export(session.get_one(Project, project), ExportSettings(annotator=by_name["Imported (bob)"]))
        rows = [row for batch in export.batches(session, export_queries.now(session), None, 0) for row in batch.rows]
        assert [row["annotator"] for row in rows] == [by_name["Imported (bob)"]]
