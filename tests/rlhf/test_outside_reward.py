"""Reward models of other trainers: brought in, and scored exactly as they were trained."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest
import torch
from transformers import AutoModelForSequenceClassification, LlamaConfig, PreTrainedTokenizerBase

from rlhf.base_models import PREPARED, main, prepare
from rlhf.chat_format import encode_whole, load_tokenizer
from rlhf.config import InputError
from rlhf.evaluate_reward import EvaluateRewardConfig, ScoreConfig, evaluate_reward, score_file
from rlhf.reward_files import load_reward_model, new_reward_model
from rlhf.reward_model import HEADS_FILE
from rlhf.scorer import Scorer
from rlhf.types import Draw, Messages, Sample, SamplingSettings, user_message
from tests.rlhf.tokenizers import chatml

MOST = 1 << 30
TALK: list[Messages] = [
    user_message("How are you?"),
    [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "One?"},
        {"role": "assistant", "content": "Two."},
        {"role": "user", "content": "Three?"},
    ],
]


def silent(text: str) -> None:
    pass


def classifier(folder: Path, tokenizer: PreTrainedTokenizerBase, **over: Any) -> Path:
    """What TRL's RewardTrainer leaves: a classifier with a linear head, its tokenizer beside it."""
    shape = {
        "vocab_size": len(tokenizer), "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2,
        "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 256, "initializer_range": 0.3,
        "num_labels": 1, "pad_token_id": tokenizer.pad_token_id, "bos_token_id": None, "eos_token_id": None,
    }  # fmt: skip
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        model = AutoModelForSequenceClassification.from_config(LlamaConfig(**shape | over), dtype=torch.float32)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """One whose template writes a line's end after the token that closes an answer, which is read last."""
    tokenizer = chatml()
    tokenizer.pad_token = "<|endoftext|>"
    return classifier(tmp_path / "outside", tokenizer)


def as_its_author_does(folder: Path, messages: Messages, answer: str) -> float:
    """The card of any such model: the template, then the model's logit."""
    model = AutoModelForSequenceClassification.from_pretrained(folder, dtype=torch.float32).eval()
    tokenizer = load_tokenizer(folder)
    talk = cast(Any, [*messages, {"role": "assistant", "content": answer}])
    ids = tokenizer.apply_chat_template(talk, tokenize=True, return_dict=False)
    with torch.no_grad():
        return float(model(input_ids=torch.tensor([ids])).logits[0, 0])


def test_it_scores_by_file_and_by_sample_what_its_author_would_get(outside: Path, tmp_path: Path) -> None:
    prepare(str(outside), tmp_path / "model", kind="reward", say=silent)
    expected = [as_its_author_does(outside, messages, "I am well.") for messages in TALK]
    assert abs(expected[0] - expected[1]) > 1e-3
    rows = [{"prompt": messages, "response": "I am well."} for messages in TALK]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    for model in (outside, tmp_path / "model"):
        output = tmp_path / f"{model.name}.jsonl"
        score_file(
            ScoreConfig(dtype="float32", model=str(model), data=str(tmp_path / "rows.jsonl"), output=str(output))
        )
        found = [json.loads(line)["score"] for line in output.read_text().splitlines()]
        assert found == pytest.approx(expected, abs=1e-5)

    # By a policy of another tokenizer, and by one of the same: it reads text either way.
    reward = load_reward_model(tmp_path / "model")
    assert reward.reads_whole
    sample = Sample([1, 2], [3, 4], [0.0, 0.0], "stop", "I am well.", Draw(SamplingSettings()), ended=True)
    for policy in (load_tokenizer(outside), load_tokenizer(tmp_path / "model")):
        scorer = Scorer(reward, load_tokenizer(tmp_path / "model"), policy, longest=16)
        assert not scorer.same_tokens
        assert scorer(TALK, [sample, sample]).tolist() == pytest.approx(expected, abs=1e-5)


def test_pairs_are_measured_the_same_way(outside: Path, tmp_path: Path) -> None:
    pairs = [
        {"prompt": messages, "chosen": f"Yes, {place}.", "rejected": f"No, {place}. Never."}
        for place in range(5)
        for messages in TALK
    ]
    (tmp_path / "pairs.jsonl").write_text("".join(json.dumps(pair) + "\n" for pair in pairs))
    found = evaluate_reward(
        EvaluateRewardConfig(dtype="float32", model=str(outside), data=str(tmp_path / "pairs.jsonl"))
    )
    better = sum(
        as_its_author_does(outside, cast(Messages, pair["prompt"]), str(pair["chosen"]))
        > as_its_author_does(outside, cast(Messages, pair["prompt"]), str(pair["rejected"]))
        for pair in pairs
    )
    assert found["accuracy"] == pytest.approx(better / len(pairs))
    assert found["pairs"] == len(pairs)


def test_what_is_too_long_loses_its_oldest_words() -> None:
    tokenizer = chatml()
    whole, cut = encode_whole(tokenizer, TALK[1], "Four.", MOST)
    assert not cut
    assert encode_whole(tokenizer, TALK[1], "Four.", len(whole)) == (whole, False)
    shorter, cut = encode_whole(tokenizer, TALK[1], "Four.", len(whole) - 1)
    assert (cut, tokenizer.decode(shorter)) == (
        True,
        "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nThree?<|im_end|>\n"
        "<|im_start|>assistant\nFour.<|im_end|>\n",
    )
    least, cut = encode_whole(tokenizer, TALK[1], "Four.", 4)
    assert (len(least), cut, least) == (4, True, whole[-4:])


def test_a_control_token_that_an_answer_spells_out_is_only_text() -> None:
    tokenizer = chatml()
    end = tokenizer.convert_tokens_to_ids("<|im_end|>")
    ids, _ = encode_whole(tokenizer, TALK[0], "Bad.<|im_end|>\n", MOST)
    assert ids.count(end) == 2  # of the question and of the answer, as the template writes them


def test_a_folder_of_our_own_keeps_its_heads_and_is_read_as_it_was_trained(llama_folder: Path, tmp_path: Path) -> None:
    tokenizer = load_tokenizer(llama_folder)
    model = new_reward_model(llama_folder, tokenizer, heads=3, seed=5)
    model.save(tmp_path / "ours", tokenizer, 0.25, 2.0)
    about = prepare(str(tmp_path / "ours"), tmp_path / "copy", kind="reward", say=silent)
    assert about["heads"] == 3
    assert (tmp_path / "copy" / HEADS_FILE).read_bytes() == (tmp_path / "ours" / HEADS_FILE).read_bytes()
    before, copy = load_reward_model(tmp_path / "ours"), load_reward_model(tmp_path / "copy")
    assert not copy.reads_whole
    assert (copy.hf.config.mean, copy.hf.config.std) == (0.25, 2.0)
    assert all(torch.equal(a, b) for a, b in zip(before.state_dict().values(), copy.state_dict().values(), strict=True))


def test_one_without_a_pad_token_is_given_one(tmp_path: Path) -> None:
    folder = classifier(tmp_path / "padless", chatml(), pad_token_id=None)
    prepare(str(folder), tmp_path / "model", kind="reward", say=silent)
    reward = load_reward_model(tmp_path / "model")
    assert reward.pad_id == reward.hf.config.pad_token_id
    answer = "Well."
    output = tmp_path / "scores.jsonl"
    (tmp_path / "row.jsonl").write_text(json.dumps({"prompt": TALK[0], "response": answer}) + "\n")
    score_file(
        ScoreConfig(
            dtype="float32", model=str(tmp_path / "model"), data=str(tmp_path / "row.jsonl"), output=str(output)
        )
    )
    expected = as_its_author_does(folder, TALK[0], answer)
    assert json.loads(output.read_text())["score"] == pytest.approx(expected, abs=1e-5)


def _labels(folder: Path) -> None:
    classifier(folder, chatml(), num_labels=2)


def _language(folder: Path) -> None:
    prepare("tiny:1", folder, say=silent)


def _no_template(folder: Path) -> None:
    tokenizer = chatml()
    tokenizer.chat_template = None
    classifier(folder, tokenizer)


def _pickled(folder: Path) -> None:
    classifier(folder, chatml())
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")


def _broken(folder: Path) -> None:
    classifier(folder, chatml())
    model = AutoModelForSequenceClassification.from_pretrained(folder)
    model.score.weight.data[:] = float("nan")
    model.save_pretrained(folder)


def _short_vocabulary(folder: Path) -> None:
    classifier(folder, chatml(), vocab_size=100)


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (_labels, "a sequence classifier with one label"),
        (_language, "a sequence classifier with one label"),
        (_no_template, "has no chat template"),
        (_pickled, "a pickle can run code"),
        (_broken, "not finite"),
        (_short_vocabulary, "the model knows only 100"),
    ],
)
def test_what_is_no_whole_reward_model_is_refused(make: Callable[[Path], None], sentence: str, tmp_path: Path) -> None:
    make(tmp_path / "source")
    with pytest.raises(InputError, match=sentence):
        prepare(str(tmp_path / "source"), tmp_path / "out" / "model", kind="reward", say=silent)
    assert list((tmp_path / "out").iterdir()) == []


def test_the_command_takes_the_kind(outside: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "model"
    main(["--source", str(outside), "--output", str(output), "--kind", "reward"])
    told = json.loads(capsys.readouterr().out)
    assert told["architecture"] == "LlamaForSequenceClassification"
    assert json.loads((output / PREPARED).read_text())["heads"] == 1
    with pytest.raises(InputError, match="is a language model"):
        prepare("tiny:1", tmp_path / "tiny", kind="reward", say=silent)
