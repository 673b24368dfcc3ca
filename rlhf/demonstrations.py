"""Demonstrations: read from files, and encoded as tokens of which some are learned from.

Rows of a file are {"prompt", "completion"}, each text or messages, of which the completion is learned from, or
{"messages"}, of which every assistant's turn is. It knows a tokenizer, and no model.
"""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from transformers import PreTrainedTokenizerBase

from rlhf.chat_format import encode_prompt, encode_response
from rlhf.config import InputError
from rlhf.data import NAMED_LINES, DataReport, judged, read_rows
from rlhf.transcripts import BadRow, last_response, read_messages, read_prompt
from rlhf.types import Demonstration, Message, Messages


def load_demonstrations(path: str | Path, *, max_bad_share: float = 0.05) -> tuple[list[Demonstration], DataReport]:
    """The usable demonstrations of a file in its order, and the report on all of its rows.

    Raises InputError where the file cannot be read, or more than `max_bad_share` of its rows cannot be used.
    """
    rows, report = read_rows(path)
    found: list[Demonstration] = []
    for line, row in rows:
        try:
            found.append(_read(row, line))
        except BadRow as error:
            report.bad.append((line, error.kind))
    return found, judged(report, len(found), max_bad_share)


def _read(row: Mapping[str, Any], line: int) -> Demonstration:
    if row.get("prompt") is not None:
        if row.get("completion") is None:
            raise BadRow("missing field completion")
        prompt, completion = read_prompt(row["prompt"]), row["completion"]
        if not isinstance(completion, str):
            completion = last_response(read_messages(completion, "completion"), "completion")
        response: Message = {"role": "assistant", "content": completion}
        messages: Messages = [*prompt, response]
        first = len(prompt)
    elif row.get("messages") is not None:
        messages = read_messages(row["messages"], "messages")
        first = next((place for place, turn in enumerate(messages) if turn["role"] == "assistant"), len(messages))
        read_prompt(messages[:first])
        if messages[-1]["role"] != "assistant":
            raise BadRow("the last turn is not an assistant's")
    else:
        raise BadRow("missing field prompt")
    if not all(turn["content"].strip() for turn in messages):
        raise BadRow("empty response" if not messages[-1]["content"].strip() else "empty turn")
    return Demonstration(messages, first, line)


@dataclass(frozen=True, slots=True)
class Sequences:
    """Token ids, and of each sequence the places of the tokens that are learned from.

    cut: sequences that lost tokens on their left. too_long: lines with a response that does not fit. refused: lines
    whose conversation the chat template does not take, and what it says.
    """

    ids: list[list[int]]
    trained: list[list[int]]
    cut: int
    too_long: list[int]
    refused: list[tuple[int, str]] = field(default_factory=list)

    def describe(self, max_length: int) -> str:
        """What became of the demonstrations that were given, in a few words."""
        said = f"{len(self)} sequences, {self.cut} cut to {max_length} tokens, {len(self.too_long)} too long left out"
        if not self.refused:
            return said
        named = "; ".join(f"line {line}: {why}" for line, why in self.refused[:NAMED_LINES])
        return f"{said}, {len(self.refused)} that the chat template refuses left out ({named})"

    def __len__(self) -> int:
        return len(self.ids)

    def digest(self) -> str:
        """A name for the content, so that a run goes on only with the data it began with."""
        found = hashlib.blake2b(digest_size=8)
        for ids, trained in zip(self.ids, self.trained, strict=True):
            found.update(array("q", [len(ids), len(trained), *ids, *trained]).tobytes())
        return found.hexdigest()


def encode_demonstrations(
    tokenizer: PreTrainedTokenizerBase, rows: Sequence[Demonstration], max_length: int, max_bad_share: float
) -> Sequences:
    """The demonstrations as sequences of at most `max_length` tokens, cut on the left.

    Responses are encoded as a model produces them, end-of-turn token included and learned. Several turns share a
    sequence where the chat template renders the earlier ones as they were produced, and get one each where not.
    Raises InputError where more than `max_bad_share` of the rows have a response that does not fit or a conversation
    that the chat template refuses, or none is left.
    """
    ids: list[list[int]] = []
    trained: list[list[int]] = []
    too_long: list[int] = []
    refused: list[tuple[int, str]] = []
    cuts = 0
    for row in rows:
        try:
            sequences = _encode(tokenizer, row)
        except InputError as error:
            refused.append((row.line, str(error)))
            continue
        for sequence, turns in sequences:
            cut = max(0, len(sequence) - max_length)
            if turns[-1].start <= cut:  # at least one token of its prompt has to stand before it
                too_long.append(row.line)
                continue
            cuts += cut > 0
            ids.append(sequence[cut:])
            trained.append([place - cut for turn in turns if turn.start > cut for place in turn])
    if not ids or len(too_long) + len(refused) > max_bad_share * len(rows):
        raise InputError(_why_so_few(len(rows), max_length, too_long, refused))
    return Sequences(ids, trained, cuts, too_long, refused)


def _why_so_few(rows: int, max_length: int, too_long: list[int], refused: list[tuple[int, str]]) -> str:
    reasons = []
    if too_long:
        named = ", ".join(map(str, too_long[:NAMED_LINES]))
        reasons.append(
            f"{len(too_long)} of {rows} demonstrations have a response of {max_length} tokens or more "
            f"(lines {named}): raise --max_length or shorten the data"
        )
    if refused:
        named = ", ".join(str(line) for line, _ in refused[:NAMED_LINES])
        reasons.append(f"of {len(refused)} of {rows} demonstrations {refused[0][1]} (lines {named})")
    return "; ".join(reasons)


def _encode(tokenizer: PreTrainedTokenizerBase, row: Demonstration) -> list[tuple[list[int], list[range]]]:
    """Sequences of tokens, and where the turns that are learned from are in each."""
    sequences: list[tuple[list[int], list[range]]] = []
    for place, turn in enumerate(row.messages):
        if place < row.first or turn["role"] != "assistant":
            continue
        prompt = encode_prompt(tokenizer, row.messages[:place])
        response = encode_response(tokenizer, turn["content"])
        turns = [range(len(prompt), len(prompt) + len(response))]
        if sequences and prompt[: len(sequences[-1][0])] == sequences[-1][0]:
            turns = sequences.pop()[1] + turns
        sequences.append(([*prompt, *response], turns))
    return sequences
