"""Best-of-n: the best by a mix of rewards, all with their scores on request, and what goes wrong."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import PreTrainedTokenizerBase

from rlhf.best_of import Chooser
from rlhf.config import InputError, from_mapping
from rlhf.demonstrations import load_demonstrations
from rlhf.sample import sample
from rlhf.sample_settings import SampleConfig
from rlhf.scorer import load_rewards
from rlhf.types import Draw, Sample, SamplingSettings, user_message

JUDGE = """
def short(prompts, responses):
    assert len({str(prompt) for prompt in prompts}) == 1
    return [-len(text) for text in responses]

def fails(prompts, responses):
    if "people" in prompts[0][-1]["content"]:
        raise OSError("no connection")
    return [0.0] * len(responses)
"""
ROWS: list[dict[str, Any]] = [
    {"prompt": "What is life?", "id": 7},
    {"messages": [*user_message("hi"), {"role": "assistant", "content": "yes"}, *user_message("and?")]},
    {"prompt": "please write about the people"},
]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "judge_best.py").write_text(JUDGE)
    (tmp_path / "prompts.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def config(model: Path, here: Path, **settings: Any) -> SampleConfig:
    common = {"max_new_tokens": 20, "dtype": "float32", "strategy": "stochastic", "best_of": 5, "device": "cpu"}
    paths = {"model": model, "prompts": here / "prompts.jsonl", "output": here / "out.jsonl"}
    return SampleConfig(**(paths | common | settings))


def rows(here: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (here / "out.jsonl").read_text().split("\n")[:-1]]


def test_the_best_is_written_and_is_a_demonstration(llama_folder: Path, here: Path) -> None:
    reward = "judge_best:short - 0.5*length"
    summary = sample(config(llama_folder, here, reward=reward, all_scores=True))
    everything = rows(here)
    (here / "out.jsonl").unlink()
    best = sample(config(llama_folder, here, reward=reward))
    assert (best["answers"], best["prompts"]) == (15, 3)
    for row, given, whole in zip(rows(here), ROWS, everything, strict=True):
        assert {name: row[name] for name in given} == given
        assert len(whole["responses"]) == 5
        scores = [response["score"] for response in whole["responses"]]
        assert scores == sorted(scores, reverse=True)
        assert row["responses"] == whole["responses"][:1]
        assert row["completion"] == row["responses"][0]["text"]
        ended = [response for response in whole["responses"] if response["finish_reason"] == "stop"]
        for response in ended:
            assert response["rewards"] == {"judge_best:short": -len(response["text"]), "length": response["tokens"]}
            assert response["score"] == -len(response["text"]) - 0.5 * response["tokens"]
        if ended:
            assert row["responses"][0]["score"] == max(response["score"] for response in ended)
    assert best["reward"] == summary["reward"] == sum(row["responses"][0]["score"] for row in rows(here)) / 3
    found, report = load_demonstrations(here / "out.jsonl", max_bad_share=1.0)
    assert [each.messages[-1]["content"] for each in found] == [row["completion"] for row in rows(here)]
    assert report.bad == []


def test_an_unfinished_response_is_never_the_best_where_one_ended(tokenizer: PreTrainedTokenizerBase) -> None:
    def response(tokens: int, ended: bool) -> Sample:
        return Sample([5], [7] * tokens, [0.0] * tokens, "stop", "a", Draw(SamplingSettings()), ended=ended)

    mix = load_rewards("length", tokenizer, longest=64, dtype=torch.float32)
    found = Chooser(mix, 1.0)(user_message("q"), [response(30, False), response(4, True), response(2, True)])
    assert [each["score"] for each in found] == [1.0, 4.0, 2.0]  # 1 less than the worst that ended
    assert [each["rewards"] for each in found] == [{"length": 30.0}, {"length": 4.0}, {"length": 2.0}]


def test_a_function_that_fails_leaves_no_file_and_can_be_mended(llama_folder: Path, here: Path) -> None:
    with pytest.raises(InputError, match="judge_best:fails cannot be used: OSError: no connection"):
        sample(config(llama_folder, here, reward="judge_best:fails"))
    assert not (here / "out.jsonl").exists()
    (here / "judge_best.py").write_text(JUDGE.replace("people", "nobody"))
    assert sample(config(llama_folder, here, reward="judge_best:fails"))["prompts"] == 3


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"best_of": 4}, "Say what the best response is chosen by: set reward"),
        ({"reward": "length"}, "set best_of"),
        ({"all_scores": True}, "set best_of"),
        ({"best_of": 8, "reward": "length", "max_rows": 4}, "raise max_rows"),
    ],
)
def test_settings_that_need_each_other(changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        from_mapping(SampleConfig, {"model": "m", "prompts": "p", "output": "o", **changes})
