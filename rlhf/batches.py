"""From token ids to batches in which a prompt is computed once for all its responses.

A `Group` is one prefix and the branches that follow it: a pair has two branches, a prompt to be scored has as many
as it has responses, and a conversation is one branch. In a batch prefix, branch 1, branch 2, ... stand one after the
other; positions start again after the prefix in every branch, and no branch sees another. Attention, and so every
score and gradient, is that of the sequences prefix + branch computed one by one.
This module knows token ids. It does not know models or losses.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Group:
    """Sequences with a common beginning: prefix + branches[0], prefix + branches[1], ... No branch is empty."""

    prefix: Sequence[int]
    branches: Sequence[Sequence[int]]

    def __len__(self) -> int:
        """Tokens that the row takes in a batch."""
        return len(self.prefix) + sum(map(len, self.branches))

    def apart(self) -> list[Group]:
        """The same sequences, each with its own prefix."""
        return [Group(self.prefix, [branch]) for branch in self.branches]


def group_sequences(sequences: Sequence[Sequence[int]]) -> Group:
    """The group of `sequences` with the longest common prefix that leaves each branch a token.

    For a pair this is the prompt and the words with which both responses begin.
    """
    shortest = min(map(len, sequences))
    first, common = sequences[0], 0
    while common < shortest - 1 and all(s[common] == first[common] for s in sequences):
        common += 1
    return Group(first[:common], [s[common:] for s in sequences])


@dataclass(frozen=True, slots=True)
class Spans:
    """The parts of one row that attention is computed for, in the order in which they fill it.

    A span sees itself, causally, and before that the prefix which it shares with an earlier span, if any.
    lengths: tokens of each span. prefixes: (start, length) in the row of what it sees besides; length 0: nothing.
    """

    lengths: list[int]
    prefixes: list[tuple[int, int]]

    @classmethod
    def of(cls, groups: Sequence[Group]) -> Spans:
        """One span for a group's prefix and first branch, one for each further branch."""
        lengths: list[int] = []
        prefixes: list[tuple[int, int]] = []
        start = 0
        for group in groups:
            first, *others = map(len, group.branches)
            shared = len(group.prefix)
            lengths += [shared + first, *others]
            prefixes += [(start, 0), *[(start, shared)] * len(others)]
            start += len(group)
        return cls(lengths, prefixes)


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows for one forward pass.

    input_ids, position_ids: (rows, length). end_rows, end_columns: (sequences,), where the last token of each sequence
    is, ordered by group and branch. spans: those that fill the only row, without padding, or None for rows of their
    own, padded on the right. segments: (rows, length), 0 in the prefix, k in branch k, where rows without spans have
    more than one branch.
    """

    input_ids: Tensor
    position_ids: Tensor
    end_rows: Tensor
    end_columns: Tensor
    segments: Tensor | None = None
    spans: Spans | None = None

    def to(self, device: torch.device) -> Batch:
        def move(tensor: Tensor) -> Tensor:
            return tensor.to(device, non_blocking=True)

        segments = None if self.segments is None else move(self.segments)
        ends = move(self.end_rows), move(self.end_columns)
        return Batch(move(self.input_ids), move(self.position_ids), *ends, segments, self.spans)


def pack(groups: Sequence[Group]) -> Batch:
    """One batch of `groups` in one row, one after the other, without padding."""
    ids: list[int] = []
    positions: list[Tensor] = []
    ends: list[int] = []
    for group in groups:
        shared = len(group.prefix)
        ids += group.prefix
        positions.append(torch.arange(shared))
        for branch in group.branches:
            ids += branch
            positions.append(torch.arange(shared, shared + len(branch)))
            ends.append(len(ids) - 1)
    columns = torch.tensor(ends)
    return Batch(
        torch.tensor([ids]), torch.cat(positions)[None], torch.zeros_like(columns), columns, spans=Spans.of(groups)
    )


def collate(groups: Sequence[Group], pad_id: int, shared: bool = True) -> Batch:
    """One batch of `groups` in rows of their own; with shared=False every sequence gets a row of its own.

    pad_id fills the ends of rows and is seen by no token that counts, so it may be any id of the vocabulary.
    """
    rows = list(groups) if shared else [single for group in groups for single in group.apart()]
    length = max(map(len, rows))
    input_ids = torch.full((len(rows), length), pad_id, dtype=torch.long)
    position_ids = torch.zeros((len(rows), length), dtype=torch.long)
    segments = torch.zeros((len(rows), length), dtype=torch.long)
    end_rows: list[int] = []
    end_columns: list[int] = []
    for row, group in enumerate(rows):
        start = len(group.prefix)
        input_ids[row, :start] = torch.tensor(group.prefix, dtype=torch.long)
        position_ids[row, :start] = torch.arange(start)
        column = start
        for number, branch in enumerate(group.branches, 1):
            end = column + len(branch)
            input_ids[row, column:end] = torch.tensor(branch, dtype=torch.long)
            position_ids[row, column:end] = torch.arange(start, start + len(branch))
            segments[row, column:end] = number
            column = end
            end_rows.append(row)
            end_columns.append(end - 1)
    plain = all(len(group.branches) == 1 for group in rows)
    ends = torch.tensor(end_rows), torch.tensor(end_columns)
    return Batch(input_ids, position_ids, *ends, None if plain else segments)


def tree_mask(segments: Tensor) -> Tensor:
    """Who sees whom: (rows, length) segments -> (rows, 1, length, length), True where attention is allowed.

    A token sees what is not after it and lies in the prefix or in its own branch. Padding at the end of a row is
    after all that counts, so it needs no rule of its own, and no row of the mask is empty.
    """
    length = segments.shape[1]
    causal = torch.ones((length, length), dtype=torch.bool, device=segments.device).tril()
    query, key = segments[:, :, None], segments[:, None, :]
    return (causal & ((key == 0) | (key == query))).unsqueeze(1)


def added_mask(visible: Tensor, dtype: torch.dtype) -> Tensor:
    """What is added to attention scores: 0 where a token may look, the lowest number of `dtype` where it may not.

    Not all models can read a mask of yes and no, and those that can add this one as well.
    """
    return torch.zeros(visible.shape, dtype=dtype, device=visible.device).masked_fill_(~visible, torch.finfo(dtype).min)


def share_prompts(prompts: Sequence[Sequence[int]], responses: Sequence[Sequence[int]], budget: int) -> list[list[int]]:
    """The places of responses, neighbours to one prompt together, as many as `budget` tokens hold."""
    parts: list[list[int]] = []
    tokens = 0
    for place, (prompt, response) in enumerate(zip(prompts, responses, strict=True)):
        if place and prompts[place - 1] == prompt and tokens + len(response) <= budget:
            parts[-1].append(place)
            tokens += len(response)
        else:
            parts.append([place])
            tokens = len(prompt) + len(response)
    return parts


def length_buckets(lengths: Sequence[int], token_budget: int, padded: bool = True) -> Iterator[list[int]]:
    """Indices in buckets of like length, longest first, each of at most `token_budget` tokens, padding included.

    Longest first, so that a budget that is too large fails at once. A row longer than the budget goes alone.
    padded=False is for groups that share one row, without padding.
    """
    bucket: list[int] = []
    tokens = 0
    for index in sorted(range(len(lengths)), key=lambda i: (-lengths[i], i)):
        taken = lengths[bucket[0]] if bucket and padded else lengths[index]
        if bucket and tokens + taken > token_budget:
            yield bucket
            bucket, tokens, taken = [], 0, lengths[index]
        bucket.append(index)
        tokens += taken
    if bucket:
        yield bucket


def deal(
    lengths: Sequence[int], token_budget: int, rank: int, count: int, padded: bool = True
) -> list[tuple[list[int], bool]]:
    """The buckets of process `rank` among `count`, each process getting like work and the same number of buckets.

    Processes that share one model exchange weights and gradients in every pass, so none may run fewer; one that has
    nothing left repeats the shortest row in a bucket marked False, which must not count.
    """
    order = sorted(range(len(lengths)), key=lambda i: (-lengths[i], i))
    shares = [order[first::count] for first in range(count)]
    buckets = [
        [[share[i] for i in bucket] for bucket in length_buckets([lengths[i] for i in share], token_budget, padded)]
        for share in shares
    ]
    missing = max(map(len, buckets)) - len(buckets[rank])
    return [*((bucket, True) for bucket in buckets[rank]), *[([order[-1]], False)] * missing]
