"""What one project exports as everything, another imports: equal records, an equal TRL export, equal training."""

import json
from io import BytesIO
from pathlib import Path
from threading import Event
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from sqlalchemy import select

import formats
from app.annotation.comparison import ComparisonValue
from app.db import patient_session, task_session
from app.exports.export import Export
from app.imports import service as imports
from app.models import ImportConfig, Project, Run, RunState, Split, User
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


def imported(file: bytes) -> int:
    """A new project with the labels of an export."""
    with task_session() as session:
        made = factories.project(session, answer=asking(levels=2, questions=["Kinder?"], reasons=["Short"]))
        kept = imports.keep(session, made, BytesIO(file))
        user = session.scalars(select(User).order_by(User.id)).first()
        assert user is not None
        config = ImportConfig(file=kept, name="labels", what="labels")
        project, run_id = int(made.id), imports.start(session, made, user, config).id
    execute(run_id, "here:1", "CPU", Event())
    with task_session() as session:
        run = session.get_one(Run, run_id)
        assert (run.state, run.error) == (RunState.SUCCEEDED, None)
    return project


PREFERENCE = ("prompt", "chosen", "rejected", "preference", "margin", "split", "question", "purpose")


def records(project: int) -> list[Any]:
    """What is said of which responses, with the numbers that each project gives its people replaced by theirs in order
    of appearance."""
    known: dict[str | None, int] = {}
    found = []
    for record in formats.read(content(project), as_="labels"):
        assert isinstance(record, formats.ComparisonRecord)
        said = [
            (
                j.outcome, j.ranks, j.question, j.strength, j.strength_of, j.probability, j.rationale,
                known.setdefault(j.annotator, len(known)),
            )
            for j in record.judgements
        ]  # fmt: skip
        # A person is exported by number; whoever an import does not name is called "import" there.
        found.append((record.messages, [(each.text, each.author or "import") for each in record.responses], said))
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
    assert len(records(second)) == 9
    third = imported(content(second))  # what came by import goes out and comes in again
    assert records(third) == records(second)


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
