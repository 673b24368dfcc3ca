"""What a training is given to choose its checkpoint by, and what to report on it."""

from typing import Any

from app.runs import holdout


def rows(*chooses: bool) -> list[dict[str, Any]]:
    return [{"id": i, "chooses": each} for i, each in enumerate(chooses)]


def parts(*chooses: bool) -> dict[str, list[int]]:
    found = holdout.parts(rows(*chooses), report="eval_data", choose="choose_data")
    return {name: [row["id"] for row in part] for name, part in found.items()}


def test_what_chooses_and_what_reports_are_apart() -> None:
    assert parts(False, True, True, False) == {"eval_data": [0, 3], "choose_data": [1, 2]}


def test_a_holdout_on_one_side_reports_and_none_is_no_file() -> None:
    assert parts(True, True) == parts(False, False) == {"eval_data": [0, 1]}
    assert parts() == {}
