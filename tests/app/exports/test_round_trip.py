"""What is exported as everything is read elsewhere as what it was, from every format."""

import json
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

import formats
from app import models as m
from app.models.export_settings import ExportFormat
from formats import ComparisonRecord, DemonstrationRecord, Judgement, Refusal
from tests.exporting import SYSTEM, All, exported

ONE_FILE = [each for each in ExportFormat if each is not ExportFormat.DATASET]


def records(source: Any) -> list[Any]:
    reading = formats.read(source)
    found = list(reading)
    assert reading.layout is not None
    assert reading.layout.name == "hone-labels"
    assert not [each for each in found if isinstance(each, Refusal)]
    return found


def plain(found: list[Any]) -> list[dict[str, Any]]:
    """Without the lines, which depend on how they are written."""
    kept = [{name: getattr(each, name) for name in each.__dataclass_fields__ if name != "line"} for each in found]
    return [
        json.loads(json.dumps(each, default=lambda inner: {n: getattr(inner, n) for n in inner.__slots__}))
        for each in kept
    ]


@pytest.mark.parametrize("format_", ONE_FILE)
def test_every_format_holds_the_same_records(everything: All, format_: ExportFormat) -> None:
    wanted = {"revisions": True}
    assert plain(records(everything.file(format=format_, **wanted))) == plain(records(everything.file(**wanted)))


@pytest.mark.parametrize("format_", ExportFormat)
def test_a_file_for_each_split_holds_them_too(everything: All, tmp_path: Path, format_: ExportFormat) -> None:
    folder = everything.folder(tmp_path / "export", format=format_, files="splits")
    found = plain(records(folder))
    every = plain(records(everything.file()))
    by_label = sorted(found, key=lambda record: record["metadata"]["label"])
    assert by_label == every
    assert {r["metadata"]["split"] for r in found} == {"train", "holdout"}


def test_the_records_are_what_was_labelled(everything: All) -> None:
    found = records(everything.file())
    assert len(found) == 13
    first = found[0]
    assert isinstance(first, ComparisonRecord)
    assert [first.messages[0], *first.messages[2:]] == [SYSTEM[0], *SYSTEM[2:]]
    assert first.messages[1]["content"].startswith(SYSTEM[1]["content"])
    assert [response.text for response in first.responses] == ["- one\n- two", "=1+1"]
    assert {response.author for response in first.responses} == {everything.model.name}
    assert first.responses[1].metadata == {
        "position": 1, "model": everything.model.id, "strategy": "stochastic", "temperature": 1.0, "top_p": 0.9,
        "top_k": 5, "seed": 1, "finish_reason": "stop", "token_count": 4,
    }  # fmt: skip
    common = {"annotator": str(everything.one.id), "date": first.judgements[0].date}
    assert first.judgements == (
        Judgement(outcome="second", strength=2.0, strength_of=2.0, rationale="-1 for\nboth", **common),
        Judgement(outcome="first", question="Kinder?", **common),
    )
    value = json.loads(first.metadata["value"])
    assert value == {"kind": "comparison", "choice": "first", "strength": 2, "questions": {"Kinder?": "second"}}
    assert first.metadata["order"] == [1, 0]
    assert first.metadata["reasons"] == [{"id": "Short", "text": "Short"}]
    assert (first.metadata["late"], first.metadata["seconds"]) == (True, 2.5)
    outcomes = [[judged.outcome for judged in r.judgements if not judged.question] for r in found[1:7]]
    assert outcomes == [["first"], ["tie"], ["both_bad"], ["first"], ["first"], ["second"]]
    assert [r.metadata["usable"] for r in found] == [True] * 5 + [False] * 2 + [True] * 6
    ranked = [r.judgements[0].ranks for r in found[7:9]]
    assert ranked == [(1, 2, 2), (1, 2, 3)]
    improved, written = found[9], found[11]
    assert [response.text for response in improved.responses] == ["A plant.", "A tall plant."]
    assert improved.judgements[0].outcome == "second"
    assert improved.responses[1].metadata == {"position": 8, "author": everything.one.id}
    assert isinstance(written, DemonstrationRecord)
    assert (written.response.text, written.metadata["annotator"]) == ("An essay.", str(everything.one.id))


def test_revisions_come_on_request_and_are_told_apart(everything: All) -> None:
    found = exported(everything.session, everything.project, revisions=True)
    assert len(found) == 14
    (old,) = [row for row in found if row["superseded_at"] is not None]
    assert (old["usable"], old["seconds"]) == (False, 1.0)
    stands = exported(everything.session, everything.project)
    assert stands == [row for row in found if row is not old]


def test_every_preference_is_in_it(everything: All) -> None:
    rows = exported(everything.session, everything.project, revisions=True)
    inside = [
        (row["label"], each["question"], each["first"], each["second"], each["outcome"], each["strength"])
        for row in rows
        for each in row["preferences"]
    ]
    stated = everything.session.execute(
        select(
            m.Preference.label_id, m.Preference.question, m.Preference.first, m.Preference.second,
            m.Preference.outcome, m.Preference.strength,
        ).order_by(m.Preference.label_id, m.Preference.question, m.Preference.first, m.Preference.second)
    )  # fmt: skip
    assert inside == [(*row[:4], row.outcome.value, row.strength) for row in stated]


def test_label_studio_s_tasks_are_read_as_what_was_said(everything: All) -> None:
    """As our own reader has them: every preference of a label that stands and is learned from, by pair of responses."""
    reading = formats.read(everything.file(layout="label-studio", names=True))
    found = [record for record in reading if isinstance(record, ComparisonRecord)]
    assert reading.layout is not None
    assert (reading.layout.name, reading.report.refused) == ("labelstudio", 0)
    said = [
        (
            record.messages, [(each.text, each.author) for each in record.responses], j.outcome, j.question,
            j.strength, j.strength_of, j.annotator,
        )
        for record in found
        for j in record.judgements
    ]  # fmt: skip
    stated = []
    for row in exported(everything.session, everything.project, names=True):
        texts = {each["position"]: (each["text"], each["name"]) for each in row["responses"]}
        for each in row["preferences"] if row["usable"] else ():
            two = [texts[each["first"]], texts[each["second"]]]
            strength = None if each["strength"] is None else float(each["strength"])
            most = None if each["levels"] is None else float(each["levels"])
            about = (each["outcome"], each["text"] or "", strength, most, str(row["annotator"]))
            stated.append((row["prompt"], two, *about))
    assert sorted(map(str, said)) == sorted(map(str, stated))
    assert len(said) == 15
    assert [j.rationale for j in found[0].judgements if j.rationale] == ["-1 for\nboth"]
