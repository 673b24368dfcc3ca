"""The order of what waits: shares that hold, what is never chosen, and how few ranks change."""

import math
import random
from itertools import combinations, pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from app.items.queue import Waiting
from workers.heads import order


def item(id_: int, rank: float = 0.5, prompt: int | None = None, **over: bool) -> Waiting:
    given = {"control": False, "held_out": False} | over
    return Waiting(id_, id_ if prompt is None else prompt, rank, responses=[2 * id_, 2 * id_ + 1], **given)


def test_what_is_held_out_or_random_is_never_chosen() -> None:
    waiting = [item(1), item(2, held_out=True), item(3, control=True), item(4)]
    assert order.choosable(waiting, lambda ids: None if ids == [8, 9] else -1.0) == {1: -1.0}


def test_the_most_unsure_come_first_and_one_of_each_prompt() -> None:
    """Gaps of 0 and of 1,000 are far beyond the noise; of the prompt that has three items the others come last."""
    waiting = [item(id_, prompt=id_ if id_ > 3 else 1) for id_ in range(1, 7)]
    unsure = {1: 0.0, 2: -1e-9, 3: -2e-9, 4: -1000.0, 5: 0.0, 6: -1000.0}
    found = order.front(waiting, unsure, given=0)
    assert set(found[:2]) == {5, *(set(found) & {1, 2, 3} & set(found[:2]))}
    assert set(found[2:4]) == {4, 6}
    assert len(set(found)) == 6


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 10**6), st.integers(0, 60), st.integers(0, 60), st.randoms(use_true_random=False))
def test_the_random_share_is_neither_held_back_nor_preferred(
    labels: int, chosen: int, others: int, draw: random.Random
) -> None:
    waiting = [item(id_, draw.random()) for id_ in range(chosen + others)]
    unsure = {id_: draw.uniform(-3, 0) for id_ in range(chosen)}
    found = order.front(waiting, unsure, labels, size=50)
    assert len(found) == len(set(found)) == min(50, chosen + others)
    share = others / (chosen + others) if waiting else 0
    for count in range(len(found)):
        theirs = sum(id_ >= chosen for id_ in found[:count])
        assert abs(theirs - share * count) <= 1 or theirs in (others, count)
    in_order = [id_ for id_ in found if id_ >= chosen]
    assert in_order == sorted(in_order, key=lambda id_: (waiting[id_].rank, id_))


def test_the_share_holds_over_many_labels_though_the_front_is_made_anew() -> None:
    """Two of each second are labelled, and the front is placed again: a quarter is random all the way."""
    draw = random.Random(1)
    waiting = [item(id_, draw.random(), control=id_ % 4 == 0) for id_ in range(400)]
    asked: list[int] = []
    while len(asked) < 300:
        unsure = {each.id: draw.uniform(-3, 0) for each in waiting if not each.control}
        found = order.front(waiting, unsure, len(asked))
        changes = order.ranks(waiting, found)
        waiting = [item(each.id, changes.get(each.id, each.rank), control=each.control) for each in waiting]
        waiting.sort(key=lambda each: (each.rank, each.id))
        assert [each.id for each in waiting[: len(found)]] == found
        asked += [waiting.pop(0).id for _ in range(2)]
    assert abs(sum(id_ % 4 == 0 for id_ in asked) - 75) <= 2


def test_working_through_the_front_changes_no_rank() -> None:
    waiting = [item(id_, id_ / 100) for id_ in range(80)]
    unsure = {id_: -float(id_) for id_ in range(80)}
    found = order.front(waiting, unsure, given=1000)
    changes = order.ranks(waiting, found)
    assert set(changes) == set(found)
    assert all(rank < 0 for rank in changes.values())
    after = [item(each.id, changes.get(each.id, each.rank)) for each in waiting if each.id not in found[:5]]
    again = order.ranks(after, order.front(after, unsure, given=1005))
    assert len(again) == 5  # those that came up


def test_what_loses_its_place_goes_back_to_chance() -> None:
    waiting = [item(1, -0.9), item(2, -0.8), item(3, 0.4)]
    changes = order.ranks(waiting, [])
    assert changes == {1: order.drawn(1), 2: order.drawn(2)}
    assert all(0 <= rank < 1 for rank in changes.values())


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from([*(place / 8 - 1 for place in range(8)), 0.0, 0.5]), max_size=9), st.integers(0, 9))
def test_any_order_comes_about_and_the_fewest_ranks_change(old: list[float], size: int) -> None:
    """Ranks twice over among them, which a claim that passed an item over leaves; the fewest by trying all rows."""
    waiting = [item(id_, rank) for id_, rank in enumerate(old)]
    placed = list(range(min(size, len(old))))
    changes = order.ranks(waiting, placed)
    after = [changes.get(each.id, each.rank) for each in waiting]
    front = after[: len(placed)]
    assert front == sorted(set(front))
    assert all(rank < 0 for rank in front)
    assert all(rank >= 0 for rank in after[len(placed) :])
    before = old[: len(placed)]
    rows = (row for length in range(len(before) + 1) for row in combinations(before, length))
    longest = max(len(row) for row in rows if all(one < other for one, other in pairwise([*row, 0.0])))
    assert len(changes.keys() & set(placed)) == len(before) - longest


def test_where_no_number_is_between_two_all_are_placed_anew() -> None:
    waiting = [item(1, -0.5), item(2, math.nextafter(-0.5, 0)), item(3, 0.4)]
    changes = order.ranks(waiting, [1, 3, 2])
    assert changes[1] < changes[3] < changes[2] < 0


def test_one_that_comes_between_changes_no_other() -> None:
    waiting = [item(id_, id_ / 100 - 1) for id_ in range(64)] + [item(64, 0.5)]
    changes = order.ranks(waiting, [*range(30), 64, *range(30, 63)])
    assert changes.keys() == {64, 63}
    assert 29 / 100 - 1 < changes[64] < 30 / 100 - 1
    assert changes[63] == order.drawn(63)
