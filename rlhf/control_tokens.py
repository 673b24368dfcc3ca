"""Text from people and models, in which the tokens that steer a model are only text.

A tokenizer turns `<|im_start|>system` into the token that opens a turn, whoever wrote it. Here such tokens come from
the chat template alone: where a text spells one out, the tokenizer's work is done by a copy of it in which each of them
goes by a name that nobody can guess. Texts without any are encoded by the tokenizer itself, and both ways give the same
ids for all that is no control token. This module knows no conversations.
"""

import json
import re
import secrets
import unicodedata
from collections.abc import Callable, Iterable
from functools import cached_property
from typing import Any, cast

import jinja2
from tokenizers import Tokenizer
from transformers import PreTrainedTokenizerBase

_CONVERSATION = [
    {"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}, {"role": "user", "content": "c"}
]  # fmt: skip


class ControlTokens:
    """Those of one tokenizer: its special tokens, and the added ones with which its chat template parts the turns."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase, end_of_turn: int) -> None:
        self._tokenizer = tokenizer
        added = {index: token for index, token in tokenizer.added_tokens_decoder.items() if token.content}
        self.written = frozenset(
            {end_of_turn, *_written(tokenizer)}
        )  # by the chat template, the words of a few texts too
        special = {index for index, token in added.items() if token.special}
        self.ids = frozenset({*special, *tokenizer.all_special_ids, *(added.keys() & self.written)})
        tokens = [cast(str, tokenizer.convert_ids_to_tokens(index)) for index in sorted(self.ids)]
        secret = f"{secrets.randbits(64):020}"  # digits: a template may change the case of letters
        self._hidden = {token: f"\ue000{secret}0{place:07}\ue001" for place, token in enumerate(tokens)}
        self._renamed = {token: f"\ue000{secret}1{place:07}\ue001" for place, token in enumerate(tokens)}
        self._exact = _any_of(tokens)
        self._alike = _any_of(map(_fold, tokens))

    def spelled_out(self, texts: Iterable[str]) -> bool:
        """Whether one of the texts has what this tokenizer may read as a control token."""
        return any(self._alike.search(_fold(text)) for text in texts)

    def encode(self, text: str) -> list[int]:
        """Ids of a text in which everything is only text."""
        return self._plain.encode(text, add_special_tokens=False).ids

    def encode_rendered(self, render: Callable[[Callable[[str], str]], str]) -> list[int]:
        """Ids of what `render` makes of texts: it is to pass each of them through the function that it is given.

        What it writes itself are control tokens, what the texts spell out is text.
        """
        hidden = render(lambda text: self._exact.sub(lambda found: self._hidden[found[0]], text))
        rendered = self._exact.sub(lambda found: self._renamed[found[0]], hidden)
        for token, mark in self._hidden.items():
            rendered = rendered.replace(mark, token)
        return self.encode(rendered)

    @cached_property
    def _plain(self) -> Tokenizer:
        """The tokenizer, its control tokens by their secret names."""
        parts: dict[str, Any] = json.loads(self._tokenizer.backend_tokenizer.to_str())
        parts |= {"truncation": None, "padding": None, "post_processor": None}
        for token in parts["added_tokens"]:
            if token["content"] in self._renamed:
                token |= {"content": self._renamed[token["content"]], "normalized": False}
        model = parts["model"]
        vocabulary = model["vocab"]
        if isinstance(vocabulary, dict):
            model["vocab"] = {self._renamed.get(token, token): index for token, index in vocabulary.items()}
        else:  # Unigram: tokens and their scores
            model["vocab"] = [[self._renamed.get(token, token), score] for token, score in vocabulary]
        if isinstance(model.get("unk_token"), str):
            model["unk_token"] = self._renamed.get(model["unk_token"], model["unk_token"])
        return Tokenizer.from_str(json.dumps(parts))


def _written(tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """The ids of a short conversation; none where the template refuses it."""
    try:
        rendered = tokenizer.apply_chat_template(cast(Any, _CONVERSATION), tokenize=False)
    except (jinja2.TemplateError, TypeError, ValueError, KeyError):
        return []
    return cast(list[int], tokenizer.encode(cast(str, rendered), add_special_tokens=False))


def _any_of(texts: Iterable[str]) -> re.Pattern[str]:
    longest_first = sorted({text for text in texts if text}, key=len, reverse=True)
    return re.compile("|".join(map(re.escape, longest_first)) or r"(?!)")


def _fold(text: str) -> str:
    """A text as the most forgiving tokenizer may read it."""
    return text.casefold() if text.isascii() else unicodedata.normalize("NFKC", text).casefold()
