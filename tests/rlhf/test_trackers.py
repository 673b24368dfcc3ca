"""Trackers get numbers, settings and an identity; none of them reaches any server here."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from rlhf.config import InputError
from rlhf.progress import RunLog
from rlhf.sft_settings import SFTConfig
from rlhf.trackers import ID_FILE
from rlhf.train_sft import train_sft
from tests.rlhf.preference_files import write_rows

SETTINGS: dict[str, Any] = {"learning_rate": 0.25, "use_peft": True, "loss": "ipo", "eval_steps": None}


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")


def new(folder: Path, name: str, **changes: Any) -> RunLog:
    folder.mkdir(parents=True, exist_ok=True)
    return RunLog(folder, 3, "step", report_to=name, settings=SETTINGS, **changes)


def run_of(log: RunLog) -> Any:
    """The tracker's own run."""
    return log._trackers[0].tracker


def test_a_run_is_known_by_an_id_of_its_own(tmp_path: Path) -> None:
    with new(tmp_path / "a" / "reward", "wandb") as log:
        first, told = run_of(log).id, dict(run_of(log).config)
        log.log(1, {"loss": 1.0})
    assert told.items() >= SETTINGS.items()
    assert len(list((tmp_path / "a" / "reward" / "wandb").glob(f"offline-run-*/run-{first}.wandb"))) == 1
    with new(tmp_path / "b" / "reward", "wandb") as log:
        assert run_of(log).id != first
    with new(tmp_path / "a" / "reward", "wandb", resume_step=1) as log:
        assert run_of(log).id == first


def test_an_id_is_kept_by_a_resumed_run_and_new_for_a_new_one(tmp_path: Path) -> None:
    with new(tmp_path, "tensorboard"):
        first = (tmp_path / ID_FILE).read_text()
    with new(tmp_path, "tensorboard", resume_step=1):
        assert (tmp_path / ID_FILE).read_text() == first
    with new(tmp_path, "tensorboard"):
        assert (tmp_path / ID_FILE).read_text() != first


def test_tensorboard_gets_the_numbers_and_the_settings(tmp_path: Path) -> None:
    with new(tmp_path, "tensorboard") as log:
        for step in (1, 2, 3):
            log.log(step, {"loss": float(step)})
    with new(tmp_path, "tensorboard", resume_step=1) as log:
        log.log(2, {"loss": 20.0})
    events = EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    assert [(event.step, event.value) for event in events.Scalars("loss")] == [(1, 1.0), (2, 20.0)]
    [told] = (tmp_path / "tensorboard").glob("*/hparams.yml")
    assert yaml.safe_load(told.read_text()) == SETTINGS


def test_a_training_tells_its_settings_without_paths_and_ends_with_its_summary(
    llama_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = write_rows(tmp_path / "taught.jsonl", [{"prompt": f"say {i}", "completion": "the word"} for i in range(12)])
    config = SFTConfig(
        model=str(llama_folder), data=str(data), output=str(tmp_path / "run"), report_to="tensorboard",
        dtype="float32",
    )  # fmt: skip
    summary = train_sft(config)
    assert json.loads(capsys.readouterr().out) == summary  # and not a word besides
    [told] = (tmp_path / "run" / "tensorboard").glob("*/hparams.yml")
    settings = yaml.safe_load(told.read_text())
    assert settings["learning_rate"] == 2e-5
    assert (settings["model"], settings["data"]) == ("llama", "taught.jsonl")
    assert str(tmp_path) not in told.read_text()


@pytest.mark.parametrize("name", ["wandb", "trackio"])
def test_a_missing_tracker_names_its_package(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, name, None)  # as if it were not installed
    with pytest.raises(InputError, match=f"pip install {name}"):
        RunLog(tmp_path, 1, "step", report_to=f"none,{name}")


def test_an_unknown_tracker_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="choose among none, tensorboard, wandb, trackio"):
        RunLog(tmp_path, 1, "step", report_to="comet")
