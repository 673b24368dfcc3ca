"""From a conversation to token ids, by the tokenizer's own chat template.

A response is encoded apart from its prompt and closed by the end-of-turn token, exactly as a model produces it, so
that sampling, reward and PPO see the same ids. Nothing here ever looks for padding by its token: a pad equal to the
end token is common (SmolLM2, GPT-NeoX), so positions come from lengths, and the pad id is only a filler.
"""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, cast

import jinja2
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from rlhf.config import InputError
from rlhf.control_tokens import ControlTokens
from rlhf.folders import LOAD_ERRORS, refuse_no_model
from rlhf.types import Message, Messages

# what a template ends in that refuses a conversation, or is none
_TEMPLATE_ERRORS = (
    jinja2.TemplateError, TypeError, ValueError, LookupError, ArithmeticError, AttributeError, RecursionError,
)  # fmt: skip

PLAIN_TEMPLATE = (
    "{% for message in messages %}{{ message['role'] | capitalize + ':\n' + message['content'] }}"
    "{% if message['role'] == 'assistant' %}{{ eos_token }}{% endif %}{{ '\n\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ 'Assistant:\n' }}{% endif %}"
)  # for base models that have none; `rlhf.base_models --chat_template plain` writes it into the prepared model


def plain_template(tokenizer: PreTrainedTokenizerBase) -> str:
    """The plain template, begun with what the tokenizer puts before a text (`<s>`), for models learned to expect it."""
    bare = tokenizer.encode("a", add_special_tokens=False)
    whole = tokenizer.encode("a")
    places = [place for place in range(len(whole)) if whole[place : place + len(bare)] == bare]
    before = tokenizer.decode(whole[: places[0]]) if places else ""
    return f"{{{{ {json.dumps(before, ensure_ascii=False)} }}}}{PLAIN_TEMPLATE}" if before else PLAIN_TEMPLATE


def load_tokenizer(path: str | Path) -> PreTrainedTokenizerBase:
    """The tokenizer of a prepared model: it has a chat template, an end token and some pad token.

    Raises InputError where the folder is missing or foreign, or the tokenizer is written in Python, or has no end token
    or no chat template that writes a question and its response.
    """
    refuse_no_model(path)
    try:
        tokenizer = cast(PreTrainedTokenizerBase, AutoTokenizer.from_pretrained(str(path), trust_remote_code=False))
    except LOAD_ERRORS as error:
        raise InputError(f"{path} holds no tokenizer that transformers can load: {first_line(error)}") from None
    if not tokenizer.is_fast:
        raise InputError(
            f"the tokenizer of {path}, a {type(tokenizer).__name__}, is none of the tokenizers library: "
            "give a model with a tokenizer.json"
        )
    if tokenizer.chat_template is None:
        raise InputError(
            f"the tokenizer of {path} has no chat template; prepare the model with "
            "`python -m rlhf.base_models --source … --output … --chat_template plain` to give it a plain one"
        )
    if tokenizer.eos_token_id is None:
        raise InputError(f"the tokenizer of {path} has no end token, so responses of it could not end")
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    try:
        end_of_turn_id(tokenizer)
    except _TEMPLATE_ERRORS as error:
        raise InputError(f"the chat template of the tokenizer in {path} cannot be used: {first_line(error)}") from None
    return tokenizer


class NoRoom(InputError):
    """A conversation of which nothing would be left."""


def encode_prompt(tokenizer: PreTrainedTokenizerBase, messages: Messages) -> list[int]:
    """Token ids of the conversation with the opening of the assistant's turn added.

    Control tokens are those that the chat template writes; one spelled out in a message is only text. Raises InputError
    where the template refuses the conversation (some want strictly alternating roles).
    """
    return _encode(tokenizer, messages, opening=True)


def _encode(tokenizer: PreTrainedTokenizerBase, messages: Messages, *, opening: bool) -> list[int]:
    control = control_tokens(tokenizer)
    if control.spelled_out(message["content"] for message in messages):
        return control.encode_rendered(
            lambda quote: _render(
                tokenizer, [{**message, "content": quote(message["content"])} for message in messages], opening
            )
        )
    return cast(list[int], tokenizer.encode(_render(tokenizer, messages, opening), add_special_tokens=False))


def fit_prompt(tokenizer: PreTrainedTokenizerBase, messages: Messages, max_tokens: int) -> tuple[list[int], int]:
    """`encode_prompt` in at most `max_tokens` ids, and how many were cut (0 mostly; to be counted and reported).

    What is cut are the oldest words: those with which the first question begins, or whole exchanges from the first on,
    and the system's turn at last. What is left is a conversation in the template's form, from its begin token on.
    Raises NoRoom where not even one token of the last question has room.
    """
    whole = encode_prompt(tokenizer, messages)
    if len(whole) <= max_tokens:
        return whole, 0
    for shorter in _shorter(messages):
        if (ids := _cut_first_question(tokenizer, shorter, max_tokens)) is not None:
            return ids, len(whole) - len(ids)
    raise NoRoom(f"{max_tokens} tokens leave no room for a question beside what the chat template writes around it")


def encode_whole(
    tokenizer: PreTrainedTokenizerBase, messages: Messages, response: str, max_tokens: int
) -> tuple[list[int], bool]:
    """Ids of the conversation with its response, all of it as the chat template writes it, and whether any were cut.

    What is longer than `max_tokens` loses its first exchanges, and at last its first ids. Raises InputError where the
    template refuses the conversation.
    """
    said: Message = {"role": "assistant", "content": response}
    ids = _encode(tokenizer, [*messages, said], opening=False)
    if len(ids) <= max_tokens:
        return ids, False
    for shorter in _shorter(messages):
        ids = _encode(tokenizer, [*shorter, said], opening=False)
        if len(ids) <= max_tokens:
            break
    return ids[-max_tokens:], True


def _shorter(messages: Messages) -> Iterator[Messages]:
    """The conversation, then without its first exchange, and so on; the last one without the system's turn."""
    system = [message for message in messages[:1] if message["role"] == "system"]
    starts = [place for place, message in enumerate(messages) if message["role"] == "user"]
    for start in starts:
        yield [*system, *messages[start:]]
    if system and starts:
        yield messages[starts[-1] :]


def _cut_first_question(tokenizer: PreTrainedTokenizerBase, messages: Messages, max_tokens: int) -> list[int] | None:
    """The conversation's ids, its first question cut on the left as far as needed; None where that is not enough."""
    place = next(place for place, message in enumerate(messages) if message["role"] == "user")
    ids = encode_prompt(tokenizer, messages)
    words = encode_text(tokenizer, messages[place]["content"])
    cut = 0
    while len(ids) > max_tokens:
        cut += len(ids) - max_tokens  # mostly once: words cut apart may be other tokens than they were
        rest = decode_response(tokenizer, words[cut:]).lstrip("\ufffd") if cut < len(words) else ""
        if not rest.strip():
            return None
        ids = encode_prompt(tokenizer, [*messages[:place], {"role": "user", "content": rest}, *messages[place + 1 :]])
    return ids


def _render(tokenizer: PreTrainedTokenizerBase, messages: Messages, opening: bool) -> str:
    try:
        return cast(
            str, tokenizer.apply_chat_template(cast(Any, messages), add_generation_prompt=opening, tokenize=False)
        )
    except _TEMPLATE_ERRORS as error:
        raise InputError(f"the model's chat template refuses this conversation: {first_line(error)}") from None


def encode_text(tokenizer: PreTrainedTokenizerBase, text: str) -> list[int]:
    """Token ids of a text by itself; a control token that is spelled out in it is only text."""
    control = control_tokens(tokenizer)
    if control.spelled_out([text]):
        return control.encode(text)
    return cast(list[int], tokenizer.encode(text, add_special_tokens=False))


def encode_response(tokenizer: PreTrainedTokenizerBase, text: str) -> list[int]:
    """Token ids of one response with the end-of-turn token appended."""
    return [*encode_text(tokenizer, text), end_of_turn_id(tokenizer)]


def control_tokens(tokenizer: PreTrainedTokenizerBase) -> ControlTokens:
    """The tokenizer's, worked out once for what it is at present."""
    present = (len(tokenizer), tokenizer.chat_template, tuple(tokenizer.all_special_ids))
    known, found = tokenizer.__dict__.get("_control_tokens", (None, None))
    if known != present:
        found = ControlTokens(tokenizer, end_of_turn_id(tokenizer))
        tokenizer.__dict__["_control_tokens"] = present, found
    return cast(ControlTokens, found)


def decode_response(tokenizer: PreTrainedTokenizerBase, ids: Sequence[int]) -> str:
    """The text of a response, special tokens left out."""
    return cast(str, tokenizer.decode(list(ids), skip_special_tokens=True, clean_up_tokenization_spaces=False))


def end_of_turn_id(tokenizer: PreTrainedTokenizerBase) -> int:
    """The token that closes an assistant's turn: what the chat template writes after one, or else the end token."""
    cached = tokenizer.__dict__.get("_end_of_turn_id")
    if cached is None:
        cached = tokenizer.__dict__["_end_of_turn_id"] = _find_end_of_turn(tokenizer)
    return cast(int, cached)


def end_token_ids(tokenizer: PreTrainedTokenizerBase, model_config: Any = None) -> frozenset[int]:
    """Every token that ends a response: the template's, the tokenizer's and the model's own (a number or a list)."""
    ids = {end_of_turn_id(tokenizer), cast(int, tokenizer.eos_token_id)}
    own = getattr(model_config, "eos_token_id", None)
    ids.update(own if isinstance(own, list | tuple) else [] if own is None else [own])
    return frozenset(ids)


def choose_pad(tokenizer: PreTrainedTokenizerBase) -> int:
    """Gives the tokenizer a pad token that is not its end-of-turn token, and returns its id.

    transformers' classifiers read the score at the last token that is not the pad; with pad equal to end that is
    one token early. Any other token will do, for every sequence we score ends with the end token: one named "pad",
    the unknown token, another special token, or a new one at last.
    """
    end = end_of_turn_id(tokenizer)
    special = [token for token in tokenizer.all_special_tokens if tokenizer.convert_tokens_to_ids(token) != end]
    added = [str(token) for index, token in tokenizer.added_tokens_decoder.items() if index != end]
    candidates = [
        *([tokenizer.pad_token] if tokenizer.pad_token_id not in (None, end) else []),
        *[token for token in added if "pad" in token.lower()],
        *([tokenizer.unk_token] if tokenizer.unk_token_id not in (None, end) else []),
        *special,
        *added,
    ]
    if candidates:
        tokenizer.pad_token = candidates[0]
    else:
        tokenizer.add_special_tokens({"pad_token": "<|pad|>"})
    return int(cast(int, tokenizer.pad_token_id))


def first_line(error: BaseException) -> str:
    """The first line of what a library says, for a one-sentence message."""
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(" :") if lines else type(error).__name__


def _find_end_of_turn(tokenizer: PreTrainedTokenizerBase) -> int:
    marker = "ANSWER"
    turns = [{"role": "user", "content": "Q"}, {"role": "assistant", "content": marker}]
    rendered = cast(str, tokenizer.apply_chat_template(cast(Any, turns), tokenize=False))
    after = tokenizer.encode(rendered.rpartition(marker)[2], add_special_tokens=False)
    special = set(tokenizer.all_special_ids) | set(tokenizer.added_tokens_decoder)
    return next((token for token in after if token in special), cast(int, tokenizer.eos_token_id))
