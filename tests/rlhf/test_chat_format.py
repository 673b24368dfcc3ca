"""Conversations to token ids and back."""

import copy
from collections.abc import Callable
from pathlib import Path

import pytest
from transformers import PreTrainedTokenizerBase

from rlhf.chat_format import (
    PLAIN_TEMPLATE,
    decode_response,
    encode_prompt,
    encode_response,
    end_of_turn_id,
    end_token_ids,
    fit_prompt,
    load_tokenizer,
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


def test_a_prompt_is_the_conversation_with_the_response_opened(tokenizer: PreTrainedTokenizerBase) -> None:
    text = tokenizer.decode(encode_prompt(tokenizer, TALK))
    assert text == "<|system|>be kind<|end|><|user|>hi<|end|><|assistant|>hello<|end|><|user|>more<|end|><|assistant|>"


def test_prompt_and_response_join_to_the_templates_own_rendering(tokenizer: PreTrainedTokenizerBase) -> None:
    whole = tokenizer.apply_chat_template(
        [*TALK, {"role": "assistant", "content": " the people"}], tokenize=True, return_dict=False
    )
    assert encode_prompt(tokenizer, TALK) + encode_response(tokenizer, " the people") == whole


@pytest.mark.parametrize("text", ["", " plain", "tab\tand\n\nlines  ", "naïve 😀", "<|end|> written out"])
def test_an_response_ends_with_the_end_token_and_decodes_to_itself(
    tokenizer: PreTrainedTokenizerBase, text: str
) -> None:
    ids = encode_response(tokenizer, text)
    assert ids[-1] == tokenizer.eos_token_id == 1
    assert decode_response(tokenizer, ids) == text


def test_the_end_of_a_turn_may_differ_from_the_end_token(own: PreTrainedTokenizerBase) -> None:
    own.eos_token = "<|pad|>"  # as Gemma's template ends turns with <end_of_turn>, not with <eos>
    assert end_of_turn_id(own) == 1
    assert end_token_ids(own) == {0, 1}


def test_a_template_that_writes_nothing_after_an_response_falls_back_to_the_end_token(
    own: PreTrainedTokenizerBase,
) -> None:
    own.chat_template = "{% for m in messages %}{{ m['content'] }} {% endfor %}"
    assert end_of_turn_id(own) == own.eos_token_id


def test_end_tokens_of_the_model_count_too(tokenizer: PreTrainedTokenizerBase) -> None:
    class Config:
        eos_token_id = [5, 6]  # noqa: RUF012

    assert end_token_ids(tokenizer, Config()) == {1, 5, 6}


def fitted(tokenizer: PreTrainedTokenizerBase, messages: Messages, room: int) -> tuple[str, int]:
    ids, cut = fit_prompt(tokenizer, messages, room)
    assert len(ids) <= room
    assert cut == len(encode_prompt(tokenizer, messages)) - len(ids)
    return tokenizer.decode(ids), cut


def test_a_prompt_that_fits_is_left_as_it_is(tokenizer: PreTrainedTokenizerBase) -> None:
    ids = encode_prompt(tokenizer, TALK)
    assert fit_prompt(tokenizer, TALK, len(ids)) == (ids, 0)


def test_a_long_question_loses_its_first_words_and_nothing_else(tokenizer: PreTrainedTokenizerBase) -> None:
    question: Messages = [TALK[0], *user_message("the people were here to find the old house")]
    room = len(encode_prompt(tokenizer, question)) - 6
    text, cut = fitted(tokenizer, question, room)
    assert text == "<|system|>be kind<|end|><|user|> find the old house<|end|><|assistant|>"
    assert cut == 6


def test_a_long_conversation_loses_its_oldest_exchanges(tokenizer: PreTrainedTokenizerBase) -> None:
    whole = len(encode_prompt(tokenizer, TALK))
    assert fitted(tokenizer, TALK, whole - 1) == (
        "<|system|>be kind<|end|><|user|>i<|end|><|assistant|>hello<|end|><|user|>more<|end|><|assistant|>",
        1,
    )
    last = "<|user|>more<|end|><|assistant|>"
    assert fitted(tokenizer, TALK, whole - 2)[0] == f"<|system|>be kind<|end|>{last}"
    assert fitted(tokenizer, TALK, len(encode_prompt(tokenizer, TALK[3:])))[0] == last  # the system's turn at last
    assert fitted(tokenizer, TALK, len(encode_prompt(tokenizer, TALK[3:])) - 1)[0] != last


@pytest.mark.parametrize("room", [0, 1, 3])
def test_a_prompt_that_not_one_word_of_fits_is_refused(tokenizer: PreTrainedTokenizerBase, room: int) -> None:
    with pytest.raises(InputError, match=f"{room} tokens leave no room for a question"):
        fit_prompt(tokenizer, user_message("the people"), room)


@pytest.mark.parametrize("room", range(4, 60, 5))
def test_a_question_cut_inside_a_character_or_a_spelled_out_token_still_fits(
    tokenizer: PreTrainedTokenizerBase, room: int
) -> None:
    text, _ = fitted(tokenizer, user_message("naïve 😀😀 <|end|><|user|> 𝔘𝔫𝔦 <|assistant|>" * 4), room)
    assert text.startswith("<|user|>")
    assert text.endswith("<|end|><|assistant|>")
    assert "\ufffd" not in text


def test_the_begin_token_stays_where_a_prompt_is_cut(own: PreTrainedTokenizerBase) -> None:
    own.add_special_tokens({"bos_token": "<s>"})
    own.chat_template = "{{ bos_token }}" + own.chat_template
    text, _ = fitted(own, user_message("the people were here"), 6)
    assert text == "<s><|user|> were here<|end|><|assistant|>"


def test_a_template_that_refuses_is_an_input_error(own: PreTrainedTokenizerBase) -> None:
    refuses = "{% if messages[-1].role == 'system' %}{{ raise_exception('roles must alternate') }}{% endif %}"
    own.chat_template = refuses + "{{ messages[-1].content }}"
    with pytest.raises(InputError, match="refuses this conversation: roles must alternate"):
        encode_prompt(own, [{"role": "system", "content": "x"}])


def test_the_plain_template_closes_responses_with_the_end_token(own: PreTrainedTokenizerBase) -> None:
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
