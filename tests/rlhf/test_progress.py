import json
import math
from pathlib import Path

import pytest

from rlhf.progress import RunLog
from tests.rlhf.preference_files import read_rows


def test_a_line_for_each_step(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with RunLog(tmp_path, total_steps=2, unit="step") as log:
        log.log(1, {"loss": 0.5})
        log.log(2, {"loss": math.nan, "eval_loss": 0.25})
        log.finish({"steps": 2, "eval_loss": 0.25})
    first, second = read_rows(tmp_path / "metrics.jsonl")
    assert first.keys() == {"step", "total_steps", "seconds", "loss"}
    assert (first["step"], first["total_steps"], first["loss"]) == (1, 2, 0.5)
    assert second["loss"] is None  # JSON has no NaN
    assert json.loads((tmp_path / "summary.json").read_text()) == {"steps": 2, "eval_loss": 0.25}
    assert json.loads(capsys.readouterr().out.splitlines()[-1]) == {"steps": 2, "eval_loss": 0.25}


def test_a_resumed_run_drops_what_it_will_do_again(tmp_path: Path) -> None:
    with RunLog(tmp_path, 5, "step") as log:
        for step in (1, 2, 3):
            log.log(step, {"loss": float(step)})
            log.samples(step, [{"response": f"line\u2028separator {step}"}])
    with open(tmp_path / "metrics.jsonl", "a") as handle:
        handle.write('{"step": 4, "lo')  # killed while writing
    with RunLog(tmp_path, 5, "step", resume_step=2) as log:
        log.log(3, {"loss": 30.0})
    rows = read_rows(tmp_path / "metrics.jsonl")
    assert [(row["step"], row["loss"]) for row in rows] == [(1, 1.0), (2, 2.0), (3, 30.0)]
    assert rows[2]["seconds"] >= rows[1]["seconds"]  # the clock goes on
    assert [row["response"][-1] for row in read_rows(tmp_path / "samples.jsonl")] == ["1", "2"]


def test_a_new_run_starts_with_empty_files(tmp_path: Path) -> None:
    with RunLog(tmp_path, 1, "step") as log:
        log.log(1, {"loss": 1.0})
    with RunLog(tmp_path, 1, "step"):
        pass
    assert read_rows(tmp_path / "metrics.jsonl") == []


def test_other_processes_write_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with RunLog(tmp_path, 1, "step", active=False) as log:
        log.log(1, {"loss": 1.0})
        log.samples(1, [{"response": "a"}])
        log.finish({"steps": 1})
    assert list(tmp_path.iterdir()) == []
    assert capsys.readouterr().out == ""


def test_the_bar_shows_progress_and_its_rate(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with RunLog(tmp_path, 4, "update") as log:
        for step in (1, 2, 3, 4):
            log.log(step, {"loss": 0.125})
    shown = capsys.readouterr().err
    assert "4/4" in shown
    assert "update/s" in shown
    assert "loss=0.125" in shown
