"""Models' folders that are not what a command needs, outputs that cannot be written: a sentence and exit code 2."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from transformers import ByT5Tokenizer, PreTrainedTokenizerBase

from rlhf import evaluate, train
from rlhf import sample as sampling
from rlhf.base_models import prepare
from rlhf.config import InputError, run_cli
from rlhf.reward_files import new_reward_model
from rlhf.tiny_model import tiny_tokenizer
from tests.rlhf import architectures
from tests.rlhf.preference_files import pair_rows, write_rows

Call = Callable[..., str]


@pytest.fixture
def here(tmp_path: Path, tokenizer: PreTrainedTokenizerBase) -> Path:
    architectures.save("llama", tmp_path / "base", tokenizer)
    new_reward_model(tmp_path / "base", tokenizer).save(tmp_path / "reward", tokenizer, 0.0, 1.0)
    rows = [row | {"prompt": f"odd0 {row['prompt']}"} for row in pair_rows(24)]
    write_rows(tmp_path / "pairs.jsonl", rows)
    write_rows(tmp_path / "said.jsonl", [{"prompt": row["prompt"], "completion": row["chosen"]} for row in rows])
    write_rows(tmp_path / "scored.jsonl", [{"prompt": row["prompt"], "response": row["chosen"]} for row in rows])
    return tmp_path


@pytest.fixture
def refusal(here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Call:
    """Runs a command on these files and gives its last line on stderr; the command has to end with exit code 2."""

    def call(command: str, **changes: Any) -> str:
        main, *words = {
            "sample": [sampling.main],
            "evaluate reward": [evaluate.main, "reward"],
            "evaluate score": [evaluate.main, "score"],
        }.get(command, [train.main, command])
        base, pairs, out = here / "base", here / "pairs.jsonl", here / "out"
        settings: dict[str, Any] = {
            "sample": {"model": base, "prompts": pairs, "output": here / "out.jsonl", "max_new_tokens": 8},
            "evaluate reward": {"model": here / "reward", "data": pairs},
            "evaluate score": {"model": here / "reward", "data": here / "scored.jsonl", "output": here / "out.jsonl"},
            "sft": {"model": base, "data": here / "said.jsonl", "output": out},
            "ppo": {"model": base, "reward": here / "reward", "prompts": pairs, "output": out},
        }.get(command, {"model": base, "data": pairs, "output": out})
        flags = [f"--{name}={value}" for name, value in (settings | changes).items()]
        monkeypatch.setattr(sys, "argv", ["command", *words, *flags])
        with pytest.raises(SystemExit) as leave:
            run_cli(main)
        said = capsys.readouterr().err
        assert leave.value.code == 2, said
        assert not (here / "out" / "model").exists()
        assert not (here / "out.jsonl").exists()
        assert not (here / "out.jsonl.part").exists()
        return said.splitlines()[-1]

    return call


@pytest.mark.parametrize("command", ["sample", "reward", "dpo", "sft", "ppo"])
def test_a_template_that_is_no_template(command: str, here: Path, refusal: Call) -> None:
    (here / "base" / "chat_template.jinja").write_text("{% for x in %}")
    assert "the chat template of the tokenizer in" in refusal(command)


@pytest.mark.parametrize("template", ["{% for x in range(1000000000) %}a{% endfor %}", "{{ 1 / 0 }}", "{{ 'a' + 1 }}"])
def test_a_template_that_ends_in_an_error(template: str, here: Path, refusal: Call) -> None:
    (here / "base" / "chat_template.jinja").write_text(template)
    assert "the chat template of the tokenizer in" in refusal("sample")


@pytest.mark.parametrize("text", ["[]", "7", '"llama"', "null"])
@pytest.mark.parametrize("command", ["sample", "reward", "ppo"])
def test_settings_of_a_model_that_are_none(text: str, command: str, here: Path, refusal: Call) -> None:
    (here / "base" / "config.json").write_text(text)
    assert "config.json is damaged: it must hold a model's settings as a JSON object" in refusal(command)


@pytest.mark.parametrize("command", ["sample", "reward", "dpo", "ppo"])
def test_an_adapter_without_its_base(command: str, here: Path, refusal: Call) -> None:
    adapter = here / "adapter"
    adapter.mkdir()
    (adapter / "adapter_config.json").write_text(json.dumps({"peft_type": "LORA", "base_model_name_or_path": "base"}))
    assert f"{adapter} holds an adapter: merge it into its base model" in refusal(command, model=adapter)
    if command == "ppo":
        assert f"{adapter} holds an adapter: merge it into its base model" in refusal(command, reward=adapter)


def test_a_model_without_a_tokenizer(here: Path, refusal: Call) -> None:
    for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        (here / "base" / name).unlink()
    assert "base holds no tokenizer that transformers can load" in (said := refusal("reward"))
    assert not said.endswith(":")


@pytest.mark.parametrize("command", ["sample", "reward", "dpo", "sft", "ppo", "evaluate reward", "evaluate score"])
def test_a_tokenizer_with_more_tokens_than_the_model(command: str, here: Path, refusal: Call) -> None:
    other = tiny_tokenizer()
    rows = len(other)
    other.add_tokens([f"odd{number}" for number in range(30)])
    for name in ("base", "reward"):
        other.save_pretrained(here / name)
    said = refusal(command)
    assert f"have the token {rows}, but the model" in said or f"has the token {rows}, but the model" in said
    assert f"knows only {rows}: its tokenizer is another model's" in said


def test_a_reward_model_whose_own_tokenizer_knows_more(here: Path, refusal: Call) -> None:
    other = tiny_tokenizer()
    other.chat_template = f" {other.chat_template}"  # texts are read once more
    other.add_tokens(["odd0"])
    other.save_pretrained(here / "reward")
    assert "the texts have the token" in refusal("ppo", total_episodes=8, batch_size=4, max_new_tokens=4)


def test_a_pad_token_that_the_model_does_not_know_is_no_reason(here: Path, refusal: Call) -> None:
    other = tiny_tokenizer()
    other.add_special_tokens({"pad_token": "<|new pad|>"})
    other.save_pretrained(here / "base")
    rows = write_rows(here / "none.jsonl", [{"only this": 1}])
    assert "unknown columns only this" in refusal("reward", data=rows)


def settings(change: Callable[[dict[str, Any]], object], name: str = "config.json") -> Callable[[Path], object]:
    def damage(folder: Path) -> None:
        values = json.loads((folder / name).read_text())
        change(values)
        (folder / name).write_text(json.dumps(values))

    return damage


def bytes_tokenizer(folder: Path) -> None:
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (folder / name).unlink()
    ByT5Tokenizer().save_pretrained(folder)


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (settings(lambda s: s.update(vocab_size="many")), "Validation error for field 'vocab_size'"),
        (settings(lambda s: s.update(num_attention_heads=0)), "integer modulo by zero"),
        (settings(lambda s: s.update(dtype="banana")), "has no attribute 'banana'"),
        (lambda folder: (folder / "tokenizer_config.json").write_text("[]"), "tokenizer_config.json is damaged"),
        (lambda folder: (folder / "generation_config.json").write_text("[1]"), "generation_config.json is damaged"),
        (lambda folder: (folder / "tokenizer.json").write_text("[]"), "no tokenizer that transformers can load"),
        (bytes_tokenizer, "a ByT5Tokenizer, is none of the tokenizers library"),
    ],
)
@pytest.mark.parametrize("command", ["prepare", "sample"])
def test_settings_that_mean_nothing(
    command: str, damage: Callable[[Path], object], sentence: str, here: Path, refusal: Call
) -> None:
    damage(here / "base")
    if command == "sample":
        assert sentence in refusal("sample")
    else:
        with pytest.raises(InputError) as refused:
            prepare(str(here / "base"), here / "prepared", say=lambda text: None)
        assert sentence in str(refused.value)
        assert ".part" not in str(refused.value)


@pytest.mark.parametrize("command", ["reward", "dpo", "ppo", "sample", "evaluate score"])
def test_an_output_that_is_something_else(command: str, here: Path, refusal: Call) -> None:
    folder, file = here / "folder", here / "file"
    folder.mkdir()
    file.write_text("x")
    one_file = command in ("sample", "evaluate score")
    kind, path = ("folder", folder) if one_file else ("file", file)
    assert f"--output {path} is a {kind}" in refusal(command, output=path)
    assert f"--output {file / 'x'}: {file} is a file" in refusal(command, output=file / "x")
    assert file.read_text() == "x"


def test_a_tracker_that_cannot_begin(here: Path) -> None:
    """In a process of its own: wandb keeps the key that it has read."""
    flags = [
        f"--model={here / 'base'}",
        f"--data={here / 'pairs.jsonl'}",
        f"--output={here / 'out'}",
        "--report_to=wandb",
    ]
    online = {**os.environ, "WANDB_MODE": "online", "WANDB_API_KEY": "too short"}
    command = [sys.executable, "-m", "rlhf.train", "reward", *flags]
    done = subprocess.run(command, env=online, capture_output=True, text=True, timeout=120)
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith("error: --report_to wandb cannot begin: ")
    assert not (here / "out" / "model").exists()


def test_an_empty_reward(refusal: Call) -> None:
    assert "--reward is empty: name a reward model's folder" in refusal("ppo", reward="")


def test_labels_on_one_prompt_have_no_holdout_and_are_told_so(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, column, rows in (
        ("reward", "rejected", [{"prompt": "a", "chosen": f"c {n}", "rejected": f"r {n}"} for n in range(8)]),
        ("dpo", "rejected", [{"prompt": "a", "chosen": f"c {n}", "rejected": f"r {n}"} for n in range(8)]),
        ("sft", "completion", [{"prompt": "a", "completion": f"c {n}"} for n in range(8)]),
    ):
        data = write_rows(here / f"{name} {column}.jsonl", rows)
        settings = {"model": here / "base", "data": data, "output": here / name, "max_steps": 1, "dtype": "float32"}
        train.main([name, *(f"--{setting}={value}" for setting, value in settings.items())])
        assert "holdout: none, so that nothing will tell how good the model is" in capsys.readouterr().err
