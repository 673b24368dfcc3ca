"""What a training run is given to choose its checkpoint by, and what to report on it."""

import json
from pathlib import Path
from typing import Any

from workers.runs.training import write_holdout


def prompts(path: Path) -> list[int]:
    return [json.loads(line)["id"] for line in path.read_text().splitlines()]


def rows(*chooses: bool) -> list[dict[str, Any]]:
    return [{"id": i, "chooses": each} for i, each in enumerate(chooses)]


def test_what_chooses_and_what_reports_are_files_of_their_own(tmp_path: Path) -> None:
    files = write_holdout(tmp_path, rows(False, True, True, False), "eval_data", "choose_data")
    assert files == {"eval_data": "eval_data.jsonl", "choose_data": "choose_data.jsonl"}
    assert prompts(tmp_path / files["eval_data"]) == [0, 3]
    assert prompts(tmp_path / files["choose_data"]) == [1, 2]


def test_a_holdout_on_one_side_reports_and_none_is_no_file(tmp_path: Path) -> None:
    write_holdout(tmp_path, rows(False, True), "eval_data", "choose_data")
    for chooses in (True, False):
        files = write_holdout(tmp_path, rows(chooses, chooses), "eval_data", "choose_data")
        assert files == {"eval_data": "eval_data.jsonl"}
        assert prompts(tmp_path / "eval_data.jsonl") == [0, 1]
        assert not (tmp_path / "choose_data.jsonl").exists()  # what an earlier attempt may have left
    assert write_holdout(tmp_path, [], "eval_data", "choose_data") == {}
    assert list(tmp_path.iterdir()) == []
