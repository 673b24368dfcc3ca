"""DPO: the losses by hand, a first step beside plain transformers, and whole runs."""

import json
import math
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

from rlhf import train
from rlhf.chat_format import load_tokenizer
from rlhf.checkpoints import latest_checkpoint
from rlhf.config import InputError, run_cli
from rlhf.data import load_pairs
from rlhf.dpo import log_ratios, preference_losses
from rlhf.dpo_settings import DPOConfig
from rlhf.dpo_trainer import DPOTrainer, ReferredPairs, all_log_probs
from rlhf.policy_files import load_language_model
from rlhf.processes import Processes
from rlhf.reward_data import encode_pairs
from rlhf.train_dpo import REFERENCE, train_dpo
from tests.children import ended
from tests.rlhf.policy_runs import start_two
from tests.rlhf.preference_files import pair_rows, read_rows, write_rows


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_rows(tmp_path_factory.mktemp("data") / "pairs.jsonl", pair_rows(60))


@pytest.fixture
def config(llama_folder: Path, data: Path, tmp_path: Path) -> dict[str, Any]:
    return {
        "model": str(llama_folder),
        "data": str(data),
        "output": str(tmp_path / "run"),
        "learning_rate": 3e-4,
        "train_batch_size": 8,
        "dtype": "float32",
        "device": "cpu",
    }


def metrics(output: Path) -> list[dict[str, Any]]:
    rows = read_rows(output / "metrics.jsonl")
    return [{name: value for name, value in row.items() if name != "seconds"} for row in rows]


# ---- the losses --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("loss", "preference", "expected"),
    [
        ("sigmoid", 1.0, math.log(1 + math.exp(-0.2))),
        ("sigmoid", 0.9, 0.9 * math.log(1 + math.exp(-0.2)) + 0.1 * math.log(1 + math.exp(0.2))),
        ("sigmoid", 0.0, math.log(1 + math.exp(0.2))),
        ("ipo", 1.0, (2.0 - 5.0) ** 2),
        ("ipo", 0.5, ((2.0 - 5.0) ** 2 + (2.0 + 5.0) ** 2) / 2),
        ("hinge", 1.0, 0.8),
        ("hinge", 0.25, 0.25 * 0.8 + 0.75 * 1.2),
    ],
)
def test_losses_by_hand(loss: Any, preference: float, expected: float) -> None:
    found = preference_losses(torch.tensor([2.0]), torch.tensor([preference]), beta=0.1, loss=loss)
    assert float(found) == pytest.approx(expected, rel=1e-6)


def test_a_satisfied_hinge_costs_nothing() -> None:
    found = preference_losses(torch.tensor([10.0, 30.0]), torch.ones(2), beta=0.1, loss="hinge")
    assert found.tolist() == [0.0, 0.0]


def test_log_ratios_by_hand() -> None:
    parts = torch.tensor([[-6.0, -4.0]]), torch.tensor([[-8.0, -1.0]]), torch.tensor([[4, 2]])
    assert log_ratios(*parts, length_normalized=False).tolist() == [[2.0, -3.0]]
    assert log_ratios(*parts, length_normalized=True).tolist() == [[0.5, -1.5]]


# ---- a step ------------------------------------------------------------------------------------------------------


def make_trainer(config: dict[str, Any], *, shares: bool = True, **changes: Any) -> DPOTrainer:
    settings = DPOConfig(**{**config, **changes})
    tokenizer, processes = load_tokenizer(settings.model), Processes("cpu")
    pairs = encode_pairs(tokenizer, load_pairs(settings.data)[0], 256, 0.0).by_prompt()
    model = load_language_model(settings, tokenizer, torch.float32, head_chunk=settings.head_chunk)
    model.find_sharing()
    assert model.packs
    assert model.shares
    model.shares = shares
    reference = all_log_probs(model, model, pairs, processes, 4096)
    return DPOTrainer(settings, model, ReferredPairs(pairs, reference), None, None, processes)


def plain_sums(model: Any, trainer: DPOTrainer, rows: list[int]) -> torch.Tensor:
    """Log-probabilities of whole responses by transformers, one sequence after the other, (rows, 2)."""
    found = []
    for group in (trainer.train.pairs.groups[i] for i in rows):
        for branch in group.branches:
            ids = torch.tensor([[*group.prefix, *branch]])
            log_probs = model(input_ids=ids).logits[0, :-1].log_softmax(dim=-1).gather(1, ids[0, 1:, None])
            found.append(log_probs[len(group.prefix) - 1 :].sum())
    return torch.stack(found).view(-1, 2)


@pytest.mark.parametrize("changes", [{}, {"loss": "ipo", "length_normalized": True}, {"loss": "hinge", "beta": 0.5}])
def test_a_step_is_that_of_plain_transformers(config: dict[str, Any], changes: dict[str, Any]) -> None:
    """Loss and gradient after the model has moved, by the formulas of TRL's DPOTrainer written out."""
    trainer = make_trainer(config, max_grad_norm=1000.0, **changes)
    trainer.step(1)
    plain = AutoModelForCausalLM.from_pretrained(config["model"], dtype=torch.float32)
    unit = trainer.work(2)
    tokens, p = trainer.train.pairs.response_tokens[unit], trainer.train.pairs.preference[unit]
    reference = plain_sums(plain, trainer, unit).detach()
    torch.testing.assert_close(trainer.train.reference[unit], reference, rtol=1e-4, atol=1e-4)
    plain.load_state_dict({k.removeprefix("policy."): v for k, v in trainer.model.state_dict().items()})
    ratios = plain_sums(plain, trainer, unit) - reference
    beta = trainer.config.beta
    if changes.get("length_normalized"):
        ratios = ratios / tokens
    h = ratios[:, 0] - ratios[:, 1]
    if changes.get("loss") == "ipo":
        losses = p * (h - 1 / (2 * beta)) ** 2 + (1 - p) * (-h - 1 / (2 * beta)) ** 2
    elif changes.get("loss") == "hinge":
        losses = p * (1 - beta * h).clamp(min=0) + (1 - p) * (1 + beta * h).clamp(min=0)
    else:
        losses = -p * torch.sigmoid(beta * h).log() - (1 - p) * torch.sigmoid(-beta * h).log()
    losses.mean().backward()
    found = trainer.learn(2, unit)
    assert found["loss"] == pytest.approx(float(losses.mean().detach()), rel=1e-4)
    assert found["rewards/chosen"] == pytest.approx(float(beta * ratios[:, 0].mean().detach()), abs=1e-4)
    ours = dict(trainer.model.causal.named_parameters())
    for name, parameter in plain.named_parameters():
        torch.testing.assert_close(ours[name].grad, parameter.grad, rtol=1e-3, atol=1e-4)


def test_the_first_loss_is_that_of_knowing_nothing(config: dict[str, Any]) -> None:
    found = make_trainer(config).step(1)
    assert found["loss"] == pytest.approx(math.log(2), abs=1e-5)
    assert found["rewards/margins"] == pytest.approx(0.0, abs=1e-4)


@pytest.mark.parametrize("changes", [{"token_budget": 60}, {"shares": False}, {"gradient_checkpointing": True}])
def test_how_a_step_is_cut_up_changes_nothing(config: dict[str, Any], changes: dict[str, Any]) -> None:
    whole, parts = make_trainer(config, token_budget=100_000), make_trainer(config, **changes)
    for step in (1, 2, 3):
        assert parts.step(step) == pytest.approx(whole.step(step), rel=1e-3, abs=1e-4)


# ---- whole runs --------------------------------------------------------------------------------------------------


def test_it_learns_and_keeps_no_reference_behind(config: dict[str, Any], tmp_path: Path, llama_folder: Path) -> None:
    holdout = write_rows(tmp_path / "holdout.jsonl", pair_rows(90, seed=1))
    summary = train_dpo(DPOConfig(**config, eval_data=str(holdout), num_train_epochs=4))
    output = Path(config["output"])
    rows = metrics(output)
    assert rows[-1]["loss"] < 0.8 * rows[0]["loss"]
    assert summary["eval_accuracy"] > 0.9  # of pairs that neither taught nor chose
    assert summary["eval_loss"] < 0.6
    evaluated = {row["step"]: row["eval_loss"] for row in rows if "eval_loss" in row}
    assert summary["best_step"] == min(evaluated, key=lambda step: evaluated[step])
    trained = AutoModelForCausalLM.from_pretrained(output / "model")
    base = AutoModelForCausalLM.from_pretrained(llama_folder)
    assert (trained.lm_head.weight - base.lm_head.weight).abs().max() > 1e-4
    assert "DPO (sigmoid, beta 0.1)" in (output / "model" / "README.md").read_text()
    left = {path.name for path in output.iterdir()}
    assert left == {".lock", "metrics.jsonl", "summary.json", "model"}


def test_lora_starts_at_its_reference_and_saves_an_adapter(config: dict[str, Any]) -> None:
    from peft import PeftModel

    train_dpo(DPOConfig(**{**config, "use_peft": True, "learning_rate": 1e-2}))
    output = Path(config["output"])
    assert metrics(output)[0]["loss"] == pytest.approx(math.log(2), abs=1e-5)
    merged = AutoModelForCausalLM.from_pretrained(output / "model").eval()
    adapted = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(config["model"]), output / "adapter")
    ids = torch.tensor([[5, 6, 7, 20, 21]])
    torch.testing.assert_close(merged(ids).logits, adapted(ids).logits, rtol=1e-4, atol=1e-4)


def command(config: dict[str, Any], *more: str) -> list[str]:
    settings = [f"--{name}={value}" for name, value in config.items()]
    return [sys.executable, "-m", "rlhf.train", "dpo", *settings, *more]


def test_killed_and_resumed_equals_never_killed(
    config: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config |= {"num_train_epochs": 12, "eval_steps": 5}
    whole = train_dpo(DPOConfig(**{**config, "output": str(tmp_path / "whole")}))
    output, at = Path(config["output"]), random.Random().randint(2, whole["steps"] - 20)
    process = ended(subprocess.Popen(command(config, "--save_seconds=0.001"), stderr=subprocess.PIPE, text=True))
    path, deadline = output / "metrics.jsonl", time.monotonic() + 120
    while not path.exists() or path.read_text().count("\n") < at:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.005)
    process.kill()
    process.communicate()
    assert latest_checkpoint(output) is not None, f"killed at {at}"
    assert (output / REFERENCE).exists()
    capsys.readouterr()
    resumed = train_dpo(DPOConfig(**config, resume=True))
    assert "the reference reads" not in capsys.readouterr().err  # it was kept
    assert metrics(output) == metrics(tmp_path / "whole")
    ours, theirs = (load_file(path / "model" / "model.safetensors") for path in (output, tmp_path / "whole"))
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
    same = dict.fromkeys(("seconds", "pairs_per_second", "model"))
    assert resumed | same == whole | same


def test_a_signal_leaves_a_checkpoint_and_other_data_are_refused(config: dict[str, Any], tmp_path: Path) -> None:
    output = Path(config["output"])
    process = ended(subprocess.Popen(command(config, "--max_steps=100000"), stderr=subprocess.PIPE, text=True))
    while not (output / "metrics.jsonl").exists():
        assert process.poll() is None, process.communicate()
        time.sleep(0.005)
    process.send_signal(signal.SIGTERM)
    err = process.communicate(timeout=60)[1]
    assert process.returncode == 75, err
    assert latest_checkpoint(output) == output / f"checkpoint-{metrics(output)[-1]['step']}"
    other = str(write_rows(tmp_path / "other.jsonl", pair_rows(60, seed=3)))
    with pytest.raises(InputError, match="the data changed since"):
        train_dpo(DPOConfig(**{**config, "data": other, "max_steps": 100_000}, resume=True))


def test_two_processes_have_the_losses_of_one(config: dict[str, Any], tmp_path: Path) -> None:
    config |= {"max_steps": 6, "train_batch_size": 7}
    train_dpo(DPOConfig(**{**config, "output": str(tmp_path / "one")}))
    launch = [sys.executable, "-m", "accelerate.commands.launch", "--cpu", "--num_processes", "2", "-m"]
    done = subprocess.run(
        [*launch, *command(config)[2:]], capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"}
    )
    assert done.returncode == 0, done.stderr
    for one, two in zip(metrics(tmp_path / "one"), metrics(Path(config["output"])), strict=True):
        assert two == pytest.approx(one, abs=1e-4)
    assert json.loads(done.stdout.splitlines()[-1])["steps"] == 6


def test_ties_alone_are_refused(config: dict[str, Any], tmp_path: Path) -> None:
    data = write_rows(tmp_path / "ties.jsonl", [row | {"preference": 0.5} for row in pair_rows(12)])
    with pytest.raises(InputError, match="pairs to train on are ties, which do not say what is better"):
        train_dpo(DPOConfig(**{**config, "data": str(data)}))
    assert not (Path(config["output"]) / "model").exists()


def run_command(arguments: list[str]) -> None:
    sys.argv = ["train", "dpo", *arguments]
    run_cli(train.main)


def test_where_one_of_two_processes_is_killed_the_other_says_so(
    config: dict[str, Any], capfd: pytest.CaptureFixture[str]
) -> None:
    output = Path(config["output"])
    arguments = [*(f"--{name}={value}" for name, value in config.items()), "--num_train_epochs=50", "--save_seconds=1"]
    one, other = start_two(arguments, run_command)
    deadline = time.monotonic() + 120
    while latest_checkpoint(output) is None and time.monotonic() < deadline:
        time.sleep(0.05)
    os.kill(other.pid, signal.SIGKILL)
    one.join(60)
    assert one.exitcode == 1
    said = capfd.readouterr().err
    assert "error: another process of this training has ended, without which this one cannot go on" in said
    assert "Traceback" not in said
    assert latest_checkpoint(output) is not None
    assert not (output / "model").exists()
