"""PPO from the command line to the finished folder: it learns, resumes to the bit, stops, refuses, and spreads."""

import copy
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification, PreTrainedTokenizerBase

import rlhf
from rlhf.config import InputError, parse_config, run_cli
from rlhf.policy_settings import PolicyConfig
from rlhf.train_policy import main, train_policy
from tests.rlhf import sharded_policy_run
from tests.rlhf.policy_runs import (
    SMALL,
    command,
    in_child,
    make_folders,
    metrics,
    run_in_two,
    smooth,
    start_two,
    wait_for_lines,
)

PRESETS = sorted(Path(rlhf.__file__).with_name("presets").glob("*.yaml"))


@pytest.fixture(scope="module")
def folders(
    llama_folder: Path, tokenizer: PreTrainedTokenizerBase, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, str]:
    return make_folders(tmp_path_factory.mktemp("policy"), llama_folder, tokenizer)


def config(folders: dict[str, str], output: Path, **changes: Any) -> PolicyConfig:
    return PolicyConfig(**{**folders, "output": str(output), **SMALL, **changes})


def run_command(arguments: list[str]) -> None:
    sys.argv = ["train_policy", *arguments]
    run_cli(main)


# ---- learning ------------------------------------------------------------------------------------------------------


def test_reward_rises_and_the_best_policy_is_published(folders: dict[str, str], tmp_path: Path) -> None:
    summary = train_policy(config(folders, tmp_path / "run", total_episodes=320, max_new_tokens=8))
    rows = metrics(tmp_path / "run")
    assert [row["step"] for row in rows] == list(range(21))
    evaluations = {row["step"]: row["eval/reward"] for row in rows if "eval/reward" in row}
    assert max(evaluations.values()) == evaluations[summary["best_step"]]  # chooses, and is not what is reported
    assert summary["reward_after"] != evaluations[summary["best_step"]]
    assert summary["reward_gain"] == pytest.approx(summary["reward_after"] - summary["reward_before"])
    assert summary["reward_gain"] > 0.2  # most responses end in time by now
    assert summary["reward_gain_low"] < summary["reward_gain"] < summary["reward_gain_high"]
    assert summary["kl"] < summary["kl_budget"]
    assert summary["stop_reason"] == "completed"
    assert rows[1]["objective/kl"] == pytest.approx(0.0, abs=1e-4)  # the first rollouts are the reference's own
    assert rows[1]["policy/approxkl_avg"] < 0.2
    assert rows[-1]["lr"] < rows[1]["lr"] == SMALL["learning_rate"]
    assert rows[-1]["episode"] == 320
    samples = [json.loads(line) for line in (tmp_path / "run" / "samples.jsonl").read_text().splitlines()]
    assert {"step", "prompt", "response", "score"} <= samples[0].keys()
    trained = AutoModelForCausalLM.from_pretrained(tmp_path / "run" / "model")
    base = AutoModelForCausalLM.from_pretrained(folders["model"])
    assert (trained.lm_head.weight - base.lm_head.weight).abs().max() > 1e-3
    assert "PPO" in (tmp_path / "run" / "model" / "README.md").read_text()
    assert json.loads((tmp_path / "run" / "summary.json").read_text()) == summary
    left = {path.name for path in (tmp_path / "run").iterdir()}
    assert left == {".lock", "metrics.jsonl", "samples.jsonl", "summary.json", "model"}


def test_lora_saves_an_adapter_that_equals_the_merged_model(folders: dict[str, str], tmp_path: Path) -> None:
    from peft import PeftModel

    output = tmp_path / "run"
    train_policy(config(folders, output, use_peft=True, value_model="shared", learning_rate=1e-2))
    merged = AutoModelForCausalLM.from_pretrained(output / "model").eval()
    base = AutoModelForCausalLM.from_pretrained(folders["model"]).eval()
    adapted = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(folders["model"]), output / "adapter")
    ids = torch.tensor([[5, 6, 7, 20, 21]])
    torch.testing.assert_close(merged(ids).logits, adapted(ids).logits, rtol=1e-4, atol=1e-4)
    assert (merged(ids).logits - base(ids).logits).abs().max() > 1e-3


def test_how_a_minibatch_is_cut_changes_nothing(folders: dict[str, str], tmp_path: Path) -> None:
    train_policy(config(folders, tmp_path / "whole", total_episodes=32, token_budget=10_000))
    train_policy(config(folders, tmp_path / "cut", total_episodes=32, token_budget=1))
    for whole, cut in zip(metrics(tmp_path / "whole"), metrics(tmp_path / "cut"), strict=True):
        assert smooth(whole) == pytest.approx(smooth(cut), abs=1e-4, rel=1e-4)


def test_a_small_kl_budget_ends_the_run_and_keeps_what_was_inside(folders: dict[str, str], tmp_path: Path) -> None:
    summary = train_policy(config(folders, tmp_path / "run", kl_budget=0.05, beta=0.0, learning_rate=2e-2))
    assert summary["stop_reason"] == "kl_budget"
    assert summary["updates"] < 4
    best = metrics(tmp_path / "run")[summary["best_step"]]
    assert best["eval/kl"] <= 0.05


def test_an_update_ends_early_when_the_policy_moves_too_far(folders: dict[str, str], tmp_path: Path) -> None:
    train_policy(config(folders, tmp_path / "run", total_episodes=16, learning_rate=2e-2, max_approx_kl=1e-4))
    assert metrics(tmp_path / "run")[1]["val/optimiser_steps"] < 4


def test_a_reward_model_with_another_tokenizer(
    folders: dict[str, str], tmp_path: Path, tokenizer: PreTrainedTokenizerBase, capsys: pytest.CaptureFixture[str]
) -> None:
    reward = AutoModelForSequenceClassification.from_pretrained(folders["reward"], num_labels=1)
    reward.save_pretrained(tmp_path / "reward")
    other = copy.deepcopy(tokenizer)
    other.chat_template = "{% for message in messages %}{{ message.content }}<|end|>{% endfor %}"
    other.save_pretrained(tmp_path / "reward")
    train_policy(config({**folders, "reward": str(tmp_path / "reward")}, tmp_path / "run", total_episodes=16))
    assert "encoded again for the reward model's own tokenizer" in capsys.readouterr().err
    first = metrics(tmp_path / "run")[1]
    assert first["val/explained_variance"] == pytest.approx(0.0, abs=1e-6)  # the value head begins at 0, not as theirs


# ---- being stopped -------------------------------------------------------------------------------------------------


def test_killed_and_resumed_equals_never_killed(folders: dict[str, str], tmp_path: Path) -> None:
    killed = in_child(command(folders, tmp_path / "killed", "--total_episodes=160"), run_command)
    wait_for_lines(killed, tmp_path / "killed", 4)  # update 3: one after the last checkpoint
    killed.kill()
    killed.join()
    assert not (tmp_path / "killed" / "model").exists()
    with pytest.raises(InputError, match="--beta changed since"):
        train_policy(config(folders, tmp_path / "killed", total_episodes=160, resume=True, beta=0.3))
    resumed = train_policy(config(folders, tmp_path / "killed", total_episodes=160, resume=True))
    whole = train_policy(config(folders, tmp_path / "whole", total_episodes=160))
    same = dict.fromkeys(("seconds", "episodes_per_second", "model"))
    assert metrics(tmp_path / "killed") == metrics(tmp_path / "whole")
    first = AutoModelForCausalLM.from_pretrained(tmp_path / "whole" / "model").state_dict()
    second = AutoModelForCausalLM.from_pretrained(tmp_path / "killed" / "model").state_dict()
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert {**resumed, **same} == {**whole, **same}
    assert resumed["updates"] == 10


def test_sigterm_leaves_a_checkpoint_and_exit_code_75(
    folders: dict[str, str], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    process = in_child(command(folders, tmp_path / "run", "--total_episodes=100000"), run_command)
    wait_for_lines(process, tmp_path / "run", 3)
    process.terminate()
    process.join(60)
    assert process.exitcode == 75
    assert capfd.readouterr().err.splitlines()[-1].startswith("error: stopped after update")
    last = metrics(tmp_path / "run")[-1]["step"]
    assert (tmp_path / "run" / f"checkpoint-{last}").is_dir()


def test_the_command_ends_with_its_summary(folders: dict[str, str], tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "rlhf.train_policy", *command(folders, tmp_path / "run", "--total_episodes=16")],
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout.splitlines()[-1])["updates"] == 1


def test_resume_of_a_finished_run_only_repeats_its_summary(
    folders: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    summary = train_policy(config(folders, tmp_path / "run", total_episodes=16))
    before = (tmp_path / "run" / "metrics.jsonl").read_text()
    assert train_policy(config(folders, tmp_path / "run", total_episodes=16, resume=True)) == summary
    assert (tmp_path / "run" / "metrics.jsonl").read_text() == before
    assert json.loads(capsys.readouterr().out.splitlines()[-1]) == summary


# ---- bad input -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"prompts": "/nowhere.jsonl"}, "nowhere"),
        ({"model": "/nowhere"}, "no tokenizer"),
        ({"max_new_tokens": 300}, "leaves no room"),
    ],
)
def test_bad_input_is_refused_in_one_sentence(
    folders: dict[str, str], tmp_path: Path, changes: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(InputError, match=sentence):
        train_policy(config(folders, tmp_path / "run", **changes))


def test_a_policy_in_place_of_the_reward_model_is_refused(folders: dict[str, str], tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no reward model"):
        train_policy(config({**folders, "reward": folders["model"]}, tmp_path / "run"))


@pytest.mark.parametrize("preset", PRESETS, ids=lambda preset: preset.stem)
def test_presets_are_valid(preset: Path) -> None:
    flags = [f"--config={preset}", "--model=m", "--reward=r", "--prompts=p", "--output=o"]
    assert parse_config(PolicyConfig, flags).use_peft


def test_settings_out_of_bounds_are_refused() -> None:
    for wrong in ("--lam=1.5", "--batch_size=1", "--unknown=3", "--lora_last_layers=2"):
        with pytest.raises(InputError, match=wrong[2:].partition("=")[0]):
            main(["--model=m", "--reward=r", "--prompts=p", "--output=o", "--use_peft=false", wrong])


# ---- several processes ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("run", [run_command, sharded_policy_run.run], ids=["replicated", "sharded"])
def test_two_processes_give_the_losses_of_one(
    folders: dict[str, str], tmp_path: Path, run: Callable[[list[str]], None]
) -> None:
    run_in_two(command(folders, tmp_path / "two", "--total_episodes=32", "--device=cpu"), run)
    train_policy(config(folders, tmp_path / "one", total_episodes=32))
    for one, two in zip(metrics(tmp_path / "one"), metrics(tmp_path / "two"), strict=True):
        assert smooth(one) == pytest.approx(smooth(two), abs=1e-4, rel=1e-4)
    first, second = (
        AutoModelForCausalLM.from_pretrained(tmp_path / name / "model").state_dict() for name in ("one", "two")
    )
    for name, tensor in first.items():
        torch.testing.assert_close(tensor, second[name], rtol=1e-3, atol=1e-4)


def test_two_processes_of_which_one_is_killed_go_on_to_the_bit(folders: dict[str, str], tmp_path: Path) -> None:
    arguments = ("--total_episodes=80", "--device=cpu", "--save_seconds=0")
    run_in_two(command(folders, tmp_path / "whole", *arguments), run_command)
    killed, other = start_two(command(folders, tmp_path / "killed", *arguments), run_command)
    wait_for_lines(killed, tmp_path / "killed", 3)
    killed.kill()
    other.join(120)
    assert other.exitcode == 1
    assert not (tmp_path / "killed" / "model").exists()
    run_in_two(command(folders, tmp_path / "killed", *arguments, "--resume"), run_command)
    assert metrics(tmp_path / "killed") == metrics(tmp_path / "whole")
