"""`rlhf.evaluate policy`: the summary by hand, and the command on two real models."""

import json
import math
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification, PreTrainedTokenizerBase

from rlhf.config import InputError
from rlhf.evaluate import main
from rlhf.evaluate_policy import summarize


def test_summary_by_hand() -> None:
    found = summarize([1.0, 2.0, 3.0, 0.0], [0.0, 2.0, 5.0, -1.0], [1.0, 3.0, 1.0, 3.0], range(4))
    assert found["win_rate"] == pytest.approx(2.5 / 4)  # two wins, a tie, a defeat
    assert found["win_rate_low"] < 0.625 < found["win_rate_high"]
    assert found["reward"] == pytest.approx(1.5)
    assert found["baseline_reward"] == pytest.approx(1.5)
    assert found["kl"] == pytest.approx(2.0)
    assert found["kl_error"] == pytest.approx(math.sqrt(4 / 3) / 2)
    alone = summarize([1.0], [0.0], None, ["only"])
    assert (alone["kl"], alone["reward_error"]) == (None, None)


def test_answers_to_one_prompt_say_less_than_answers_to_several() -> None:
    ours, theirs, kl = [1.0, 1.0, 0.0, 0.0] * 5, [0.5] * 20, [1.0, 1.0, 3.0, 3.0] * 5
    apart = summarize(ours, theirs, kl, range(20))
    twice = summarize(ours, theirs, kl, [place // 2 for place in range(20)])
    assert twice["win_rate"] == apart["win_rate"] == 0.5
    assert twice["win_rate_high"] - twice["win_rate_low"] > 1.3 * (apart["win_rate_high"] - apart["win_rate_low"])
    assert twice["kl_error"] == pytest.approx(math.sqrt(10 * 4 * 10 / 9) / 20)  # ten sums of 2 or -2
    assert twice["kl_error"] > 1.3 * apart["kl_error"]


@pytest.fixture(scope="module")
def folders(
    llama_folder: Path, tokenizer: PreTrainedTokenizerBase, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Path]:
    """A base policy, one that ends its responses sooner, a reward model, and prompts."""
    root = tmp_path_factory.mktemp("evaluate")
    brief = AutoModelForCausalLM.from_pretrained(llama_folder)
    with torch.no_grad():  # the first channel of every state is a constant: the head's first column is a bias
        brief.lm_head.weight[tokenizer.eos_token_id, 0] += 1.0
    brief.save_pretrained(root / "brief")
    tokenizer.save_pretrained(root / "brief")
    torch.manual_seed(0)
    reward = AutoModelForSequenceClassification.from_pretrained(llama_folder, num_labels=1)
    reward.save_pretrained(root / "reward")
    tokenizer.save_pretrained(root / "reward")
    (root / "prompts.jsonl").write_text("".join(json.dumps({"prompt": f"say word {i}"}) + "\n" for i in range(24)))
    return {"base": llama_folder, "brief": root / "brief", "reward": root / "reward", "prompts": root / "prompts.jsonl"}


def run(
    folders: dict[str, Path], model: str, capsys: pytest.CaptureFixture[str], *more: str, baseline: str = "base"
) -> dict[str, float]:
    files = {"model": model, "baseline": baseline, "reward": "reward", "prompts": "prompts"}
    flags = [part for name, key in files.items() for part in (f"--{name}", str(folders[key]))]
    main(["policy", *flags, "--json", "--dtype", "float32", "--max_new_tokens", "24", *more])
    found: dict[str, float] = json.loads(capsys.readouterr().out.splitlines()[-1])
    return found


def test_a_model_against_itself_is_a_draw(folders: dict[str, Path], capsys: pytest.CaptureFixture[str]) -> None:
    found = run(folders, "base", capsys)
    assert found["win_rate"] == 0.5
    assert found["kl"] == 0.0
    assert found["reward"] == found["baseline_reward"]
    assert found["prompts"] == 24


def test_another_model_differs_as_it_should(
    folders: dict[str, Path], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    found = run(folders, "brief", capsys, "--output", str(tmp_path / "rows.jsonl"))
    assert found["kl"] > 0.1
    assert found["answer_tokens"] < found["baseline_answer_tokens"]
    assert found["finished"] >= found["baseline_finished"]
    rows = [json.loads(line) for line in (tmp_path / "rows.jsonl").read_text().splitlines()]
    wins = sum((row["score"] > row["baseline_score"]) + 0.5 * (row["score"] == row["baseline_score"]) for row in rows)
    assert found["win_rate"] == pytest.approx(wins / 24)
    assert rows[3]["prompt"] == "say word 3"
    paid = [(row[f"{side}finished"], row[f"{side}score"]) for row in rows for side in ("", "baseline_")]
    ended, unended = ([score for finished, score in paid if finished is wanted] for wanted in (True, False))
    assert max(unended) <= min(ended) - 1.0 + 1e-6  # in one batch, whoever gave them


def test_the_baselines_reward_is_the_same_beside_every_policy(
    folders: dict[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    beside = [run(folders, model, capsys, baseline="brief") for model in ("brief", "base")]
    assert beside[0]["baseline_finished"] < 1
    assert beside[0]["baseline_reward"] == beside[1]["baseline_reward"]


def test_a_policy_is_no_reward_model(folders: dict[str, Path], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(InputError, match="no reward model"):
        run({**folders, "reward": folders["base"]}, "base", capsys)
