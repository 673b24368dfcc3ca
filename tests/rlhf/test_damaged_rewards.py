"""Rewards that are no numbers: said where they are computed, and no training ends well that learned nothing of them."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForSequenceClassification, PreTrainedTokenizerBase

from rlhf.best_of import Chooser
from rlhf.config import InputError, RunFailed
from rlhf.policy_settings import PolicyConfig
from rlhf.reward_files import load_reward_model
from rlhf.sample import sample
from rlhf.sample_settings import SampleConfig
from rlhf.scorer import RewardMix, Scorer
from rlhf.train_policy import train_policy
from rlhf.types import Draw, Sample, SamplingSettings, user_message
from tests.rlhf.policy_runs import SMALL, make_folders

NOT_FINITE = "reward model .*reward gives scores that are not finite: it is damaged"


@pytest.fixture
def folders(tmp_path: Path, llama_folder: Path, tokenizer: PreTrainedTokenizerBase) -> dict[str, str]:
    return make_folders(tmp_path, llama_folder, tokenizer)


def damage(folders: dict[str, str], tensor: str, rows: slice | list[int] = slice(None)) -> None:
    """Makes a tensor of the reward model, or some rows of it, no numbers."""
    model = AutoModelForSequenceClassification.from_pretrained(folders["reward"], num_labels=1)
    model.config.mean, model.config.std = 0.0, 1.0
    with torch.no_grad():
        dict(model.named_parameters())[tensor][rows] = torch.nan
    model.save_pretrained(folders["reward"])


def config(folders: dict[str, str], output: Path, **changes: Any) -> PolicyConfig:
    return PolicyConfig(**{**folders, "output": str(output), **SMALL, **changes})


@pytest.mark.parametrize("mix", ["{}", "{} + length", "0.5*{} + repetition"])
def test_a_training_is_not_begun_with_a_reward_model_that_is_damaged(
    mix: str, folders: dict[str, str], tmp_path: Path
) -> None:
    damage(folders, "score.weight")
    with pytest.raises(InputError, match=NOT_FINITE):
        train_policy(config(folders | {"reward": mix.format(folders["reward"])}, tmp_path / "run"))
    assert not (tmp_path / "run" / "model").exists()
    assert not (tmp_path / "run" / "summary.json").exists()


def test_neither_is_one_whose_start_has_no_reward(
    folders: dict[str, str], tmp_path: Path, tokenizer: PreTrainedTokenizerBase
) -> None:
    [word] = tokenizer.encode(" odd", add_special_tokens=False)[-1:]
    damage(folders, "model.embed_tokens.weight", [word])
    rows = [{"prompt": f"say {number}" + " odd" * (number % 2)} for number in range(16)]
    (tmp_path / "prompts.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    settings = {"holdout": 0.5, "eval_size": 16}
    with pytest.raises(InputError, match=r"the reward of \d+ of the \d+ holdout responses is not a finite number"):
        train_policy(config(folders, tmp_path / "run", **settings))


def test_a_run_whose_every_step_was_skipped_has_failed(
    folders: dict[str, str], tmp_path: Path, tokenizer: PreTrainedTokenizerBase
) -> None:
    [word] = tokenizer.encode(" odd", add_special_tokens=False)[-1:]
    damage(folders, "model.embed_tokens.weight", [word])
    prompts = [{"prompt": f"say {number}" + " odd" * (number % 2)} for number in range(8)]
    (tmp_path / "prompts.jsonl").write_text("".join(json.dumps(row) + "\n" for row in prompts))
    (tmp_path / "eval.jsonl").write_text("".join(json.dumps({"prompt": f"name {i}"}) + "\n" for i in range(4)))
    settings = {"eval_prompts": str(tmp_path / "eval.jsonl"), "total_episodes": 16, "num_mini_batches": 1}
    with pytest.raises(
        RunFailed, match=r"nothing was learned: loss or gradient was not finite in all 2 optimiser step"
    ):
        train_policy(config(folders, tmp_path / "run", max_skipped_steps=50, **settings))
    assert not (tmp_path / "run" / "model").exists()
    with pytest.raises(RunFailed, match=r"not finite in 2 optimiser steps in a row; the last good checkpoint is .*-0"):
        train_policy(config(folders, tmp_path / "run", max_skipped_steps=2, **settings))


def test_the_best_of_several_is_not_chosen_by_no_number(
    folders: dict[str, str], tmp_path: Path, tokenizer: PreTrainedTokenizerBase
) -> None:
    [word] = tokenizer.encode(" odd", add_special_tokens=False)[-1:]
    damage(folders, "model.embed_tokens.weight", [word])
    scorer = Scorer(load_reward_model(folders["reward"]), tokenizer, tokenizer, longest=4)
    draw = Draw(SamplingSettings(), 0)
    prompt = tokenizer.encode("say", add_special_tokens=False)
    said = [
        Sample(prompt, tokenizer.encode(text, add_special_tokens=False), [0.0], "length", text, draw, False)
        for text in (" the", " odd")
    ]
    choose = Chooser(RewardMix.of(scorer), 1.0)
    with pytest.raises(InputError, match="the reward of the response ' odd' is not a finite number"):
        choose(user_message("say"), said)
    assert len(choose(user_message("say"), said[:1])) == 1


def test_sampling_the_best_by_a_damaged_reward_model_writes_nothing(folders: dict[str, str], tmp_path: Path) -> None:
    damage(folders, "score.weight")
    settings = {"model": Path(folders["model"]), "prompts": Path(folders["prompts"]), "reward": folders["reward"]}
    with pytest.raises(InputError, match=NOT_FINITE):
        sample(SampleConfig(**settings, output=tmp_path / "out" / "best.jsonl", best_of=2, max_new_tokens=4))
    assert list((tmp_path / "out").iterdir()) == []
