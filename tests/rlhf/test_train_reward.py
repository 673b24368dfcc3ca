import itertools
import json
import math
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification

from rlhf.chat_format import load_tokenizer
from rlhf.checkpoints import latest_checkpoint, output_lock
from rlhf.config import InputError, Interrupted, RunFailed
from rlhf.data import load_pairs
from rlhf.processes import Processes
from rlhf.reward_config import RewardConfig
from rlhf.reward_data import HoldoutPairs, encode_pairs
from rlhf.reward_files import load_reward_model, new_reward_model
from rlhf.reward_trainer import RewardTrainer, bootstrap_weights
from rlhf.train_reward import main, prepare, train_reward
from tests.children import ended
from tests.rlhf.preference_files import pair_rows, read_rows, write_rows

COMMAND = [sys.executable, "-m", "rlhf.train_reward"]


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_rows(tmp_path_factory.mktemp("data") / "pairs.jsonl", pair_rows(60))


@pytest.fixture
def config(llama_folder: Path, pairs: Path, tmp_path: Path) -> dict[str, Any]:
    return {
        "model": str(llama_folder),
        "data": str(pairs),
        "output": str(tmp_path / "run"),
        "learning_rate": 3e-3,
        "train_batch_size": 8,
        "num_train_epochs": 2,
        "heads": 1,
        "dtype": "float32",
        "device": "cpu",
    }


def flags(config: dict[str, Any]) -> list[str]:
    return [part for name, value in config.items() for part in (f"--{name}", str(value))]


def later_metrics(output: Path, after: int = 0) -> list[dict[str, Any]]:
    rows = read_rows(output / "metrics.jsonl")
    return [{k: v for k, v in row.items() if k != "seconds"} for row in rows if row["step"] > after]


def make_trainer(config: dict[str, Any], **changes: Any) -> RewardTrainer:
    settings = RewardConfig(**{**config, **changes})
    tokenizer = load_tokenizer(settings.model)
    data = encode_pairs(tokenizer, load_pairs(settings.data)[0], 256, 0.0)
    model = new_reward_model(settings.model, tokenizer, heads=settings.heads, seed=settings.seed)
    if settings.share_prompts:
        assert model.find_layout(256) == "packed"
    return RewardTrainer(settings, model, data, None, Processes("cpu"))


# ---- learning ----------------------------------------------------------------------------------------------------


def test_it_learns_the_rule_and_says_so(config: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    main(flags({**config, "num_train_epochs": 6, "holdout": 0.25}))
    summary = json.loads(capsys.readouterr().out.splitlines()[-1])
    output = Path(config["output"])
    assert summary == json.loads((output / "summary.json").read_text())
    assert summary["eval_accuracy"] == 1.0
    assert summary["eval_loss"] < 0.4
    assert 0 <= summary["eval_accuracy_low"] < summary["eval_accuracy"] <= summary["eval_accuracy_high"] <= 1
    assert (summary["pairs"], summary["eval_pairs"], summary["steps"]) == (45, 15, 36)
    assert summary["pairs_per_second"] > 0
    rows = read_rows(output / "metrics.jsonl")
    assert [row["step"] for row in rows] == list(range(1, 37))
    assert {"loss", "accuracy", "margin", "grad_norm", "lr", "seconds", "total_steps"} <= rows[0].keys()
    assert rows[0]["lr"] == 3e-3
    assert rows[0]["loss"] > rows[-1]["loss"]
    assert {"eval_loss", "eval_accuracy"} <= rows[-1].keys()

    plain = AutoModelForSequenceClassification.from_pretrained(summary["model"])
    assert plain.config.mean == pytest.approx(summary["score_mean"])
    assert plain.config.std == pytest.approx(summary["score_std"])
    card = (output / "model" / "README.md").read_text()
    assert Path(config["data"]).name in card
    assert "Accuracy by length difference" in card
    assert sorted(path.name for path in output.iterdir() if path.name != ".lock") == [
        "metrics.jsonl",
        "model",
        "summary.json",
    ]


def test_lora_gives_an_adapter_and_a_merged_model_with_the_same_scores(
    config: dict[str, Any], llama_folder: Path
) -> None:
    from peft import PeftModel

    summary = train_reward(RewardConfig(**{**config, "use_peft": True, "heads": 2, "num_train_epochs": 3}))
    output = Path(config["output"])
    merged = AutoModelForSequenceClassification.from_pretrained(output / "model")
    base = AutoModelForSequenceClassification.from_pretrained(llama_folder, num_labels=1)
    adapted = PeftModel.from_pretrained(base, output / "adapter").eval()
    ids = torch.randint(5, 700, (3, 20), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected = adapted(input_ids=ids).logits[:, 0]
        assert torch.allclose(merged.eval()(input_ids=ids).logits[:, 0], expected, atol=1e-5)
    assert load_reward_model(output / "model").heads == 2
    untouched = AutoModelForCausalLM.from_pretrained(llama_folder).state_dict()
    for name in ("model.embed_tokens.weight", "model.norm.weight"):
        assert torch.equal(merged.state_dict()[name], untouched[name])
    assert summary["eval_accuracy"] > 0.5


def test_a_reward_model_can_be_trained_further(config: dict[str, Any], tmp_path: Path) -> None:
    first = train_reward(RewardConfig(**{**config, "num_train_epochs": 4, "heads": 2}))
    again = {
        **config,
        "model": first["model"],
        "output": str(tmp_path / "second"),
        "max_steps": 1,
        "heads": 2,
        "seed": 5,
    }
    train_reward(RewardConfig(**again))
    assert read_rows(tmp_path / "second" / "metrics.jsonl")[0]["accuracy"] > 0.85
    with pytest.raises(InputError, match="a reward model of 2 heads"):
        train_reward(RewardConfig(**{**again, "output": str(tmp_path / "third"), "heads": 3}))


def test_training_stops_when_the_holdout_gains_no_more_and_takes_the_best(config: dict[str, Any]) -> None:
    rows = pair_rows(60)
    opposite = [{**row, "preference": 1 - row.get("preference", 1.0)} for row in pair_rows(100, seed=1)]
    holdout = write_rows(Path(config["output"]).with_suffix(".jsonl"), opposite)
    assert len(rows) == 60
    settings = {**config, "eval_data": str(holdout), "eval_steps": 2, "num_train_epochs": 10}
    summary = train_reward(RewardConfig(**{**settings, "early_stopping_patience": 2}))
    evaluated = [row for row in read_rows(Path(config["output"]) / "metrics.jsonl") if "eval_loss" in row]
    best = min(evaluated, key=lambda row: row["eval_loss"])
    assert summary["steps"] == evaluated[-1]["step"] < 70
    assert summary["best_step"] == best["step"] == evaluated[-3]["step"]
    assert best["eval_pairs"] == summary["choosing_pairs"]
    assert summary["eval_loss"] != best["eval_loss"]  # that chose; the figures are of pairs that did not
    assert summary["choosing_pairs"] + summary["eval_pairs"] == 100


def test_pairs_that_choose_do_not_report(config: dict[str, Any], tmp_path: Path) -> None:
    def holdout(**changes: Any) -> HoldoutPairs:
        found: RewardTrainer = prepare(RewardConfig(**{**config, **changes}), Processes("cpu"))[0]
        assert found.holdout is not None
        return found.holdout

    files = {}
    for name, seed in (("eval_data", 1), ("choose_data", 2)):
        rows = [{**row, "prompt": f"{name} {i // 2}"} for i, row in enumerate(pair_rows(66, seed=seed))]
        files[name] = str(write_rows(tmp_path / f"{name}.jsonl", rows))
    whole = write_rows(tmp_path / "both.jsonl", [row for file in files.values() for row in read_rows(Path(file))])
    for found in (holdout(**files), holdout(eval_data=str(whole))):
        assert found.choosing is not None
        assert len(found.choosing) == len(found.reporting) == 66
        asked = [{tuple(group.prefix) for group in part.groups} for part in (found.choosing, found.reporting)]
        assert not asked[0] & asked[1]
    assert holdout(eval_data=files["eval_data"]).choosing is not None  # 33 prompts: 32 and 34 pairs
    overlap = holdout(eval_data=str(whole), choose_data=files["choose_data"])
    assert overlap.choosing is not None
    assert (len(overlap.choosing), len(overlap.reporting)) == (132, 66)  # what chooses is nowhere else


def test_a_small_holdout_chooses_nothing(config: dict[str, Any], tmp_path: Path) -> None:
    few = write_rows(tmp_path / "few.jsonl", pair_rows(40, seed=1))
    summary = train_reward(RewardConfig(**config, eval_data=str(few), eval_steps=2, early_stopping_patience=1))
    assert (summary["choosing_pairs"], summary["eval_pairs"], summary["best_step"]) == (0, 40, None)
    assert summary["steps"] == 16  # it is not stopped early either
    assert later_metrics(Path(config["output"]))[-1]["eval_loss"] == pytest.approx(summary["eval_loss"], rel=1e-5)


def test_choosing_pairs_need_others_to_report_on(config: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(InputError, match="set eval_data too"):
        main(flags({**config, "choose_data": config["data"]}))


# ---- the mathematics of a step -----------------------------------------------------------------------------------


@pytest.mark.parametrize("changes", [{"token_budget": 60}, {"share_prompts": False}, {"gradient_checkpointing": True}])
def test_how_a_step_is_cut_up_changes_nothing(config: dict[str, Any], changes: dict[str, Any]) -> None:
    whole, parts = make_trainer(config, token_budget=100_000, heads=2), make_trainer(config, heads=2, **changes)
    if changes.get("gradient_checkpointing"):
        parts.model.hf.activation_checkpointing_enable({"use_reentrant": False})
        parts.model.train()
    for step in (1, 2, 3):
        one, other = whole.step(step), parts.step(step)
        assert other == pytest.approx(one, rel=1e-4)


def test_weights_count_as_repeated_pairs(config: dict[str, Any], tmp_path: Path) -> None:
    rows = pair_rows(6)
    weighted = write_rows(tmp_path / "w.jsonl", [{**row, "weight": 1 + index % 3} for index, row in enumerate(rows)])
    repeated = write_rows(tmp_path / "r.jsonl", [row for index, row in enumerate(rows) for _ in range(1 + index % 3)])
    losses = [make_trainer(config, data=str(path), train_batch_size=12).step(1) for path in (weighted, repeated)]
    assert losses[0]["loss"] == pytest.approx(losses[1]["loss"], rel=1e-5)
    assert losses[0]["grad_norm"] == pytest.approx(losses[1]["grad_norm"], rel=1e-4)


def test_the_first_loss_is_the_mean_over_the_pairs(config: dict[str, Any]) -> None:
    trainer = make_trainer(config, center_rewards_coefficient=0.0)
    picked = trainer.work(1)
    scores = torch.stack([part[:, 0] for part in trainer.model.score([trainer.train.groups[i] for i in picked])])
    p, d = trainer.train.preference[picked], scores[:, 0] - scores[:, 1]
    by_hand = -(p * torch.sigmoid(d).log() + (1 - p) * torch.sigmoid(-d).log()).mean()
    assert trainer.step(1)["loss"] == pytest.approx(float(by_hand), rel=1e-5)


def test_an_epoch_takes_every_pair_once_in_an_order_of_its_own(config: dict[str, Any]) -> None:
    trainer = make_trainer(config, num_train_epochs=2)
    epochs = [[i for step in steps for i in trainer.work(step)] for steps in (range(1, 9), range(9, 17))]
    assert sorted(epochs[0]) == sorted(epochs[1]) == list(range(60))
    assert epochs[0] != epochs[1]
    assert trainer.total_steps == 16


def test_the_learning_rate_rises_and_falls_as_half_a_cosine(config: dict[str, Any]) -> None:
    trainer = make_trainer(config, max_steps=10)
    rates = [trainer.learning_rate(step) for step in range(1, 11)]
    assert rates[0] == 3e-3
    assert rates[5] == pytest.approx(1.5e-3)  # half-way: cos(pi / 2) = 0
    assert all(a > b > 0 for a, b in itertools.pairwise(rates))
    warm = make_trainer(config, max_steps=10, warmup_ratio=0.2)
    assert [warm.learning_rate(step) for step in (1, 2, 3)] == pytest.approx([1e-3, 2e-3, 3e-3])


def test_each_head_resamples_the_data(config: dict[str, Any]) -> None:
    weights = bootstrap_weights(4000, 3, seed=0)
    assert float(weights.mean()) == pytest.approx(1.0, abs=0.05)
    assert float((weights[:, 0] == 0).float().mean()) == pytest.approx(math.exp(-1), abs=0.03)
    assert not torch.equal(weights[:, 0], weights[:, 1])
    assert bootstrap_weights(5, 1, seed=0).tolist() == [[1.0]] * 5


# ---- what goes wrong ---------------------------------------------------------------------------------------------


def test_a_loss_that_is_not_finite_is_skipped_and_then_fails(config: dict[str, Any]) -> None:
    trainer = make_trainer(config, max_skipped_steps=3)
    trainer.step(1)
    before = {name: p.detach().clone() for name, p in trainer.model.named_parameters()}
    trainer.train.margin.fill_(math.nan)
    for step in (2, 3):
        metrics = trainer.step(step)
        assert math.isnan(metrics["loss"])
        assert metrics["skipped_steps"] == step - 1
    assert all(torch.equal(p, before[name]) for name, p in trainer.model.named_parameters())
    with pytest.raises(RunFailed, match="3 optimiser steps in a row"):
        trainer.step(4)
    trainer.train.margin.fill_(0.0)
    assert math.isfinite(trainer.step(5)["loss"])
    assert trainer.state["skipped_in_a_row"] == 0


BAD: dict[str, tuple[list[dict[str, Any]], dict[str, Any], str]] = {
    "missing field": ([{"prompt": "a", "chosen": "b"}], {}, "line 1: missing field rejected"),
    "equal responses": ([{"prompt": "a", "chosen": "b", "rejected": "b"}], {}, "line 1: two equal responses"),
    "ties alone": ([row | {"preference": 0.5} for row in pair_rows(12)], {"holdout": 0}, "all 12 pairs .* are ties"),
    "weight 0 alone": ([row | {"weight": 0.0} for row in pair_rows(12)], {"holdout": 0}, "no pair of weight above 0"),
    "unknown columns": ([{"question": "a", "answer": "b"}], {}, "unknown columns"),
    "too long": ([{"prompt": "a", "chosen": "b " * 300, "rejected": "c"}], {"holdout": 0}, "1 of 1 pairs .*lines 1"),
    "no such model": (pair_rows(3), {"model": "/nowhere"}, "/nowhere"),
    "unknown setting": (pair_rows(3), {"learning_rat": 1}, "learning_rat"),
    "bounds": (pair_rows(3), {"train_batch_size": 0}, "train_batch_size"),
    "unknown tracker": (pair_rows(3), {"report_to": "paper"}, "paper"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_refused_with_a_sentence(config: dict[str, Any], case: str, tmp_path: Path) -> None:
    rows, changes, message = BAD[case]
    data = write_rows(tmp_path / "bad.jsonl", rows)
    with pytest.raises(InputError, match=message):
        main(flags({**config, "data": data, **changes}))
    assert not (Path(config["output"]) / "model").exists()


def test_resuming_with_other_settings_or_data_is_refused(config: dict[str, Any], tmp_path: Path) -> None:
    interrupt(config)
    with pytest.raises(InputError, match="--learning_rate changed since"):
        train_reward(RewardConfig(**{**config, "resume": True, "learning_rate": 1e-3}))
    other = write_rows(tmp_path / "other.jsonl", pair_rows(60, seed=3))
    with pytest.raises(InputError, match="the data changed since"):
        train_reward(RewardConfig(**{**config, "resume": True, "data": str(other)}))


def test_a_second_trainer_is_refused(config: dict[str, Any]) -> None:
    with output_lock(Path(config["output"])):
        result = subprocess.run([*COMMAND, *flags(config)], capture_output=True, text=True)
    assert result.returncode == 73
    assert result.stderr.splitlines()[-1].startswith("error: another training is writing to")
    assert "Traceback" not in result.stderr


# ---- killed, stopped, resumed ------------------------------------------------------------------------------------


def wait_for_steps(process: subprocess.Popen[str], output: Path, steps: int) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and process.poll() is None:
        if (output / "metrics.jsonl").exists() and (output / "metrics.jsonl").read_text().count("\n") >= steps:
            return
        time.sleep(0.005)
    raise AssertionError(f"no {steps} steps: {process.poll()} {process.stderr.read() if process.stderr else ''}")


def start(config: dict[str, Any]) -> "subprocess.Popen[str]":
    return ended(
        subprocess.Popen([*COMMAND, *flags(config)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    )


def interrupt(config: dict[str, Any]) -> None:
    """A run in this process that gets SIGTERM after its first step."""
    metrics = Path(config["output"]) / "metrics.jsonl"

    def kill() -> None:
        while not metrics.exists() or not metrics.read_text():
            time.sleep(0.001)
        os.kill(os.getpid(), signal.SIGTERM)

    killer = threading.Thread(target=kill, daemon=True)
    killer.start()
    with pytest.raises(Interrupted, match="start again with --resume"):
        train_reward(RewardConfig(**config))
    killer.join()


@pytest.fixture
def long_config(config: dict[str, Any]) -> dict[str, Any]:
    return {**config, "num_train_epochs": 8, "heads": 2, "save_seconds": 0.05, "eval_steps": 7}


@pytest.fixture
def reference(long_config: dict[str, Any], tmp_path: Path) -> Iterator[Path]:
    """The run that nothing happens to."""
    train_reward(RewardConfig(**{**long_config, "output": str(tmp_path / "reference")}))
    return tmp_path / "reference"


def assert_same_run(output: Path, reference: Path) -> None:
    assert later_metrics(output) == later_metrics(reference)
    ours, theirs = (load_file(path / "model" / "model.safetensors") for path in (output, reference))
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_a_run_killed_at_any_step_goes_on_to_the_bit(long_config: dict[str, Any], reference: Path) -> None:
    output = Path(long_config["output"])
    total = len(later_metrics(reference))
    at = random.Random().randint(2, total - 10)
    process = start({**long_config, "save_seconds": 1e-3})  # after each step, so that the second has one to go on from
    try:
        wait_for_steps(process, output, at)
    finally:
        process.kill()
        process.communicate()
    path = latest_checkpoint(output)
    assert path is not None, f"killed at {at}"
    assert not (output / "model").exists()
    summary = train_reward(RewardConfig(**{**long_config, "resume": True}))
    assert_same_run(output, reference)
    again = train_reward(RewardConfig(**{**long_config, "resume": True}))  # a task that is delivered twice
    assert again == summary


def test_sigterm_writes_a_checkpoint_and_says_so(long_config: dict[str, Any], reference: Path) -> None:
    output = Path(long_config["output"])
    process = start({**long_config, "save_seconds": 1000, "eval_steps": 1000})
    try:
        wait_for_steps(process, output, 3)
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 75, err
    last = read_rows(output / "metrics.jsonl")[-1]["step"]
    assert latest_checkpoint(output) == output / f"checkpoint-{last}"
    assert err.splitlines()[-1] == f"error: stopped after step {last} of 56; start again with --resume"


def test_without_resume_a_run_starts_from_the_beginning(config: dict[str, Any]) -> None:
    interrupt(config)
    assert latest_checkpoint(Path(config["output"])) is not None
    summary = train_reward(RewardConfig(**{**config, "max_steps": 2}))
    assert summary["steps"] == 2
    assert [row["step"] for row in read_rows(Path(config["output"]) / "metrics.jsonl")] == [1, 2]


# ---- several processes -------------------------------------------------------------------------------------------


def test_two_processes_have_the_losses_of_one(config: dict[str, Any], tmp_path: Path) -> None:
    short = {**config, "max_steps": 6, "heads": 2, "train_batch_size": 7}
    train_reward(RewardConfig(**{**short, "output": str(tmp_path / "one")}))
    launch = [sys.executable, "-m", "accelerate.commands.launch", "--cpu", "--num_processes", "2", "-m"]
    result = subprocess.run(
        [*launch, "rlhf.train_reward", *flags(short)],
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert result.returncode == 0, result.stderr
    one, two = later_metrics(tmp_path / "one"), later_metrics(Path(config["output"]))
    assert [row["step"] for row in two] == [1, 2, 3, 4, 5, 6]
    for first, second in zip(one, two, strict=True):
        assert second == pytest.approx(first, abs=1e-4)
    assert json.loads(result.stdout.splitlines()[-1])["steps"] == 6


def test_a_model_sharded_over_processes_trains_stops_resumes_and_saves_the_same(
    config: dict[str, Any], tmp_path: Path
) -> None:
    """FSDP, stopped by a signal to one of its processes, beside one process that nothing happens to."""
    short = {**config, "max_steps": 12, "heads": 2, "train_batch_size": 7, "eval_steps": 3}
    train_reward(RewardConfig(**{**short, "output": str(tmp_path / "one")}))
    (tmp_path / "settings.json").write_text(json.dumps(short))
    launch = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", "2", "-m"]
    result = subprocess.run(
        [*launch, "tests.rlhf.sharded_run", str(tmp_path / "settings.json")],
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1", "ACCELERATE_USE_CPU": "true"},
    )
    assert result.returncode == 0, result.stderr
    assert "start again with --resume" in result.stderr
    one, two = tmp_path / "one", Path(config["output"])
    for first, second in zip(later_metrics(one), later_metrics(two), strict=True):
        assert second == pytest.approx(first, abs=1e-4)
    ours, theirs = (load_file(path / "model" / "model.safetensors") for path in (one, two))
    assert ours.keys() == theirs.keys()
    assert all(torch.allclose(ours[name], theirs[name], atol=1e-4) for name in ours)
