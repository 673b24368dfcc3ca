"""Over-optimisation as it happens: rewards that are not paid, repetition, the KL to the base, responses without end."""

import statistics
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, PreTrainedTokenizerBase

from rlhf.group_settings import RLOOConfig
from rlhf.policy_holdout import CHOOSING
from rlhf.policy_settings import PolicyConfig
from rlhf.processes import Processes
from rlhf.scorer import repetition
from rlhf.train_groups import prepare_rloo, train_rloo
from rlhf.train_policy import train_policy
from tests.rlhf.policy_runs import SMALL, make_folders, metrics


@pytest.fixture(scope="module")
def folders(
    llama_folder: Path, tokenizer: PreTrainedTokenizerBase, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, str]:
    """The usual, and a base that is another model than the start."""
    root = tmp_path_factory.mktemp("watch")
    base = AutoModelForCausalLM.from_pretrained(llama_folder, dtype=torch.float32)
    torch.manual_seed(2)
    with torch.no_grad():
        for parameter in base.parameters():
            parameter += 0.02 * torch.randn_like(parameter)
    base.save_pretrained(root / "base")
    tokenizer.save_pretrained(root / "base")
    return make_folders(root, llama_folder, tokenizer) | {"base": str(root / "base")}


def settings(folders: dict[str, str], output: Path, **changes: Any) -> dict[str, Any]:
    small = {name: value for name, value in SMALL.items() if name not in ("num_ppo_epochs", "value_model")}
    return {**folders, **small, "output": str(output), "total_episodes": 32, **changes}


def test_what_is_watched_is_measured_and_not_paid(folders: dict[str, str], tmp_path: Path) -> None:
    watched = f"length + 0.5*{folders['reward']}"
    config = settings(folders, tmp_path / "run", reward="-1*repetition", watch_reward=watched, use_peft=True)
    summary = train_rloo(RLOOConfig(**config))
    rows = [row for row in metrics(tmp_path / "run") if "eval/reward" in row]
    assert len(rows) == 2
    for row in rows:
        assert row["eval/watched"] == pytest.approx(row["eval/watched/length"] + 0.5 * row["eval/watched/reward"])
        assert row["eval/watched/length"] == pytest.approx(row["eval/answer_tokens"])
        assert 0 <= row["eval/repetition"] <= 1
    assert rows[0]["eval/kl"] == pytest.approx(0.0, abs=1e-4)
    assert rows[0]["eval/kl_base"] > 0.01  # the start is another model than the base already
    for name in ("watched", "repetition", "kl_base", "answer_tokens"):
        assert {f"{name}_before", f"{name}_after"} <= summary.keys()
    train_rloo(RLOOConfig(**{**config, "output": str(tmp_path / "plain"), "watch_reward": None, "base": None}))
    for row, plain in zip(metrics(tmp_path / "run"), metrics(tmp_path / "plain"), strict=True):
        assert {name: row[name] for name in plain} == plain  # watching changes nothing


def test_the_kl_to_the_base_by_plain_transformers(folders: dict[str, str], tmp_path: Path) -> None:
    trainer: Any = prepare_rloo(RLOOConfig(**settings(folders, tmp_path / "run")), Processes("cpu"))[0]
    rollouts = trainer.make(trainer.holdout.tasks(CHOOSING))
    base = AutoModelForCausalLM.from_pretrained(folders["base"], dtype=torch.float32).eval()
    expected = []
    for rollout in rollouts:
        ids = torch.tensor([[*rollout.prompt_ids, *rollout.response_ids]])
        with torch.no_grad():
            log_probs = base(ids).logits[0, :-1].log_softmax(-1).gather(1, ids[0, 1:, None]).squeeze(1)
        expected.append(float(rollout.log_probs.sum() - log_probs[len(rollout.prompt_ids) - 1 :].sum()))
    found = trainer.holdout.watch(rollouts)
    assert found["kl_base"] == pytest.approx(statistics.fmean(expected), abs=1e-4)
    assert found["repetition"] == pytest.approx(statistics.fmean(repetition(each.text) for each in rollouts))
    assert found["answer_tokens"] == pytest.approx(statistics.fmean(len(each.response_ids) for each in rollouts))


def test_a_run_in_which_nothing_ended_says_so(
    folders: dict[str, str], tmp_path: Path, tokenizer: PreTrainedTokenizerBase
) -> None:
    never = AutoModelForCausalLM.from_pretrained(folders["model"], dtype=torch.float32)
    with torch.no_grad():
        never.lm_head.weight *= 20
        never.lm_head.weight[tokenizer.eos_token_id] = 0  # some other token is always far above it
    never.save_pretrained(tmp_path / "never")
    tokenizer.save_pretrained(tmp_path / "never")
    config = settings(folders, tmp_path / "run", base=None, max_new_tokens=1, learning_rate=0.0)
    summary = train_policy(PolicyConfig(**{**config, "model": str(tmp_path / "never")}))
    rows = metrics(tmp_path / "run")[1:]
    assert [row["val/unfinished"] for row in rows] == [1.0, 1.0]
    assert summary["warning"].startswith("No response of the 2 updates ended within 1 tokens")
    usual = train_policy(PolicyConfig(**{**config, "output": str(tmp_path / "usual"), "max_new_tokens": 12}))
    assert "warning" not in usual
    for row in metrics(tmp_path / "usual")[1:]:
        assert row["val/unfinished"] == 1 - row["val/num_eos_tokens"] / 16
