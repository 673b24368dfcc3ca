"""Attention among spans against a plain softmax with the mask written out, on every device there is."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from rlhf import span_products
from rlhf.batches import Group, Spans, pack
from rlhf.span_attention import SpanAttention

DEVICES = ["cpu", "cuda"] if torch.cuda.is_available() else ["cpu"]
groups = st.lists(
    st.builds(
        lambda prefix, branches: Group([0] * prefix, [[0] * branch for branch in branches]),
        st.integers(0, 6),
        st.lists(st.integers(1, 5), min_size=1, max_size=3),
    ),
    min_size=1,
    max_size=4,
)


def visible(given_groups: list[Group], window: int | None) -> Tensor:
    """(length, length), True where a token sees another: written down from what a group is."""
    owners: list[tuple[int, int, int]] = []  # group, branch (0 in the prefix), position in its sequence
    for number, group in enumerate(given_groups):
        owners += [(number, 0, place) for place in range(len(group.prefix))]
        for branch, tokens in enumerate(group.branches, 1):
            owners += [(number, branch, len(group.prefix) + place) for place in range(len(tokens))]
    return torch.tensor(
        [
            [
                one[0] == other[0] and other[1] in (0, one[1]) and 0 <= one[2] - other[2] < (window or 10**6)
                for other in owners
            ]
            for one in owners
        ]
    )


def plain(query: Tensor, key: Tensor, value: Tensor, mask: Tensor) -> Tensor:
    repeats = query.shape[1] // key.shape[1]
    key, value = (states.repeat_interleave(repeats, dim=1) for states in (key, value))
    scores = (query @ key.transpose(-1, -2) * 0.3).masked_fill(~mask, -torch.inf)
    return (scores.softmax(dim=-1) @ value).transpose(1, 2)


@pytest.mark.parametrize("device", DEVICES)
@given(groups, st.sampled_from([None, 1, 2, 4]))
def test_a_token_sees_its_own_sequence_and_no_other(device: str, given_groups: list[Group], window: int | None) -> None:
    length = sum(map(len, given_groups))
    generator = torch.Generator().manual_seed(length)
    query, key, value = (torch.randn(1, heads, length, 8, generator=generator) for heads in (4, 2, 2))
    attention = SpanAttention(Spans.of(given_groups), torch.device(device))
    found = attention(query.to(device), key.to(device), value.to(device), scale=0.3, window=window)
    expected = plain(query, key, value, visible(given_groups, window))
    torch.testing.assert_close(found.cpu(), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("window", [None, 7])
@pytest.mark.parametrize("block", [50, 1 << 18])  # one query at once, some, or all
def test_gradients_and_half_precision(
    device: str, window: int | None, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(span_products, "_BLOCK", block)
    given_groups = [Group([0] * 20, [[0] * 30, [0] * 3]), Group([], [[0] * 17]), Group([0] * 2, [[0]] * 3)]
    spans = pack(given_groups).spans
    assert spans is not None
    torch.manual_seed(0)
    exact = [torch.randn(1, heads, 75, 16, requires_grad=True) for heads in (4, 2, 2)]
    expected = plain(*exact, visible(given_groups, window))
    upstream = torch.randn_like(expected)
    expected.backward(upstream)
    for dtype, tolerance in ((torch.float32, 1e-6), (torch.bfloat16, 1e-2)):
        rough = [state.detach().to(device, dtype).requires_grad_() for state in exact]
        found = SpanAttention(spans, torch.device(device))(*rough, scale=0.3, window=window)
        assert found.dtype == dtype
        found.backward(upstream.to(device, dtype))
        pairs = [(found.detach(), expected.detach())] + [(r.grad, e.grad) for r, e in zip(rough, exact, strict=True)]
        for one, other in pairs:
            assert one is not None
            assert other is not None
            assert (one.cpu().float() - other).norm() / other.norm() < tolerance
