"""What PPO says of itself: the best of several looks chooses the policy, and another look reports on it."""

import json
import math
import statistics
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForSequenceClassification, PreTrainedTokenizerBase

from rlhf.intervals import mean_interval, t_quantile
from rlhf.policy_holdout import CHOOSING, REPORTING, Holdout
from rlhf.policy_settings import PolicyConfig
from rlhf.ppo_trainer import PPOTrainer
from rlhf.processes import Processes
from rlhf.train_policy import prepare, train_policy

SEEDS = 20


@pytest.fixture(scope="module")
def folders(
    llama_folder: Path, tokenizer: PreTrainedTokenizerBase, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, str]:
    """The settings that name a base policy, a reward model and prompts."""
    root = tmp_path_factory.mktemp("holdout")
    torch.manual_seed(0)
    AutoModelForSequenceClassification.from_pretrained(llama_folder, num_labels=1).save_pretrained(root / "reward")
    tokenizer.save_pretrained(root / "reward")
    write(root / "prompts.jsonl", range(40))
    return {"model": str(llama_folder), "reward": str(root / "reward"), "prompts": str(root / "prompts.jsonl")}


def write(path: Path, numbers: Any) -> str:
    path.write_text("".join(json.dumps({"prompt": f"say word {i}"}) + "\n" for i in numbers))
    return str(path)


def config(folders: dict[str, str], output: Path, **changes: Any) -> PolicyConfig:
    settings: dict[str, Any] = {
        **{"total_episodes": 32, "batch_size": 8, "num_mini_batches": 1, "num_ppo_epochs": 1, "max_new_tokens": 12},
        **{
            "value_model": "shared",
            "dtype": "float32",
            "eval_steps": 1,
            "eval_size": 8,
            "holdout": 0.5,
            "use_peft": False,
        },
    }
    return PolicyConfig(**{**folders, "output": str(output), **settings, **changes})


def trainer_of(folders: dict[str, str], output: Path, **changes: Any) -> PPOTrainer:
    trainer: PPOTrainer = prepare(config(folders, output, **changes), Processes("cpu"))[0]
    return trainer


def asked(tasks: Any) -> set[str]:
    return {task.messages[0]["content"] for task in tasks}


@pytest.mark.parametrize("rate", [0.0, 1e-4])
def test_without_learning_nothing_is_gained(folders: dict[str, str], tmp_path: Path, rate: float) -> None:
    """At 1e-4 four updates teach nothing, but each look is another one; their best is above the start in most runs."""
    gains = []
    for seed in range(SEEDS):
        summary = train_policy(config(folders, tmp_path / "run", learning_rate=rate, seed=seed))
        assert summary["reward_after"] - summary["reward_before"] == pytest.approx(summary["reward_gain"])
        gains.append(summary["reward_gain"])
    above, below = sum(gain > 0 for gain in gains), sum(gain < 0 for gain in gains)
    by_chance = sum(math.comb(above + below, k) for k in range(above, above + below + 1)) / 2 ** (above + below)
    assert by_chance > 0.05
    if rate == 0:
        assert above == below == 0


def test_prompts_that_choose_do_not_report(folders: dict[str, str], tmp_path: Path) -> None:
    holdout = trainer_of(folders, tmp_path / "run").holdout
    assert len(holdout.choosing) == len(holdout.reporting) == 8
    assert not asked(holdout.choosing) & asked(holdout.reporting)


def test_few_prompts_do_both_with_other_seeds(folders: dict[str, str], tmp_path: Path) -> None:
    trainer = trainer_of(folders, tmp_path / "run", holdout=0.3)
    assert asked(trainer.holdout.choosing) == asked(trainer.holdout.reporting)
    seen = {task.seed for part in (CHOOSING, REPORTING) for task in trainer.holdout.tasks(part)}
    assert len(seen) == 16
    assert train_policy(config(folders, tmp_path / "run", holdout=0.3))["reward_prompts_chose"] is True


def test_prompts_that_choose_can_be_given(folders: dict[str, str], tmp_path: Path) -> None:
    files = {
        "eval_prompts": write(tmp_path / "eval.jsonl", [*range(100, 120), 100, 100]),  # some are there again
        "choose_prompts": write(tmp_path / "choose.jsonl", range(110, 130)),  # and some are in both
    }
    holdout = trainer_of(folders, tmp_path / "run", eval_size=64, **files).holdout
    assert asked(holdout.choosing) == {f"say word {i}" for i in range(110, 130)}
    assert asked(holdout.reporting) == {f"say word {i}" for i in range(100, 110)}
    assert len(holdout.reporting) == 10
    with pytest.raises(ValueError, match="set eval_prompts too"):
        train_policy(config(folders, tmp_path / "run", choose_prompts=files["choose_prompts"]))


def test_before_and_after_are_paid_as_one_batch(folders: dict[str, str], tmp_path: Path) -> None:
    holdout: Holdout = trainer_of(folders, tmp_path / "run").holdout
    # all of the start's ended, at 1 and 3; of the policy's one never did: 1 less than the worst of either that did
    found = holdout.compare([(1.0, True), (3.0, True)], [(2.0, True), (9.0, False)])
    assert (found["reward_before"], found["reward_after"], found["reward_gain"]) == (2.0, 1.0, -1.0)
    low, high = mean_interval([1.0, -3.0], range(2))
    assert (found["reward_gain_low"], found["reward_gain_high"]) == (low, high)


def test_intervals_by_hand() -> None:
    table = {3: 3.182, 5: 2.571, 7: 2.365, 10: 2.228, 30: 2.042, 1000: 1.962}  # of Student's t, 97.5%
    for degrees, value in table.items():
        assert t_quantile(degrees) == pytest.approx(value, rel=0.01)
    low, high = mean_interval([1.0, 2.0, 3.0, 4.0], range(4))
    assert low == pytest.approx(2.5 - t_quantile(3) * math.sqrt(5 / 3) / 2)
    assert high == pytest.approx(5.0 - low)
    assert mean_interval([0.0] * 9, range(9)) == (0.0, 0.0)
    assert mean_interval([1.0], ["a"]) == mean_interval([1.0, 2.0], ["a", "a"]) == (-math.inf, math.inf)
    # Four values of two prompts: their sums are off by -2 and 2.
    low, high = mean_interval([1.0, 2.0, 3.0, 4.0], "aabb")
    assert high - low == pytest.approx(2 * t_quantile(1) * math.sqrt(8 * 2 / 1) / 4)


def test_the_interval_covers_the_truth() -> None:
    generator = torch.Generator().manual_seed(0)
    drawn = torch.randn(4000, 8, generator=generator).tolist()
    covered = statistics.fmean(low < 0 < high for low, high in (mean_interval(values, range(8)) for values in drawn))
    assert covered == pytest.approx(0.95, abs=0.012)
