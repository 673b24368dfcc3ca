"""Preference pairs and responses to be scored, as token groups with the numbers that the loss needs.

It joins `chat_format` (texts to ids) and `batches` (ids to rows). What does not fit is counted, never lost
in silence.
"""

from __future__ import annotations

import hashlib
import itertools
from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from rlhf.batches import Group, group_sequences
from rlhf.chat_format import NoRoom, encode_prompt, encode_response, encode_whole, fit_prompt
from rlhf.config import InputError
from rlhf.data import NAMED_LINES
from rlhf.types import Messages, PreferencePair


@dataclass(frozen=True, slots=True)
class EncodedPairs:
    """Pairs ready for training; position i of everything belongs to one pair, its first branch is `chosen`.

    preference, margin, weight: (pairs,) float32. response_tokens: (pairs, 2), lengths of both responses.
    prompts_cut: pairs whose prompt lost its first words. too_long: lines whose responses leave no room for a prompt.
    refused: lines whose conversation the model's chat template does not take, and what it says.
    kept: where each pair stood among those that were given to be encoded.
    """

    groups: list[Group]
    preference: Tensor
    margin: Tensor
    weight: Tensor
    response_tokens: Tensor
    prompts_cut: int
    too_long: list[int]
    kept: list[int] = field(default_factory=list)
    refused: list[tuple[int, str]] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.groups)

    def first(self, count: int) -> EncodedPairs:
        """The first `count` pairs."""
        return self.take(range(min(count, len(self))))

    def take(self, places: Sequence[int]) -> EncodedPairs:
        """The pairs in these places, in this order."""
        index = torch.tensor(places, dtype=torch.long)
        numbers = (self.preference[index], self.margin[index], self.weight[index], self.response_tokens[index])
        return EncodedPairs([self.groups[i] for i in places], *numbers, self.prompts_cut, self.too_long)

    def by_prompt(self) -> EncodedPairs:
        """The same pairs, their prefix the prompt alone, so that a branch is a whole response."""
        groups = []
        for group, (first, second) in zip(self.groups, self.response_tokens.tolist(), strict=True):
            one, two = ([*group.prefix, *branch] for branch in group.branches)
            groups.append(Group(one[:-first], [one[-first:], two[-second:]]))
        return replace(self, groups=groups)

    def prompts(self) -> list[tuple[int, ...]]:
        """The tokens of each pair's prompt, which tell whether pairs share it."""
        return [tuple(group.prefix) for group in self.by_prompt().groups]

    def describe(self, max_length: int) -> str:
        """What became of the pairs that were given, in a few words."""
        cut = f"{self.prompts_cut} prompts cut to {max_length} tokens"
        said = f"{len(self)} pairs, {cut}, {len(self.too_long)} too long left out"
        if not self.refused:
            return said
        named = "; ".join(f"line {line}: {why}" for line, why in self.refused[:NAMED_LINES])
        return f"{said}, {len(self.refused)} that the chat template refuses left out ({named})"

    def digest(self) -> str:
        """A name for the content, so that a run goes on only with the data it began with."""
        found = hashlib.blake2b(digest_size=8)
        for group, *numbers in zip(self.groups, self.preference, self.margin, self.weight, strict=True):
            lengths = [len(group.prefix), *map(len, group.branches)]
            tokens = itertools.chain(lengths, group.prefix, *group.branches)
            found.update(array("q", tokens).tobytes() + repr([float(number) for number in numbers]).encode())
        return found.hexdigest()


def encode_conversation(
    tokenizer: PreTrainedTokenizerBase, prompt: Messages, responses: Sequence[str], max_length: int
) -> tuple[Group | None, list[int], bool]:
    """One prompt and its responses as a group of sequences of at most `max_length` tokens.

    The prompt is cut where it must be. Returns the group, the responses' lengths in tokens, and whether the prompt was
    cut; the group is None when a response leaves no room for even one word of the prompt. Raises InputError where the
    chat template refuses the conversation.
    """
    encoded = [encode_response(tokenizer, response) for response in responses]
    longest = max(map(len, encoded))
    lengths = [len(response) for response in encoded]
    try:
        prompt_ids, cut = fit_prompt(tokenizer, prompt, max_length - longest)
    except NoRoom:
        return None, lengths, False
    return group_sequences([[*prompt_ids, *response] for response in encoded]), lengths, cut > 0


def _encode_whole(
    tokenizer: PreTrainedTokenizerBase, prompt: Messages, responses: Sequence[str], max_length: int
) -> tuple[Group | None, list[int], bool]:
    """The same for a reward model that reads conversations whole (`rlhf.outside_reward`)."""
    before = len(encode_prompt(tokenizer, prompt))
    encoded = [encode_whole(tokenizer, prompt, response, max_length) for response in responses]
    lengths = [min(max(1, len(ids) - before), len(ids) - 1) for ids, _ in encoded]
    return group_sequences([ids for ids, _ in encoded]), lengths, any(cut for _, cut in encoded)


def encode_pairs(
    tokenizer: PreTrainedTokenizerBase,
    pairs: Sequence[PreferencePair],
    max_length: int,
    max_bad_share: float,
    *,
    whole: bool = False,
) -> EncodedPairs:
    """Encodes `pairs`; those of weight 0 are left out. `whole`: for a reward model that reads conversations whole.

    Raises InputError when more than `max_bad_share` of them have a response that does not fit or a conversation that
    the chat template refuses, or none is left.
    """
    groups: list[Group] = []
    numbers: list[tuple[float, float, float]] = []
    response_tokens: list[list[int]] = []
    too_long: list[int] = []
    refused: list[tuple[int, str]] = []
    prompts_cut = 0
    kept: list[int] = []
    for place, pair in enumerate(pairs):
        if pair.weight == 0:
            continue
        try:
            encode = _encode_whole if whole else encode_conversation
            group, lengths, cut = encode(tokenizer, pair.prompt, [pair.chosen, pair.rejected], max_length)
        except InputError as error:
            refused.append((pair.line, str(error)))
            continue
        if group is None:
            too_long.append(pair.line)
            continue
        prompts_cut += cut
        kept.append(place)
        groups.append(group)
        numbers.append((pair.preference, pair.margin, pair.weight))
        response_tokens.append(lengths)
    if not groups or len(too_long) + len(refused) > max_bad_share * len(pairs):
        raise InputError(_why_so_few(len(pairs), max_length, too_long, refused))
    preference, margin, weight = torch.tensor(numbers, dtype=torch.float32).unbind(dim=1)
    return EncodedPairs(
        groups, preference, margin, weight, torch.tensor(response_tokens), prompts_cut, too_long, kept, refused
    )


def _why_so_few(pairs: int, max_length: int, too_long: list[int], refused: list[tuple[int, str]]) -> str:
    reasons = []
    if too_long:
        named = ", ".join(map(str, too_long[:NAMED_LINES]))
        reasons.append(
            f"{len(too_long)} of {pairs} pairs have a response of about {max_length} tokens or more (lines {named}): "
            "raise --max_length or shorten the data"
        )
    if refused:
        named = ", ".join(str(line) for line, _ in refused[:NAMED_LINES])
        reasons.append(f"of {len(refused)} of {pairs} pairs {refused[0][1]} (lines {named})")
    return "; ".join(reasons) or "no pair of weight above 0 to train on"


LEAST_PAIRS = 32  # in each part of a holdout; with fewer the choice would be noise, or the figures would


@dataclass(frozen=True, slots=True)
class HoldoutPairs:
    """Pairs that choose the checkpoint, or None where there are too few to choose by, and pairs that report on it."""

    choosing: EncodedPairs | None
    reporting: EncodedPairs


def split_holdout(data: EncodedPairs, keys: Sequence[str], chooses: Callable[[str], bool]) -> HoldoutPairs:
    """The two parts of a holdout, no prompt in both: what chose would look better than it is.

    keys: of each pair its prompt's name, by which the parts are ordered too, so that a first few are not the oldest.
    """
    order = sorted(range(len(data)), key=lambda i: keys[i])
    choosing, reporting = ([i for i in order if chooses(keys[i]) is side] for side in (True, False))
    if min(len(choosing), len(reporting)) < LEAST_PAIRS:
        return HoldoutPairs(None, data.take(order))
    return HoldoutPairs(data.take(choosing), data.take(reporting))
