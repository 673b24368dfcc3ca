"""What a finished training leaves can be read elsewhere: by transformers 4, by servers, by people on a model hub."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from huggingface_hub import ModelCard
from transformers import AutoConfig, AutoTokenizer, PreTrainedTokenizerBase

from rlhf.base_models import prepare
from rlhf.batches import Group
from rlhf.model_card import card, shown
from rlhf.model_files import save_model, save_tokenizer
from rlhf.reward_config import RewardConfig
from rlhf.reward_files import OLD_HEADS_FILE, load_reward_model, new_reward_model
from rlhf.reward_model import HEADS_FILE
from rlhf.sft_settings import SFTConfig
from rlhf.tiny_model import tiny_tokenizer
from rlhf.train_reward import train_reward
from rlhf.train_sft import train_sft
from tests.rlhf import architectures
from tests.rlhf.preference_files import pair_rows, write_rows

LLAMA3 = {
    "rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
    "original_max_position_embeddings": 64,
}  # fmt: skip
LAYERS = {"layer_types": ["sliding_attention", "full_attention"]}
LOCAL = {"rope_type": "default", "rope_theta": 2e4}


# What transformers 4.57 reads, and gave the same logits as transformers 5 with.
@pytest.mark.parametrize(
    ("kind", "rope", "settings", "old"),
    [
        ("llama", {"rope_type": "default", "rope_theta": 5e4}, {}, {"rope_theta": 5e4}),
        ("llama", LLAMA3 | {"rope_theta": 5e5}, {}, {"rope_theta": 5e5, "rope_scaling": LLAMA3}),
        (
            "gpt_neox",
            {"rope_type": "default", "rope_theta": 5e4, "partial_rotary_factor": 0.5},
            {},
            {"rotary_emb_base": 5e4, "rotary_pct": 0.5, "rope_theta": 5e4, "partial_rotary_factor": 0.5},
        ),
        (
            "gemma3_text",
            {"full_attention": {"rope_type": "linear", "factor": 8.0, "rope_theta": 1e6}, "sliding_attention": LOCAL},
            LAYERS,
            {"rope_theta": 1e6, "rope_local_base_freq": 2e4, "rope_scaling": {"rope_type": "linear", "factor": 8.0}},
        ),
        (
            "phi3-longrope",
            None,
            {},
            {"rope_scaling": {"type": "longrope", "short_factor": [1.0] * 4, "long_factor": [4.0] * 4}},
        ),
        ("qwen3_moe", None, {}, {"num_experts": 4}),
    ],
)
def test_a_config_says_the_same_to_transformers_4_and_5(
    kind: str, rope: Any, settings: Any, old: dict[str, Any], tokenizer: PreTrainedTokenizerBase, tmp_path: Path
) -> None:
    model = architectures.build(kind, tokenizer, **({"rope_parameters": rope} if rope else {}), **settings)
    save_model(model, tmp_path)
    saved = json.loads((tmp_path / "config.json").read_text())
    assert {name: saved.get(name) for name in old} == old
    read = AutoConfig.from_pretrained(tmp_path)
    assert {name: value for name, value in read.rope_parameters.items() if name != "type"} == saved["rope_parameters"]
    assert saved["rope_parameters"] == model.config.rope_parameters


def test_names_that_a_kind_reads_otherwise_are_not_written(tokenizer: PreTrainedTokenizerBase, tmp_path: Path) -> None:
    """Gemma-4 has two rotations, and takes an old name for both."""
    model = architectures.build("gemma4_text", tokenizer)
    save_model(model, tmp_path)
    assert AutoConfig.from_pretrained(tmp_path).rope_parameters == model.config.rope_parameters


def test_models_without_a_rotation_are_saved_as_they_are(tokenizer: PreTrainedTokenizerBase, tmp_path: Path) -> None:
    save_model(architectures.build("gpt2", tokenizer), tmp_path)
    assert not [name for name in json.loads((tmp_path / "config.json").read_text()) if name.startswith("rope")]


def test_a_tokenizer_is_of_a_class_that_transformers_4_has(tmp_path: Path) -> None:
    tokenizer = tiny_tokenizer()
    tokenizer.add_special_tokens({"extra_special_tokens": ["<|think|>"]})
    save_tokenizer(tokenizer, tmp_path)
    saved = json.loads((tmp_path / "tokenizer_config.json").read_text())
    assert saved["tokenizer_class"] == "PreTrainedTokenizerFast"
    assert saved["additional_special_tokens"] == ["<|think|>"]
    assert "extra_special_tokens" not in saved  # a mapping in transformers 4
    read = AutoTokenizer.from_pretrained(tmp_path)
    text = "say <|think|> naïve\n\n words<|end|>"
    assert read(text)["input_ids"] == tokenizer(text)["input_ids"]
    assert read.decode(read(text)["input_ids"], skip_special_tokens=True) == "say  naïve\n\n words"
    assert (read.chat_template, read.pad_token, read.eos_token) == (tokenizer.chat_template, "<|pad|>", "<|end|>")


def test_heads_are_no_weights_of_a_server(
    llama_folder: Path, tokenizer: PreTrainedTokenizerBase, tmp_path: Path
) -> None:
    model = new_reward_model(llama_folder, tokenizer, heads=3)
    model.save(tmp_path, tokenizer, 0.0, 1.0)
    assert [path.name for path in tmp_path.glob("*.safetensors")] == ["model.safetensors"]
    groups = [Group([], [[5, 6, 7]])]
    expected = torch.cat(model.score(groups))
    torch.testing.assert_close(torch.cat(load_reward_model(tmp_path).score(groups)), expected)
    (tmp_path / HEADS_FILE).rename(tmp_path / OLD_HEADS_FILE)  # as folders were written before
    torch.testing.assert_close(torch.cat(load_reward_model(tmp_path).score(groups)), expected)


# ---- cards -------------------------------------------------------------------------------------------------------


def base_from_the_hub(root: Path) -> Path:
    """A base model as `rlhf.base_models` leaves it after a download."""
    prepare("tiny:0", root / "base", say=lambda text: None)
    file = root / "base" / "prepared.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"source": "some-lab/words-1", "license": "Apache-2.0"}))
    return root / "base"


def test_a_card_says_what_a_hub_reads_and_nothing_of_the_machine(tmp_path: Path) -> None:
    base = base_from_the_hub(tmp_path)
    data = write_rows(tmp_path / "pairs.jsonl", pair_rows(48))
    shared = {"use_peft": True, "dtype": "float32", "device": "cpu", "data": str(data)}
    train_reward(RewardConfig(model=str(base), output=str(tmp_path / "reward"), heads=2, **shared))
    demonstrations = write_rows(
        tmp_path / "taught.jsonl", [{"prompt": f"say {number}", "completion": "the word"} for number in range(24)]
    )
    sft = SFTConfig(model=str(base), output=str(tmp_path / "sft"), **(shared | {"data": str(demonstrations)}))
    train_sft(sft)
    again = SFTConfig(
        model=str(tmp_path / "sft" / "model"), output=str(tmp_path / "again"), data=str(demonstrations), dtype="float32"
    )
    train_sft(again)

    expected = {
        "reward": ("text-classification", "pairs.jsonl"),
        "sft": ("text-generation", "taught.jsonl"),
        "again": ("text-generation", "taught.jsonl"),
    }
    for name, (task, file) in expected.items():
        for folder in (tmp_path / name / "model", tmp_path / name / "adapter"):
            if not folder.exists():
                assert name == "again"
                continue
            header = ModelCard.load(folder / "README.md").data.to_dict()
            assert header["base_model"] == "some-lab/words-1"
            assert header["license"] == "apache-2.0"
            assert header["datasets"] == [file]
            assert header["pipeline_tag"] == task
            assert header["library_name"] == ("peft" if folder.name == "adapter" else "transformers")
            texts = [*folder.glob("*.json"), *folder.glob("*.md"), *folder.glob("*.jinja")]
            assert len(texts) >= 2
            assert not [path.name for path in texts if str(tmp_path) in path.read_text()]
    adapter = json.loads((tmp_path / "sft" / "adapter" / "adapter_config.json").read_text())
    assert adapter["base_model_name_or_path"] == "some-lab/words-1"
    text = (tmp_path / "sft" / "model" / "README.md").read_text()
    assert "the adapter, which lies in a folder beside this one" in text


def test_a_base_that_nobody_knows_is_called_by_its_folder(llama_folder: Path, tmp_path: Path) -> None:
    data = write_rows(tmp_path / "pairs.jsonl", pair_rows(24))
    config = RewardConfig(model=str(llama_folder), output=str(tmp_path / "run"), data=str(data), dtype="float32")
    train_reward(config)
    header = ModelCard.load(tmp_path / "run" / "model" / "README.md").data.to_dict()
    assert "base_model" not in header
    assert header["license"] == "unknown"
    assert "Base model: `llama`" in (tmp_path / "run" / "model" / "README.md").read_text()


def test_a_mix_of_rewards_is_shown_without_paths(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    settings = {"model": "some-lab/words-1", "reward": f"0.5*{tmp_path}/one + my.rules:polite - 0.1*length", "seed": 1}
    assert shown(settings | {"output": str(tmp_path)}) == settings | {
        "reward": "0.5*one + my.rules:polite - 0.1*length"
    }


def test_a_card_says_where_its_labels_are_from_in_sentences(tmp_path: Path) -> None:
    settings = {"model": str(tmp_path), "data": "pairs.jsonl", "data_note": "5 pairs by 1 annotator.", "seed": 3}
    text = card("Reward model", "text-classification", settings, [], "It scores.", {})
    assert "## Labels\n\n5 pairs by 1 annotator.\n" in text
    assert "data_note" not in text
    assert "## Labels" not in card("Reward model", "text-classification", settings | {"data_note": ""}, [], "", {})
