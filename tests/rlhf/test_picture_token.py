"""A tokenizer with a token that its model has no row for, as the small Gemma 3 has its relatives' one for pictures."""

import json
from pathlib import Path

import pytest

from rlhf import train
from rlhf.base_models import prepare
from rlhf.chat_format import encode_prompt, load_tokenizer
from rlhf.config import InputError
from rlhf.model_config import rows_of
from rlhf.tiny_model import tiny_tokenizer
from rlhf.types import user_message
from tests.rlhf import architectures
from tests.rlhf.preference_files import pair_rows, write_rows
from tests.rlhf.test_base_models import nothing_left, silent

PICTURE = "<image_soft_token>"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    tokenizer = tiny_tokenizer()
    architectures.save("gemma3_text", tmp_path / "source", tokenizer)
    tokenizer.add_special_tokens({"additional_special_tokens": [PICTURE]})
    tokenizer.save_pretrained(tmp_path / "source")
    return tmp_path / "source"


def test_it_is_prepared_and_trained(source: Path, tmp_path: Path) -> None:
    base = tmp_path / "base"
    about = prepare(str(source), base, say=silent)
    rows = about["vocabulary"]
    tokenizer = load_tokenizer(base)
    assert tokenizer.convert_tokens_to_ids(PICTURE) == rows
    assert max(encode_prompt(tokenizer, user_message(f"What is {PICTURE}?"))) < rows  # what people write is only text

    pairs = write_rows(tmp_path / "pairs.jsonl", [row | {"chosen": f"{PICTURE}!"} for row in pair_rows(24)])
    common = ["--dtype=float32", "--max_length=64"]
    train.main(["reward", f"--model={base}", f"--data={pairs}", f"--output={tmp_path / 'r'}", *common])
    train.main(
        [
            "ppo",
            f"--model={base}",
            f"--reward={tmp_path / 'r' / 'model'}",
            f"--prompts={pairs}",
            f"--output={tmp_path / 'p'}",
            "--total_episodes=8",
            "--dtype=float32",
            "--batch_size=4",
            "--max_new_tokens=8",
        ]
    )
    assert rows_of(tmp_path / "p" / "model") == rows
    metrics = [json.loads(line) for line in (tmp_path / "p" / "metrics.jsonl").read_text().splitlines()]
    assert all(abs(row["policy/sampler_kl"]) < 1e-4 for row in metrics if "policy/sampler_kl" in row)

    again = prepare(str(tmp_path / "r" / "model"), tmp_path / "again", kind="reward", say=silent)
    assert again["vocabulary"] == rows_of(tmp_path / "r" / "model")


def test_a_token_that_texts_can_have_is_refused(source: Path, tmp_path: Path) -> None:
    tokenizer = load_tokenizer(source)
    tokenizer.add_tokens(["honey"])
    tokenizer.save_pretrained(source)
    with pytest.raises(InputError, match="tokens, but the model knows only"):
        prepare(str(source), tmp_path / "base", say=silent)
    assert nothing_left(tmp_path / "base")


def test_a_token_that_the_template_writes_is_refused(source: Path, tmp_path: Path) -> None:
    tokenizer = load_tokenizer(source)
    tokenizer.chat_template = PICTURE + tokenizer.chat_template
    tokenizer.save_pretrained(source)
    with pytest.raises(InputError, match="tokens, but the model knows only"):
        prepare(str(source), tmp_path / "base", say=silent)
    assert nothing_left(tmp_path / "base")
