import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from rlhf.chat_format import encode_prompt, encode_response
from rlhf.config import InputError
from rlhf.evaluate import main
from rlhf.evaluate_reward import ScoreConfig, score_file
from rlhf.reward_config import RewardConfig
from rlhf.train_reward import train_reward
from tests.rlhf.preference_files import pair_rows, read_rows, write_rows


@pytest.fixture(scope="module")
def reward_folder(llama_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A reward model of two heads that has learned the rule of `preference_files`."""
    folder = tmp_path_factory.mktemp("reward")
    data = write_rows(folder / "pairs.jsonl", pair_rows(80))
    settings = {"learning_rate": 3e-3, "num_train_epochs": 4, "train_batch_size": 8, "heads": 2, "device": "cpu"}
    train_reward(RewardConfig(model=str(llama_folder), data=str(data), output=str(folder / "run"), **settings))
    return folder / "run" / "model"


def score_rows(count: int) -> list[dict[str, Any]]:
    rows = pair_rows(count, seed=5)
    responses = [
        {"prompt": row["prompt"], "response": row[name], "id": name} for row in rows for name in ("chosen", "rejected")
    ]
    many = [{"prompt": [{"role": "user", "content": "hello"}], "response": f"{i} please", "id": i} for i in range(20)]
    return [*responses, *many, {"prompt": "hello", "response": "", "id": "empty"}]


def test_scores_are_those_of_plain_transformers_whatever_the_grouping(reward_folder: Path, tmp_path: Path) -> None:
    rows = score_rows(10)
    data = write_rows(tmp_path / "in.jsonl", rows)
    main(["score", "--model", str(reward_folder), "--data", str(data), "--output", str(tmp_path / "out.jsonl"),
          "--dtype", "float32", "--token_budget", "200"])  # fmt: skip
    scored = read_rows(tmp_path / "out.jsonl")
    assert [{k: v for k, v in row.items() if not k.startswith("score")} for row in scored] == rows

    tokenizer = AutoTokenizer.from_pretrained(reward_folder)
    model = AutoModelForSequenceClassification.from_pretrained(reward_folder).eval()
    for row in scored:
        prompt = row["prompt"] if isinstance(row["prompt"], list) else [{"role": "user", "content": row["prompt"]}]
        ids = encode_prompt(tokenizer, prompt) + encode_response(tokenizer, row["response"])
        with torch.no_grad():
            expected = float(model(input_ids=torch.tensor([ids])).logits[0, 0])
        assert row["score"] == pytest.approx(expected, abs=1e-4)
        assert row["score_std"] > 0
    assert not (tmp_path / "out.jsonl.part").exists()


def test_features_are_the_trunks_states_whatever_the_grouping(reward_folder: Path, tmp_path: Path) -> None:
    rows = [*score_rows(3), {"prompt": "hello", "response": None}]
    files = {"data": str(write_rows(tmp_path / "in.jsonl", rows)), "output": str(tmp_path / "out.jsonl")}
    files["features"] = str(tmp_path / "features.npz")
    score_file(ScoreConfig(model=str(reward_folder), **files, dtype="float32", token_budget=200, max_bad_share=0.5))
    with np.load(tmp_path / "features.npz") as kept:
        places, states, tokens = kept["rows"], kept["states"], kept["tokens"]
    assert places.tolist() == list(range(len(rows) - 1))  # the last has no text
    assert states.dtype == np.float16

    tokenizer = AutoTokenizer.from_pretrained(reward_folder)
    trunk = AutoModelForSequenceClassification.from_pretrained(reward_folder).eval().base_model
    for row, state, count in zip(rows, states, tokens, strict=False):
        prompt = row["prompt"] if isinstance(row["prompt"], list) else [{"role": "user", "content": row["prompt"]}]
        response = encode_response(tokenizer, row["response"])
        with torch.no_grad():
            ids = torch.tensor([encode_prompt(tokenizer, prompt) + response])
            own = trunk(input_ids=ids).last_hidden_state[0, -len(response) :]
        assert count == len(response)
        assert np.abs(state - torch.cat([own.mean(dim=0), own[-1]]).numpy()).max() < 5e-3


def test_the_rule_is_measured_on_unseen_pairs(
    reward_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = write_rows(tmp_path / "unseen.jsonl", pair_rows(40, seed=9))
    main(["reward", "--model", str(reward_folder), "--data", str(data), "--json"])
    found = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert found["accuracy"] > 0.9
    assert found["accuracy_low"] < found["accuracy"] <= found["accuracy_high"]
    assert (found["pairs"], found["ties"]) == (40, 3)
    assert sum(row["pairs"] for row in found["accuracy_by_length"]) == 37
    main(["reward", "--model", str(reward_folder), "--data", str(data)])
    assert "accuracy" in capsys.readouterr().out


def test_a_file_in_the_form_of_rewardbench(
    reward_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = ["alpacaeval-easy", "donotanswer", "our own"]
    kept = [row for row in pair_rows(60, seed=9) if row.get("preference", 1.0) == 1.0]
    rows = [
        {name: row[name] for name in ("prompt", "chosen", "rejected")} | {"subset": names[i % 3], "id": i}
        for i, row in enumerate(kept)
    ]
    data = write_rows(tmp_path / "bench.jsonl", rows)
    main(["reward", "--model", str(reward_folder), "--data", str(data), "--json"])
    found = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert [(row["subset"], row["section"]) for row in found["subsets"]] == [
        ("alpacaeval-easy", "Chat"), ("donotanswer", "Safety"), ("our own", None),
    ]  # fmt: skip
    assert sum(row["pairs"] for row in found["subsets"]) == len(kept)
    weighted = sum(row["pairs"] * row["accuracy"] for row in found["subsets"]) / len(kept)
    assert weighted == pytest.approx(found["accuracy"])
    assert found["score"] == pytest.approx(sum(found["sections"].values()) / 2)
    assert 0 < found["ece_if_perfect"] < 0.3
    main(["reward", "--model", str(reward_folder), "--data", str(data)])
    said = capsys.readouterr().out
    assert "Safety  " in said
    assert "  donotanswer  " in said


def test_a_row_that_cannot_be_scored_keeps_its_place(reward_folder: Path, tmp_path: Path) -> None:
    rows = [*score_rows(20), {"prompt": "a", "response": "b " * 400}, {"prompt": "a", "response": 5}]
    data = write_rows(tmp_path / "in.jsonl", rows)
    main(["score", "--model", str(reward_folder), "--data", str(data), "--output", str(tmp_path / "out.jsonl")])
    scored = read_rows(tmp_path / "out.jsonl")
    assert [row["score"] is None for row in scored] == [False] * (len(rows) - 2) + [True, True]
    assert "402 tokens, too many for 256" in scored[-2]["score_error"]
    assert "no text as its response" in scored[-1]["score_error"]


def test_a_score_does_not_depend_on_other_rows_where_a_prompt_is_cut(reward_folder: Path, tmp_path: Path) -> None:
    prompt = "the cat runs fast " * 100
    rows = [{"prompt": prompt, "response": "short please"}, {"prompt": prompt, "response": "much longer " * 20}]
    scores = []
    for name, part in (("both", rows), ("one", rows[:1])):
        data = write_rows(tmp_path / f"{name}.jsonl", part)
        main(["score", "--model", str(reward_folder), "--data", str(data), "--output", str(tmp_path / "out.jsonl"),
              "--dtype", "float32"])  # fmt: skip
        scores.append(read_rows(tmp_path / "out.jsonl")[0]["score"])
    assert scores[0] == pytest.approx(scores[1], abs=1e-5)


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        ([], "say what to evaluate"),
        (["rewards"], "say what to evaluate"),
        (["reward", "--data", "x"], "--model is required"),
        (["score", "--model", "/nowhere", "--data", "/nowhere.jsonl", "--output", "x"], "there is no file"),
    ],
)
def test_bad_command_lines(argv: list[str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        main(argv)


def test_a_policy_is_no_reward_model(llama_folder: Path, tmp_path: Path) -> None:
    data = write_rows(tmp_path / "in.jsonl", score_rows(1))
    result = subprocess.run(
        [sys.executable, "-m", "rlhf.evaluate", "score", "--model", str(llama_folder), "--data", str(data),
         "--output", str(tmp_path / "out.jsonl")],
        capture_output=True,
        text=True,
    )  # fmt: skip
    assert result.returncode == 2
    assert "is no reward model" in result.stderr.splitlines()[-1]
    assert result.stderr.splitlines()[-1].startswith("error: ")
    assert not (tmp_path / "out.jsonl").exists()


def test_help_is_there_without_loading_torch() -> None:
    for argv in (["--help"], ["score", "--help"], ["reward", "--help"]):
        run = f"try: main({argv!r})\nfinally: sys.exit('torch' in sys.modules)"
        code = f"import sys; from rlhf.evaluate import main\n{run}"
        assert subprocess.run([sys.executable, "-c", code], capture_output=True).returncode == 0
