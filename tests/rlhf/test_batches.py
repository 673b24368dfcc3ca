import torch
from hypothesis import given
from hypothesis import strategies as st

from rlhf.batches import Group, Spans, collate, deal, group_sequences, length_buckets, pack, tree_mask

sequences = st.lists(st.lists(st.integers(0, 3), min_size=1, max_size=12), min_size=1, max_size=4)


def test_a_pair_shares_the_prompt_and_the_words_both_responses_begin_with() -> None:
    group = group_sequences([[1, 2, 3, 4, 9], [1, 2, 3, 5, 6, 9]])
    assert (list(group.prefix), [list(b) for b in group.branches]) == ([1, 2, 3], [[4, 9], [5, 6, 9]])


@given(sequences)
def test_a_group_holds_its_sequences_and_no_branch_is_empty(given_sequences: list[list[int]]) -> None:
    group = group_sequences(given_sequences)
    assert [[*group.prefix, *branch] for branch in group.branches] == given_sequences
    assert all(group.branches)
    assert len(group) <= sum(map(len, given_sequences))


def test_a_batch_by_hand() -> None:
    batch = collate([Group([7, 8], [[1], [2, 3]]), Group([5], [[6], [4]])], pad_id=0)
    assert batch.input_ids.tolist() == [[7, 8, 1, 2, 3], [5, 6, 4, 0, 0]]
    assert batch.position_ids.tolist() == [[0, 1, 2, 2, 3], [0, 1, 1, 0, 0]]
    assert batch.segments is not None
    assert batch.segments.tolist() == [[0, 0, 1, 2, 2], [0, 1, 2, 0, 0]]
    assert list(zip(batch.end_rows.tolist(), batch.end_columns.tolist(), strict=True)) == [
        (0, 2),
        (0, 4),
        (1, 1),
        (1, 2),
    ]


def test_apart_every_sequence_has_a_row_and_the_same_order() -> None:
    batch = collate([Group([7, 8], [[1], [2, 3]]), Group([5], [[6], [4]])], pad_id=0, shared=False)
    assert batch.input_ids.tolist() == [[7, 8, 1, 0], [7, 8, 2, 3], [5, 6, 0, 0], [5, 4, 0, 0]]
    assert batch.end_columns.tolist() == [2, 3, 1, 1]
    assert batch.segments is None


def test_the_mask_by_hand() -> None:
    mask = tree_mask(torch.tensor([[0, 0, 1, 2, 2]]))
    assert mask.shape == (1, 1, 5, 5)
    assert mask[0, 0].int().tolist() == [
        [1, 0, 0, 0, 0],  # the prefix sees what was before
        [1, 1, 0, 0, 0],
        [1, 1, 1, 0, 0],  # the first response sees the prefix and itself
        [1, 1, 0, 1, 0],  # the second does not see the first
        [1, 1, 0, 1, 1],
    ]


@given(st.lists(st.integers(1, 50), max_size=40), st.integers(1, 120), st.booleans())
def test_buckets_hold_everything_once_within_the_budget(lengths: list[int], budget: int, padded: bool) -> None:
    buckets = list(length_buckets(lengths, budget, padded))
    assert sorted(index for bucket in buckets for index in bucket) == list(range(len(lengths)))
    for bucket in buckets:
        own = [lengths[i] for i in bucket]
        assert len(bucket) == 1 or (max(own) * len(bucket) if padded else sum(own)) <= budget


@given(st.lists(st.integers(1, 50), min_size=1, max_size=30), st.integers(20, 120), st.integers(1, 5))
def test_processes_share_everything_once_in_as_many_buckets_each(lengths: list[int], budget: int, count: int) -> None:
    shares = [deal(lengths, budget, rank, count) for rank in range(count)]
    assert len({len(share) for share in shares}) == 1
    counted = [index for share in shares for bucket, counting in share if counting for index in bucket]
    assert sorted(counted) == list(range(len(lengths)))
    assert all(bucket for share in shares for bucket, _ in share)


def test_a_packed_batch_by_hand() -> None:
    batch = pack([Group([], [[5, 6, 7]]), Group([7, 8], [[1], [2, 3], [4]]), Group([], [[9]])])
    assert batch.input_ids.tolist() == [[5, 6, 7, 7, 8, 1, 2, 3, 4, 9]]
    assert batch.position_ids.tolist() == [[0, 1, 2, 0, 1, 2, 2, 3, 2, 0]]
    assert batch.end_rows.tolist() == [0] * 5
    assert batch.end_columns.tolist() == [2, 5, 7, 8, 9]
    assert batch.spans == Spans([3, 3, 2, 1, 1], [(0, 0), (3, 0), (3, 2), (3, 2), (9, 0)])
