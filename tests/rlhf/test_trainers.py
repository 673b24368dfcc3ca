"""A training from outside of the tree: the example of docs/trainers.md, run as a person would run it."""

import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from rlhf import extensions, trainers
from rlhf.checkpoints import latest_checkpoint
from rlhf.config import InputError
from rlhf.policy_settings import PolicyConfig
from rlhf.train import main
from rlhf.training_settings import TrainingSettings
from tests.children import ended
from tests.rlhf.preference_files import pair_rows, read_rows, write_rows

GUIDE = Path(__file__).parents[2] / "docs" / "trainers.md"


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the package that the guide shows, file by file."""
    folder = tmp_path_factory.mktemp("extension")
    blocks = re.findall(r"^`([\w/]+\.py)`\n\n```python\n(.*?)^```$", GUIDE.read_text(), re.MULTILINE | re.DOTALL)
    assert [name for name, _ in blocks] == ["length_baseline/__init__.py", "length_baseline/trainer.py"]
    for name, text in blocks:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
    return folder


@pytest.fixture
def environment(example: Path) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(example), "HONE_EXTENSIONS": "length_baseline", "OMP_NUM_THREADS": "1"}


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The longer response is better in seven of eight pairs."""
    rows = pair_rows(80)
    for number, row in enumerate(rows):
        short, long = sorted((row["chosen"], row["rejected"]), key=len)
        row |= {"chosen": long + " indeed" * 8, "rejected": short, "preference": float(number % 8 > 0)}
    return write_rows(tmp_path_factory.mktemp("data") / "pairs.jsonl", rows)


def command(pairs: Path, output: Path, *more: str) -> list[str]:
    settings = ["--data", str(pairs), "--output", str(output), "--device", "cpu", *more]
    return [sys.executable, "-m", "rlhf.train", "length_baseline", *settings]


def run(command: list[str], environment: dict[str, str]) -> dict[str, Any]:
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    summary: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return summary


def metrics(output: Path) -> list[dict[str, Any]]:
    rows = read_rows(output / "metrics.jsonl")
    return [{name: value for name, value in row.items() if name != "seconds"} for row in rows]


def test_it_learns_and_leaves_its_model(pairs: Path, tmp_path: Path, environment: dict[str, str]) -> None:
    summary = run(command(pairs, tmp_path / "run"), environment)
    rows = metrics(tmp_path / "run")
    assert [row["step"] for row in rows] == list(range(1, summary["steps"] + 1))
    evaluated = {row["step"]: row["eval_loss"] for row in rows if "eval_loss" in row}
    assert summary["best_step"] == min(evaluated, key=lambda step: evaluated[step])
    assert evaluated[summary["best_step"]] < rows[0]["loss"] == pytest.approx(0.693147, abs=1e-6)
    weight = load_file(tmp_path / "run" / "model" / "model.safetensors")["weight"]
    assert weight.item() == pytest.approx(summary["log_odds_per_hundred_characters"], abs=1e-6)
    assert weight.item() > 0
    left = {path.name for path in (tmp_path / "run").iterdir()}
    assert left == {".lock", "metrics.jsonl", "summary.json", "model"}


def test_killed_and_resumed_equals_never_killed(pairs: Path, tmp_path: Path, environment: dict[str, str]) -> None:
    more = ("--steps", "400", "--save_seconds", "0.01", "--learning_rate", "0.003")
    whole = run(command(pairs, tmp_path / "whole", *more), environment)
    at = random.Random().randint(3, whole["steps"] - 20)
    killed = start(command(pairs, tmp_path / "killed", *more), environment, tmp_path / "killed", at)
    killed.kill()
    killed.communicate()
    assert latest_checkpoint(tmp_path / "killed") is not None, f"killed at {at}"
    resumed = run(command(pairs, tmp_path / "killed", *more, "--resume"), environment)
    assert metrics(tmp_path / "killed") == metrics(tmp_path / "whole")
    first, second = (load_file(tmp_path / name / "model" / "model.safetensors") for name in ("whole", "killed"))
    assert torch.equal(first["weight"], second["weight"])
    assert {**resumed, "seconds": 0} == {**whole, "seconds": 0}


def test_a_signal_leaves_a_checkpoint_of_the_last_step(
    pairs: Path, tmp_path: Path, environment: dict[str, str]
) -> None:
    more = ("--steps", "100000", "--save_seconds", "1000", "--learning_rate", "1e-6")
    process = start(command(pairs, tmp_path / "run", *more), environment, tmp_path / "run", 3)
    process.send_signal(signal.SIGTERM)
    err = process.communicate(timeout=60)[1]
    assert process.returncode == 75, err
    last = metrics(tmp_path / "run")[-1]["step"]
    assert latest_checkpoint(tmp_path / "run") == tmp_path / "run" / f"checkpoint-{last}"


def start(command: list[str], environment: dict[str, str], output: Path, rows: int) -> "subprocess.Popen[str]":
    process = ended(
        subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    )
    path, deadline = output / "metrics.jsonl", time.monotonic() + 120
    while not path.exists() or path.read_text().count("\n") < rows:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.001)
    return process


def test_its_settings_are_a_schema_and_a_help(tmp_path: Path, environment: dict[str, str]) -> None:
    write = [sys.executable, "-m", "rlhf.schema", "--output", str(tmp_path), "--names", "length_baseline"]
    assert subprocess.run(write, env=environment).returncode == 0
    found = json.loads((tmp_path / "length_baseline.json").read_text())
    assert found["properties"]["batch_size"]["x-unit"] == "pairs"
    assert found["required"] == ["data", "output"]
    assert {path.name for path in tmp_path.iterdir()} == {"length_baseline.json"}
    assert subprocess.run([*write, "--check"], env=environment).returncode == 0
    listed = subprocess.run([sys.executable, "-m", "rlhf.train", "--help"], env=environment, capture_output=True)
    assert b"length_baseline Learn how much people prefer longer responses." in listed.stdout
    explained = subprocess.run([*command(tmp_path, tmp_path), "--help"], env=environment, capture_output=True)
    assert b"Pairs in one update. (pairs; default: 16)" in b" ".join(explained.stdout.split())


def test_bad_input_ends_with_a_sentence(pairs: Path, tmp_path: Path, environment: dict[str, str]) -> None:
    one = write_rows(tmp_path / "one.jsonl", pair_rows(1))
    for wrong, sentence in {
        (*command(one, tmp_path / "run"),): "two prompts are needed, one of them to measure by",
        (*command(pairs, tmp_path / "run", "--step", "3"),): "unknown setting '--step'; did you mean --steps",
        (sys.executable, "-m", "rlhf.train", "length_basline"): "did you mean length_baseline?",
        (sys.executable, "-m", "rlhf.train"): "say what to train: dpo, grpo, length_baseline, ppo, reward, rloo, sft",
    }.items():
        done = subprocess.run(wrong, env=environment, capture_output=True, text=True)
        assert done.returncode == 2
        assert sentence in done.stderr.splitlines()[-1]


def test_an_extension_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HONE_EXTENSIONS", "json, hone_nowhere")
    with pytest.raises(InputError, match=r"the extension hone_nowhere cannot be imported .*out of HONE_EXTENSIONS"):
        main(["reward"])
    monkeypatch.setenv("HONE_EXTENSIONS", " ")
    extensions.load()


def test_a_name_is_given_once() -> None:
    with pytest.raises(ValueError, match="a training called ppo already"):
        trainers.register("ppo", TrainingSettings, lambda config, processes: pytest.fail("not to be called"))
    assert trainers.find("ppo").settings is PolicyConfig
    with pytest.raises(InputError, match="did you mean reward"):
        trainers.find("rewards")


@pytest.mark.parametrize(
    "fault", ["1 / 0", "raise RuntimeError('no licence')", "def broken(:", "from json import nothing"]
)
def test_an_extension_that_breaks_as_it_is_imported_is_named(
    fault: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "hone_broken.py").write_text(fault + "\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("HONE_EXTENSIONS", "hone_broken")
    with pytest.raises(InputError, match=r"the extension hone_broken cannot be imported \(\w+Error: "):
        extensions.load()
