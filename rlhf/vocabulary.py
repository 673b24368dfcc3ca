"""Which token ids there are: models often have more rows than their tokenizer has tokens, and those mean nothing.

They are never sampled, and no probability is left for them, in sampling, training and serving alike.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Self, cast

from torch import Tensor
from transformers import PreTrainedTokenizerBase

from rlhf.batches import Group
from rlhf.chat_format import control_tokens
from rlhf.config import InputError

_NEVER = -1e30  # a logit: finite, for 0 times infinity is no number


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The ids from 0 to `size` - 1 without those in `missing`."""

    size: int
    missing: tuple[int, ...] = ()

    @classmethod
    def of(cls, tokenizer: PreTrainedTokenizerBase) -> Self:
        """The tokenizer's, worked out once for what it is at present."""
        tokens, found = tokenizer.__dict__.get("_vocabulary", (None, None))
        if tokens != len(tokenizer):
            known = set(tokenizer.get_vocab().values())
            size = max(known) + 1
            found = cls(size, tuple(sorted(set(range(size)) - known)))
            tokenizer.__dict__["_vocabulary"] = len(tokenizer), found
        return cast(Self, found)

    def restrict(self, logits: Tensor) -> Tensor:
        """Logits, (..., at most `size`), of these ids: a view in which what is missing cannot be sampled."""
        logits = logits[..., : self.size]
        if missing := [index for index in self.missing if index < logits.shape[-1]]:
            logits.index_fill_(-1, logits.new_tensor(missing).long(), _NEVER)
        return logits

    def among(self, ids: Sequence[int]) -> list[int]:
        """The ids, those that are not in it replaced by some that are."""
        known = sorted(set(range(self.size)) - set(self.missing))
        return [known[index % len(known)] for index in ids]


def require_rows(tokenizer: PreTrainedTokenizerBase, rows: int, source: object) -> None:
    """Raise InputError where texts can have tokens that a model of so many rows does not know.

    A control token that the chat template does not write is in no text, so that it may be one: Gemma 3 of 1B has its
    larger relatives' token for pictures, and no row for it.
    """
    control = control_tokens(tokenizer)
    beyond = {index for index in tokenizer.get_vocab().values() if index >= rows}
    if beyond & control.written or beyond - control.ids:
        raise InputError(f"the tokenizer of {source} has {len(tokenizer)} tokens, but the model knows only {rows}")


def require_known(groups: Iterable[Group], rows: int) -> None:
    """Raise InputError where sequences have a token that a model of so many rows has none for.

    A tokenizer may have more tokens than its model has rows, as some for pictures, as long as no text has them.
    """
    highest = max((max(ids) for group in groups for ids in (group.prefix, *group.branches) if ids), default=0)
    if highest >= rows:
        raise InputError(
            f"the texts have the token {highest}, but the model knows only {rows}: its tokenizer is another model's"
        )
