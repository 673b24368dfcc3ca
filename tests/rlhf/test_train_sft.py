"""Supervised fine-tuning: what is read, which tokens are learned, the loss by hand, and whole runs."""

import json
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
from transformers import AutoModelForCausalLM, PreTrainedTokenizerBase

from rlhf.chat_format import encode_prompt, end_of_turn_id, load_tokenizer
from rlhf.checkpoints import latest_checkpoint
from rlhf.config import InputError
from rlhf.demonstrations import encode_demonstrations, load_demonstrations
from rlhf.losses import likelihood_loss
from rlhf.policy_files import load_language_model
from rlhf.processes import Processes
from rlhf.sft_settings import SFTConfig
from rlhf.sft_trainer import SFTTrainer
from rlhf.train_sft import prepare, train_sft
from tests.children import ended
from tests.rlhf.preference_files import read_rows, text, write_rows

SYSTEM = {"role": "system", "content": "be kind"}


def user(content: str) -> dict[str, str]:
    return {"role": "user", "content": content}


def assistant(content: str) -> dict[str, str]:
    return {"role": "assistant", "content": content}


def demonstration_rows(count: int) -> list[dict[str, Any]]:
    """Every response begins alike; text, messages and whole conversations by turns."""
    source = random.Random(0)
    rows: list[dict[str, Any]] = []
    for number in range(count):
        prompt = f"{text(source, source.randint(1, 20))} {number}"
        response = "well please " + text(source, source.randint(1, 8))
        rows.append(
            [
                {"prompt": prompt, "completion": response},
                {"prompt": [SYSTEM, user(prompt)], "completion": [assistant(response)]},
                {"messages": [user(prompt), assistant(response), user("and then"), assistant("well please do")]},
            ][number % 3]
        )
    return rows


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_rows(tmp_path_factory.mktemp("data") / "sft.jsonl", demonstration_rows(90))


@pytest.fixture
def config(llama_folder: Path, data: Path, tmp_path: Path) -> dict[str, Any]:
    return {
        "model": str(llama_folder),
        "data": str(data),
        "output": str(tmp_path / "run"),
        "learning_rate": 3e-3,
        "train_batch_size": 8,
        "holdout": 0.25,
        "dtype": "float32",
        "device": "cpu",
    }


def metrics(output: Path) -> list[dict[str, Any]]:
    rows = read_rows(output / "metrics.jsonl")
    return [{name: value for name, value in row.items() if name != "seconds"} for row in rows]


# ---- data --------------------------------------------------------------------------------------------------------


def test_the_tokens_of_responses_are_learned_and_no_others(tokenizer: PreTrainedTokenizerBase, tmp_path: Path) -> None:
    turns = [user("one"), assistant("first"), user("two"), assistant("second")]
    file = write_rows(
        tmp_path / "d.jsonl",
        [{"messages": turns}, {"prompt": turns[:3], "completion": "second"}, {"prompt": "one", "completion": "first"}],
    )
    rows, report = load_demonstrations(file)
    assert (report.rows, report.used, [row.line for row in rows]) == (3, 3, [1, 2, 3])
    found = encode_demonstrations(tokenizer, rows, 256, 0.0)
    end = tokenizer.decode([end_of_turn_id(tokenizer)])
    learned = [tokenizer.decode([ids[i] for i in places]) for ids, places in zip(found.ids, found.trained, strict=True)]
    assert learned == [f"first{end}second{end}", f"second{end}", f"first{end}"]
    assert found.ids[0] == found.ids[1]
    assert found.ids[0][: found.trained[1][0]] == encode_prompt(tokenizer, rows[0].messages[:3])


def test_long_conversations_are_cut_on_the_left_and_whole_turns_learned(
    tokenizer: PreTrainedTokenizerBase, tmp_path: Path
) -> None:
    turns = [user("far " * 20), assistant("first one"), user("two"), assistant("second")]
    rows, _ = load_demonstrations(write_rows(tmp_path / "d.jsonl", [{"messages": turns}]))
    whole = encode_demonstrations(tokenizer, rows, 256, 0.0)
    ids, first = whole.ids[0], whole.trained[0][0]
    inside = encode_demonstrations(tokenizer, rows, len(ids) - first + 1, 0.0)
    assert (inside.cut, len(inside.trained[0])) == (1, len(whole.trained[0]))
    assert inside.trained[0][0] == 1
    partly = encode_demonstrations(tokenizer, rows, len(ids) - first, 0.0)  # the first turn has nothing before it now
    end = tokenizer.decode([end_of_turn_id(tokenizer)])
    assert tokenizer.decode([partly.ids[0][i] for i in partly.trained[0]]) == f"second{end}"
    with pytest.raises(InputError, match=r"1 of 1 demonstrations have a response of 2 tokens or more \(lines 1\)"):
        encode_demonstrations(tokenizer, rows, 2, 0.0)


def test_turns_that_the_template_renders_otherwise_later_get_sequences_of_their_own(
    llama_folder: Path, tmp_path: Path
) -> None:
    tokenizer = load_tokenizer(llama_folder)
    tokenizer.chat_template = (  # as templates do that leave out what was thought in earlier turns
        "{% for m in messages %}{% if loop.last or m.role == 'user' %}{{ m.content }}{% endif %}<|end|>{% endfor %}"
    )
    rows, _ = load_demonstrations(
        write_rows(tmp_path / "d.jsonl", [{"messages": [user("a"), assistant("bb"), user("c"), assistant("dd")]}])
    )
    found = encode_demonstrations(tokenizer, rows, 256, 0.0)
    assert len(found) == 2


@pytest.mark.parametrize(
    ("row", "kind"),
    [
        ({"prompt": "a", "completion": " "}, "empty response"),
        ({"prompt": "a"}, "missing field completion"),
        ({"completion": "a"}, "missing field prompt"),
        ({"prompt": "a", "completion": [user("b")]}, "completion is not one assistant's turn"),
        ({"messages": [user("a")]}, "the last turn is not an assistant's"),
        ({"messages": [assistant("a")]}, "empty prompt"),
        ({"messages": [user("a"), assistant("b"), user(" "), assistant("d")]}, "empty turn"),
        ({"messages": "a"}, "messages is neither text nor a list of messages"),
    ],
)
def test_rows_that_cannot_be_used_are_named(row: dict[str, Any], kind: str, config: dict[str, Any]) -> None:
    config["data"] = str(write_rows(Path(config["data"]).with_name("bad.jsonl"), [row]))
    with pytest.raises(InputError, match=f"line 1: {kind}"):
        train_sft(SFTConfig(**config))
    assert not (Path(config["output"]) / "model").exists()


def test_rows_that_the_chat_template_refuses_are_counted_and_named(config: dict[str, Any], tmp_path: Path) -> None:
    """One row of forty with a system turn, which the template does not take, costs that row and not the training."""
    tokenizer = load_tokenizer(config["model"])
    tokenizer.chat_template = (
        "{% for m in messages %}{% if m.role == 'system' %}{{ raise_exception('no system turns') }}{% endif %}"
        "{{ m.content }}<|end|>{% endfor %}"
    )
    rows: list[dict[str, Any]] = [{"prompt": f"say {i}", "completion": "yes"} for i in range(39)]
    odd = {"messages": [{"role": "system", "content": "Be brief."}, user("hi"), assistant("yes")]}
    loaded, _ = load_demonstrations(write_rows(tmp_path / "d.jsonl", [*rows[:7], odd, *rows[7:]]))
    found = encode_demonstrations(tokenizer, loaded, 256, 0.05)
    assert len(found) == 39
    assert [line for line, _ in found.refused] == [8]
    assert "1 that the chat template refuses left out (line 8: " in found.describe(256)
    assert "no system turns" in found.describe(256)
    with pytest.raises(InputError, match=r"of 1 of 40 demonstrations the model's chat template refuses.*\(lines 8\)"):
        encode_demonstrations(tokenizer, loaded, 256, 0.01)


# ---- the mathematics of a step -----------------------------------------------------------------------------------


def make_trainer(config: dict[str, Any], **changes: Any) -> SFTTrainer:
    settings = SFTConfig(**{**config, **changes})
    rows, _ = load_demonstrations(settings.data)
    tokenizer = load_tokenizer(settings.model)
    train = encode_demonstrations(tokenizer, rows, 256, 0.0)
    return SFTTrainer(
        settings, load_language_model(settings, tokenizer, torch.float32), train, None, None, Processes("cpu")
    )


def test_the_loss_by_hand() -> None:
    log_probs = torch.tensor([-1.0, -2.0, -0.5])
    assert float(likelihood_loss(log_probs, 5)) == pytest.approx(0.7)


def test_the_first_step_is_that_of_transformers_own_loss(config: dict[str, Any]) -> None:
    """The mean over the batch's learned tokens (TRL's too), of each sequence alone, and its gradient."""
    trainer = make_trainer(config, max_grad_norm=1000.0)
    plain = AutoModelForCausalLM.from_pretrained(config["model"], dtype=torch.float32)
    unit = trainer.work(1)
    tokens = sum(len(trainer.train.trained[i]) for i in unit)
    total = torch.zeros(())
    for i in unit:
        ids, trained = trainer.train.ids[i], trainer.train.trained[i]
        labels = [token if place in trained else -100 for place, token in enumerate(ids)]
        loss = plain(input_ids=torch.tensor([ids]), labels=torch.tensor([labels])).loss
        total = total + loss * len(trained) / tokens
    total.backward()
    found = trainer.learn(1, unit)
    assert found["loss"] == pytest.approx(float(total.detach()), rel=1e-5)
    assert found["tokens"] == tokens
    ours = dict(trainer.model.causal.named_parameters())
    for name, parameter in plain.named_parameters():
        torch.testing.assert_close(ours[name].grad, parameter.grad, rtol=1e-4, atol=1e-5)


def test_patience_can_end_a_run_of_which_nothing_is_said(config: dict[str, Any]) -> None:
    trainer = make_trainer(config, max_steps=80)
    looks = trainer.total_steps // trainer.eval_every
    assert (looks, trainer.patience) == (8, 3)
    assert trainer.eval_every * (1 + trainer.patience) == 40  # the earliest end: the first look was the best


def test_rows_of_the_model_without_a_token_take_no_probability(config: dict[str, Any], tmp_path: Path) -> None:
    """As in sampling: Qwen's head has hundreds of rows more than its tokenizer has tokens."""
    tokenizer = load_tokenizer(config["model"])
    plain = AutoModelForCausalLM.from_pretrained(config["model"], dtype=torch.float32)
    plain.resize_token_embeddings(len(tokenizer) + 40)
    with torch.no_grad():
        plain.lm_head.weight[len(tokenizer) :].normal_(0, 1)
    plain.save_pretrained(tmp_path / "base")
    tokenizer.save_pretrained(tmp_path / "base")
    trainer = make_trainer({**config, "model": str(tmp_path / "base")}, max_grad_norm=1000.0)
    unit = trainer.work(1)
    total, tokens = torch.zeros(()), 0
    for i in unit:
        ids, trained = torch.tensor(trainer.train.ids[i]), torch.tensor(trainer.train.trained[i])
        logits = plain(input_ids=ids[None]).logits[0, :, : len(tokenizer)]
        total = total - logits.log_softmax(-1)[trained - 1, ids[trained]].sum()
        tokens += len(trained)
    (total / tokens).backward()
    assert trainer.learn(1, unit)["loss"] == pytest.approx(float(total.detach()) / tokens, rel=1e-5)
    ours = dict(trainer.model.causal.named_parameters())
    assert ours["lm_head.weight"].grad[len(tokenizer) :].abs().max() == 0
    for name, parameter in plain.named_parameters():
        torch.testing.assert_close(ours[name].grad, parameter.grad, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("changes", [{"token_budget": 40}, {"gradient_checkpointing": True}, {"head_chunk": 3}])
def test_how_a_step_is_cut_up_changes_nothing(config: dict[str, Any], changes: dict[str, Any]) -> None:
    whole, parts = make_trainer(config, token_budget=100_000), make_trainer(config, **changes)
    for step in (1, 2, 3):
        assert parts.step(step) == pytest.approx(whole.step(step), rel=1e-4)


def test_demonstrations_that_choose_may_be_named(config: dict[str, Any], tmp_path: Path) -> None:
    rows = [row for row in demonstration_rows(90) if "prompt" in row]
    files = {
        name: str(write_rows(tmp_path / f"{name}.jsonl", part))
        for name, part in (("data", rows[:20]), ("eval_data", rows[20:32]), ("choose_data", rows[32:50]))
    }
    trainer, _ = prepare(SFTConfig(**{**config, **files}), Processes("cpu"))
    assert isinstance(trainer, SFTTrainer)
    assert trainer.choosing is not None
    assert trainer.reporting is not None
    assert [len(part) for part in (trainer.train, trainer.choosing, trainer.reporting)] == [20, 18, 12]
    with pytest.raises(ValueError, match="set eval_data too"):
        SFTConfig(**{**config, "choose_data": files["choose_data"]})


# ---- whole runs --------------------------------------------------------------------------------------------------


def test_it_learns_and_the_best_weights_are_saved(config: dict[str, Any], llama_folder: Path) -> None:
    summary = train_sft(SFTConfig(**config, num_train_epochs=4))
    output = Path(config["output"])
    rows = metrics(output)
    assert rows[-1]["loss"] < 0.7 * rows[0]["loss"]
    evaluated = {row["step"]: row["eval_loss"] for row in rows if "eval_loss" in row}
    assert summary["best_step"] == min(evaluated, key=lambda step: evaluated[step])
    assert summary["eval_loss"] < 0.8 * rows[0]["loss"]  # of prompts that neither taught nor chose
    assert summary["eval_loss"] not in evaluated.values()
    trained = AutoModelForCausalLM.from_pretrained(output / "model")
    base = AutoModelForCausalLM.from_pretrained(llama_folder)
    assert (trained.lm_head.weight - base.lm_head.weight).abs().max() > 1e-3
    assert "demonstrations" in (output / "model" / "README.md").read_text()
    left = {path.name for path in output.iterdir()}
    assert left == {".lock", "metrics.jsonl", "summary.json", "model"}


def test_lora_saves_an_adapter_that_equals_the_merged_model(config: dict[str, Any]) -> None:
    from peft import PeftModel

    train_sft(SFTConfig(**{**config, "use_peft": True, "learning_rate": 1e-2}))
    output = Path(config["output"])
    merged = AutoModelForCausalLM.from_pretrained(output / "model").eval()
    adapted = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(config["model"]), output / "adapter")
    ids = torch.tensor([[5, 6, 7, 20, 21]])
    torch.testing.assert_close(merged(ids).logits, adapted(ids).logits, rtol=1e-4, atol=1e-4)


def command(config: dict[str, Any], *more: str) -> list[str]:
    settings = [f"--{name}={value}" for name, value in config.items()]
    return [sys.executable, "-m", "rlhf.train", "sft", *settings, *more]


def test_killed_and_resumed_equals_never_killed(config: dict[str, Any], tmp_path: Path) -> None:
    config |= {"num_train_epochs": 12, "eval_steps": 5, "early_stopping_patience": 0}
    whole = train_sft(SFTConfig(**{**config, "output": str(tmp_path / "whole")}))
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
    resumed = train_sft(SFTConfig(**config, resume=True))
    assert metrics(output) == metrics(tmp_path / "whole")
    ours, theirs = (load_file(path / "model" / "model.safetensors") for path in (output, tmp_path / "whole"))
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
    same = dict.fromkeys(("seconds", "demonstrations_per_second", "model"))
    assert resumed | same == whole | same


def test_a_signal_leaves_a_checkpoint(config: dict[str, Any]) -> None:
    output = Path(config["output"])
    process = ended(subprocess.Popen(command(config, "--max_steps=100000"), stderr=subprocess.PIPE, text=True))
    while not (output / "metrics.jsonl").exists():
        assert process.poll() is None, process.communicate()
        time.sleep(0.005)
    process.send_signal(signal.SIGTERM)
    err = process.communicate(timeout=60)[1]
    assert process.returncode == 75, err
    assert latest_checkpoint(output) == output / f"checkpoint-{metrics(output)[-1]['step']}"


def test_two_processes_have_the_losses_of_one(config: dict[str, Any], tmp_path: Path) -> None:
    config |= {"max_steps": 6, "train_batch_size": 7}
    train_sft(SFTConfig(**{**config, "output": str(tmp_path / "one")}))
    launch = [sys.executable, "-m", "accelerate.commands.launch", "--cpu", "--num_processes", "2", "-m"]
    done = subprocess.run(
        [*launch, *command(config)[2:]], capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"}
    )
    assert done.returncode == 0, done.stderr
    for one, two in zip(metrics(tmp_path / "one"), metrics(Path(config["output"])), strict=True):
        assert two == pytest.approx(one, abs=1e-4)
    assert json.loads(done.stdout.splitlines()[-1])["steps"] == 6
