"""What one project exports as everything, another imports: equal records, an equal TRL export, equal training."""

import json
from io import BytesIO
from pathlib import Path
from threading import Event
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from sqlalchemy import func, select

import formats
from app.annotation.comparison import ComparisonValue
from app.annotation.demonstration import DemonstrationValue
from app.annotation.ranking import RankingValue
from app.db import patient_session, task_session
from app.exports.export import Export
from app.imports import service as imports
from app.models import MOST_SHOWN, ImportConfig, Item, Label, Project, Prompt, Response, Run, RunState, Split, User
from app.models.export_settings import ExportSettings
from app.rewards import snapshots
from app.runs import holdout
from rlhf.base_models import prepare
from rlhf.reward_config import RewardConfig
from rlhf.train_reward import train_reward
from tests import factories
from tests.asking import asking
from tests.exporting import A, All, B, give
from workers.runs.execution import execute


@pytest.fixture
def first(database: str) -> int:
    with task_session() as session:
        made = factories.project(session)
        one, two = factories.user(session, name="Ann", is_admin=True), factories.user(session, name="Ben")
        return int(All(session, made, one, two).project.id)


def content(project: int, **wanted: Any) -> bytes:
    with task_session() as session:
        export = Export(session.get_one(Project, project), ExportSettings(**wanted))
    with patient_session() as session:
        return b"".join(export.pieces(session))


def rows(project: int, **wanted: Any) -> list[dict[str, Any]]:
    return [json.loads(line) for line in content(project, **wanted).splitlines()]


def imported(file: bytes, name: str = "Kinder?", id_: str = "Kinder?") -> int:
    """A new project with the labels of an export; its question has this text and id."""
    with task_session() as session:
        asked = asking(levels=2, questions=[{"id": id_, "text": name}], reasons=["Short"])
        project = int(factories.project(session, answer=asked).id)
    bring(project, file)
    return project


def bring(project: int, file: bytes) -> Run:
    """Import labels into a project."""
    with task_session() as session:
        made = session.get_one(Project, project)
        user = session.scalars(select(User).order_by(User.id)).first()
        assert user is not None
        config = ImportConfig(file=imports.keep(session, made, BytesIO(file)), name="labels", what="labels")
        run_id = imports.start(session, made, user, config).id
    return finished(run_id)


def finished(run_id: int) -> Run:
    execute(run_id, "here:1", "CPU", Event())
    with task_session() as session:
        run = session.get_one(Run, run_id)
        assert (run.state, run.error) == (RunState.SUCCEEDED, None)
        return run


def undo(project: int) -> dict[str, Any]:
    """Undo the first import of a project; what became of it."""
    with task_session() as session:
        made, run = (
            session.get_one(Project, project),
            session.scalars(select(Run).where(Run.project_id == project)).first(),
        )
        user = session.scalars(select(User).order_by(User.id)).first()
        assert user is not None
        assert run is not None
        run_id = imports.undo(session, made, user, run).id
    return dict(finished(run_id).summary or {})


def counted() -> list[int]:
    with task_session() as session:
        return [
            session.scalar(select(func.count()).select_from(table)) or 0 for table in (Prompt, Item, Response, Label)
        ]


PREFERENCE = ("prompt", "chosen", "rejected", "preference", "margin", "split", "question", "purpose")


def records(project: int) -> list[Any]:
    """What is said of which responses, with the numbers that each project gives its people replaced by theirs in order
    of appearance."""
    known: dict[str | None, int] = {}
    found: list[Any] = []
    for record in formats.read(content(project), as_="labels"):
        if isinstance(record, formats.DemonstrationRecord):
            found.append(
                (record.messages, record.response.text, known.setdefault(record.metadata["annotator"], len(known)))
            )
            continue
        assert isinstance(record, formats.ComparisonRecord)
        said = [
            (
                j.outcome, j.ranks, j.question, j.strength, j.strength_of, j.probability, j.rationale,
                known.setdefault(j.annotator, len(known)),
            )
            for j in record.judgements
        ]  # fmt: skip
        # Who wrote a response as their label is whose label it is.
        written = [each.metadata["position"] >= MOST_SHOWN for each in record.responses]
        authors = [None if its else each.author for each, its in zip(record.responses, written, strict=True)]
        found.append((record.messages, [each.text for each in record.responses], authors, said))
    return found


@pytest.mark.parametrize("format_", ["jsonl", "csv", "parquet"])
def test_another_project_has_equal_records_and_an_equal_trl_export(first: int, format_: str) -> None:
    second = imported(content(first, format=format_))
    for question in ("", "Kinder?"):
        wanted = {"layout": "trl-conversational", "question": question, "ties": True}
        one, two = (
            [{name: row[name] for name in PREFERENCE} for row in rows(each, **wanted)] for each in (first, second)
        )
        assert one == two
        assert one
    assert records(second) == records(first)
    assert len(records(second)) == 11
    third = imported(content(second))  # what came by import goes out and comes in again
    assert records(third) == records(second)


NUMBERS = ("label", "item", "prompt_id", "instructions", "date", "superseded_at", "annotator_name")
"""What a label keeps of where it came from, and means nothing elsewhere."""


def of_all(project: int) -> list[dict[str, Any]]:
    """The rows of everything, revisions too, but for numbers that each project gives: people, items and versions are
    told apart by the order in which they appear."""
    known: dict[Any, int] = {}
    found = []
    for row in rows(project, revisions=True):
        if row["purpose"] != "train":
            continue  # checks and evaluations are of this project's people and models
        texts = {each["question"]: each["text"] for each in row["preferences"]}
        value = json.loads(row["value"])
        value["questions"] = {texts[question]: said for question, said in value.get("questions", {}).items()}
        metadata = json.loads(row["metadata"] or "{}")
        found.append(
            {
                name: row[name]
                for name in ("kind", "split", "chooses", "usable", "prompt", "order", "comment", "seconds")
            }
            | {name: row[name] for name in ("late", "passed", "created_at")}
            | {
                "item": known.setdefault(("item", row["item"]), len(known)),
                "annotator": known.setdefault(("annotator", row["annotator"]), len(known)),
                "superseded": row["superseded_at"] is not None,
                "value": value,
                "responses": [_response(each) for each in row["responses"]],
                "preferences": [{n: v for n, v in each.items() if n != "question"} for each in row["preferences"]],
                "reasons": [each["text"] for each in row["reasons"]],
                "metadata": {name: value for name, value in metadata.items() if name not in NUMBERS},
            }
        )
    return found


def _response(given: dict[str, Any]) -> dict[str, Any]:
    kept = {name: value for name, value in given.items() if name not in ("model", "author", "imported_from")}
    metadata = json.loads(kept["metadata"] or "{}")
    kept["metadata"] = {name: value for name, value in metadata.items() if name not in ("model", "author")}
    if given["position"] >= MOST_SHOWN:
        kept["name"] = None  # who wrote it is whose label it is
    return kept


def with_everything(project: int) -> None:
    """Add labels that came by files, revisions of each kind, labels that were withdrawn."""
    brought = [
        {"prompt": "Judged?", "response_a": "x", "response_b": "y", "preference": 0.8, "model_a": "gpt-9", "id": 17},
        {"prompt": "Judged?", "response_a": "x", "response_b": "y", "preference": 0.3, "model_a": "gpt-9", "id": 18},
    ]
    strong = {"prompt": "Strong?", "response_1": "x", "response_2": "y", "preference_strength": -3, "helpfulness": 4}
    ranked = {"prompt": "Rank?", "answers": [
        {"answer": "c", "rank": 3, "model": "m3"}, {"answer": "a", "rank": 1, "model": "m1"},
        {"answer": "b", "rank": 2, "model": "m2"}]}  # fmt: skip
    named = {"prompt": "Named?", "response_a": "x", "response_b": "y", "choice": "b", "annotator": "ann@x.org"}
    again = named | {"choice": "tie", "date": "2024-02-29"}
    for given in (brought, [strong], [ranked], [named, again]):
        bring(project, "".join(json.dumps(row) + "\n" for row in given).encode())
    with task_session() as session:
        found = session.get_one(Project, project)
        one = session.scalars(select(User).order_by(User.id)).first()
        assert one is not None
        every = All.again(session, found)
        improved = every.item(["A bush."], kind="demonstration")
        give(session, improved, one, DemonstrationValue(text="A green bush.", improves=True), reasons=["Short"])
        give(session, improved, one, DemonstrationValue(text="A tall bush.", improves=True), comment="Better.")
        gone = give(session, every.item(["One.", "Two."]), one, ComparisonValue(choice=B, strength=1))
        gone.superseded_at = gone.created_at
        order = every.item(["1.", "2.", "3.", "4."], kind="ranking")
        give(session, order, one, RankingValue(tiers=((3,), (0, 2), (1,))), [3, 1, 0, 2], late=True, seconds=7.5)


def test_labels_of_every_kind_their_revisions_and_imports_come_back_as_they_were(first: int) -> None:
    with_everything(first)
    second = imported(content(first, revisions=True), name="Kinder?", id_="q1")
    expected, found = of_all(first), of_all(second)
    for one, two in zip(expected, found, strict=True):
        assert one == two
    kinds = [(row["kind"], row["superseded"]) for row in expected]
    assert {kind for kind, _ in kinds} == {"comparison", "ranking", "demonstration"}
    assert {kind for kind, superseded in kinds if superseded} == {"comparison", "demonstration"}
    assert {row["late"] for row in expected} == {True, False}
    for layout in ("sft", "trl", "trl-conversational"):
        wanted = {"layout": layout, **({"ties": True} if layout != "sft" else {})}
        names = ("prompt", "completion", *PREFERENCE) if layout == "sft" else PREFERENCE
        files = [
            [{name: row.get(name) for name in names} for row in rows(project, **wanted)] for project in (first, second)
        ]
        assert files[0] == files[1]
        assert files[0]
    third = imported(content(second, revisions=True, format="csv"))
    assert of_all(third) == found
    before = counted()
    assert bring(third, content(second, revisions=True, format="csv")).summary == {
        "prompts": 0, "pairs": 0, "labels": 0, "duplicates": len(found), "refused": 0,
    }  # fmt: skip
    assert counted() == before
    undone = undo(third)
    assert (undone["labels"], undone["stay"]) == (len(found), {})
    with task_session() as session:
        of_it = select(Response.id).join(Prompt).where(Prompt.project_id == third)
        assert session.scalars(of_it).all() == []


def strengths(project: int) -> list[Any]:
    """What is said strongly, how strongly, of how many levels, and when, in whatever order."""
    return sorted(
        (row["prompt"][-1]["content"], each["outcome"], each["strength"], each["levels"], row["created_at"])
        for row in rows(project, purpose="train")
        for each in row["preferences"]
        if each["strength"]
    )


def test_strengths_come_back_from_label_studio_as_they_were(first: int) -> None:
    """On the project's scale, and, where it asks for none, on those of the files that brought them, two of one item."""
    second = imported(content(first, layout="label-studio"))
    assert strengths(second) == strengths(first)
    assert {each[2:4] for each in strengths(first)} == {(1, 2), (2, 2)}
    brought = [
        {"prompt": "Strong?", "response_1": "x", "response_2": "y", "preference_strength": -3},
        {"prompt": "Mild?", "response_1": "x", "response_2": "y", "preference_strength": 1},
    ]
    judged = {"data": {"prompt": "Strong?", "answer1": "x", "answer2": "y", "strength_of": 4}, "annotations": [
        {"completed_by": 7, "created_at": "2026-01-01T00:00:00+00:00", "result": [
            {"from_name": "c", "to_name": "answer1,answer2", "type": "pairwise", "value": {"selected": "right"}},
            {"from_name": "strength", "to_name": "prompt", "type": "rating", "value": {"rating": 2}}]}]}  # fmt: skip
    with task_session() as session:
        third, fourth = (int(factories.project(session, answer=asking(levels=0)).id) for _ in range(2))
    for given in (brought, [judged]):
        bring(third, "".join(json.dumps(row) + "\n" for row in given).encode())
    bring(fourth, content(third, layout="label-studio"))
    assert strengths(fourth) == strengths(third)
    said = [json.loads(row["metadata"])["strength_of"] for row in rows(third)]
    assert said == [3, 3, 4]


def trained(model: Path, folder: Path, **files: str) -> dict[str, Any]:
    summary = train_reward(
        RewardConfig(
            model=str(model), output=str(folder), max_steps=6, train_batch_size=4, heads=2, dtype="float32",
            device="cpu", max_length=64, eval_steps=3, learning_rate=1e-3, **files,
        )
    )  # fmt: skip
    metrics = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    losses = [(row["step"], row.get("loss"), row.get("eval_loss")) for row in metrics]
    return {"losses": losses, "weights": load_file(folder / "model" / "model.safetensors"), "summary": summary}


def lines(path: Path, given: list[dict[str, Any]]) -> str:
    path.write_text("".join(json.dumps(row) + "\n" for row in given))
    return str(path)


def test_training_on_the_export_equals_training_on_the_snapshot(database: str, tmp_path: Path) -> None:
    """To the bit: as one file of everything, and as TRL's pairs, a file a split."""
    with task_session() as session:
        project = factories.project(session)
        one, two = factories.user(session, is_admin=True), factories.user(session)
        every, first = All(session, project, one, two), int(project.id)
        for n in range(200):
            item = every.item([f"Good {n}.", f"Poor {n}."], split=Split.HOLDOUT if n % 4 else Split.TRAIN)
            give(session, item, one, ComparisonValue(choice=A, strength=1))
            give(session, item, two, ComparisonValue(choice=B if n % 3 else A, strength=1))
    with task_session() as session:
        train, held_out = snapshots.training_rows(session, snapshots.take(session, session.get_one(Project, first)))
    parts = holdout.parts(held_out, report="eval_data", choose="choose_data")
    ours = {name: lines(tmp_path / f"{name}.jsonl", given) for name, given in {"data": train, **parts}.items()}
    (tmp_path / "everything.jsonl").write_bytes(content(first))
    pairs = {"layout": "trl-conversational", "rows": "pairs", "ties": True}
    for split in Split:
        (tmp_path / f"{split}.jsonl").write_bytes(content(first, **pairs, split=split))
    exports = {
        "everything": {"data": str(tmp_path / "everything.jsonl")},
        "pairs": {"data": str(tmp_path / "train.jsonl"), "eval_data": str(tmp_path / "holdout.jsonl")},
    }
    prepare("tiny:3", tmp_path / "tiny")
    expected = trained(tmp_path / "tiny", tmp_path / "snapshot", **ours)
    assert len(expected["losses"]) >= 6
    assert expected["summary"]["choosing_pairs"] > 30
    for name, files in exports.items():
        found = trained(tmp_path / "tiny", tmp_path / name, **files)
        assert found["losses"] == expected["losses"]
        assert found["weights"].keys() == expected["weights"].keys()
        assert all(torch.equal(found["weights"][key], value) for key, value in expected["weights"].items())
