"""Conversations to token ids and back."""

import copy
from collections.abc import Callable
from pathlib import Path

import pytest
from transformers import PreTrainedTokenizerBase

from rlhf.chat_format import (
    PLAIN_TEMPLATE,
    decode_answer,
    encode_answer,
    encode_prompt,
    end_of_turn_id,
    end_token_ids,
    load_tokenizer,
    truncate_prompt,
)
from rlhf.config import InputError
from rlhf.types import Messages, user_message

TALK: Messages = [
    {"role": "system", "content": "be kind"},
    {"role": "user", "content": "hi"},
    {"role": "assistant", "content": "hello"},
    {"role": "user", "content": "more"},
]


@pytest.fixture
def own(tokenizer: PreTrainedTokenizerBase) -> PreTrainedTokenizerBase:
    """A tokenizer that a test may change."""
    return copy.deepcopy(tokenizer)


def test_a_prompt_is_the_conversation_with_the_answer_opened(tokenizer: PreTrainedTokenizerBase) -> None:
    text = tokenizer.decode(encode_prompt(tokenizer, TALK))
    assert text == "<|system|>be kind<|end|><|user|>hi<|end|><|assistant|>hello<|end|><|user|>more<|end|><|assistant|>"


def test_prompt_and_answer_join_to_the_templates_own_rendering(tokenizer: PreTrainedTokenizerBase) -> None:
    whole = tokenizer.apply_chat_template(
        [*TALK, {"role": "assistant", "content": " the people"}], tokenize=True, return_dict=False
    )
    assert encode_prompt(tokenizer, TALK) + encode_answer(tokenizer, " the people") == whole


@pytest.mark.parametrize("text", ["", " plain", "tab\tand\n\nlines  ", "naïve 😀", "<|end|> written out"])
def test_an_answer_ends_with_the_end_token_and_decodes_to_itself(tokenizer: PreTrainedTokenizerBase, text: str) -> None:
    ids = encode_answer(tokenizer, text)
    assert ids[-1] == tokenizer.eos_token_id == 1
    assert decode_answer(tokenizer, ids) == text


def test_the_end_of_a_turn_may_differ_from_the_end_token(own: PreTrainedTokenizerBase) -> None:
    own.eos_token = "<|pad|>"  # as Gemma's template ends turns with <end_of_turn>, not with <eos>
    assert end_of_turn_id(own) == 1
    assert end_token_ids(own) == {0, 1}


def test_a_template_that_writes_nothing_after_an_answer_falls_back_to_the_end_token(
    own: PreTrainedTokenizerBase,
) -> None:
    own.chat_template = "{% for m in messages %}{{ m['content'] }} {% endfor %}"
    assert end_of_turn_id(own) == own.eos_token_id


def test_end_tokens_of_the_model_count_too(tokenizer: PreTrainedTokenizerBase) -> None:
    class Config:
        eos_token_id = [5, 6]  # noqa: RUF012

    assert end_token_ids(tokenizer, Config()) == {1, 5, 6}


def test_truncation_cuts_from_the_left_and_counts() -> None:
    assert truncate_prompt([1, 2, 3, 4], 3) == ([2, 3, 4], 1)
    assert truncate_prompt([1, 2], 3) == ([1, 2], 0)


def test_a_template_that_refuses_is_an_input_error(own: PreTrainedTokenizerBase) -> None:
    own.chat_template = "{{ raise_exception('roles must alternate') }}"
    with pytest.raises(InputError, match="refuses this conversation: roles must alternate"):
        encode_prompt(own, user_message("x"))


def test_the_plain_template_closes_answers_with_the_end_token(own: PreTrainedTokenizerBase) -> None:
    own.chat_template = PLAIN_TEMPLATE
    assert (
        own.decode(encode_prompt(own, TALK[1:]))
        == "User:\nhi\n\nAssistant:\nhello<|end|>\n\nUser:\nmore\n\nAssistant:\n"
    )
    assert end_of_turn_id(own) == own.eos_token_id


def test_a_missing_pad_token_gets_a_filler(own: PreTrainedTokenizerBase, tmp_path: Path) -> None:
    own.pad_token = None
    own.save_pretrained(tmp_path)
    assert load_tokenizer(tmp_path).pad_token_id == 1


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (lambda own: setattr(own, "chat_template", None), "has no chat template"),
        (lambda own: setattr(own, "eos_token", None), "has no end token"),
    ],
)
def test_tokenizers_that_cannot_serve(
    own: PreTrainedTokenizerBase, tmp_path: Path, spoil: Callable[[PreTrainedTokenizerBase], None], sentence: str
) -> None:
    spoil(own)
    own.save_pretrained(tmp_path)
    with pytest.raises(InputError, match=sentence):
        load_tokenizer(tmp_path)


def test_foreign_and_missing_folders(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    for path in (tmp_path, tmp_path / "missing"):
        with pytest.raises(InputError, match="holds no tokenizer"):
            load_tokenizer(path)
