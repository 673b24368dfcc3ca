"""Agreement and annotators, against numbers worked out by hand."""

import time
from collections import Counter
from threading import Thread

import krippendorff
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.orm import Session

from app import models as m
from app.labels import quality
from app.labels.quality import agreement_of, wilson
from app.web import cache
from tests import factories
from tests.app.conftest import Cast
from tests.app.labels.conftest import AddItems

A, B, TIE, BAD = m.Outcome.FIRST, m.Outcome.SECOND, m.Outcome.TIE, m.Outcome.BOTH_BAD
AA, BB, AB = (2, 0, 0), (0, 0, 2), (1, 0, 1)  # tallies of a, neither, b


def test_wilson_as_in_the_book() -> None:
    # 8 of 10: (0.8 + 1.96^2/20 +- 1.96 sqrt(0.016 + 1.96^2/400)) / (1 + 1.96^2/10)
    low, high = wilson(8, 10)
    assert (low, high) == (pytest.approx(0.4902, abs=1e-4), pytest.approx(0.9433, abs=1e-4))
    assert wilson(0, 0) == (0.0, 1.0)
    assert wilson(0, 5)[0] == 0.0
    assert wilson(5, 5)[1] == pytest.approx(1.0)


def test_perfect_agreement_is_one() -> None:
    found = agreement_of({AA: 1, BB: 1})
    assert (found.items, found.comparisons, found.percent, found.alpha) == (2, 2, 1.0, pytest.approx(1.0))


def test_alpha_by_hand() -> None:
    # Two raters, four items: aa, bb, ab, aa. With a and b only, the ordinal distance is the nominal one up to a factor.
    # Coincidences: aa 4, bb 2, ab 1, ba 1; n = 8, n_a = 5, n_b = 3. Do = 2/8; De = 2 * 5 * 3 / (8 * 7) = 30/56.
    found = agreement_of({AA: 2, BB: 1, AB: 1})
    assert found.alpha == pytest.approx(1 - (2 / 8) / (30 / 56))
    assert found.percent == 0.75
    assert found.low is not None
    assert found.high is not None
    assert found.low <= found.alpha <= found.high


def test_a_tie_against_a_choice_disagrees_less_than_two_opposite_choices() -> None:
    mild = agreement_of({AA: 1, BB: 1, (1, 1, 0): 1}).alpha
    strong = agreement_of({AA: 1, BB: 1, AB: 1}).alpha
    assert mild is not None
    assert strong is not None
    assert mild > strong


@given(st.lists(st.tuples(*[st.integers(0, 4)] * 3).filter(lambda tally: sum(tally) > 1), min_size=1, max_size=20))
def test_alpha_is_that_of_the_package(tallies: list[tuple[int, int, int]]) -> None:
    found = agreement_of(Counter(tallies)).alpha
    if (np.sum(tallies, axis=0) > 0).sum() < 2:
        assert found is None
    else:
        wanted = krippendorff.alpha(
            value_counts=np.array(tallies), value_domain=[0, 1, 2], level_of_measurement="ordinal"
        )
        assert found == pytest.approx(wanted)


def test_without_shared_items_or_without_variation_there_is_no_alpha() -> None:
    assert agreement_of({(1, 0, 0): 3, (0, 0, 1): 2}).alpha is None
    found = agreement_of({AA: 1})
    assert (found.percent, found.alpha, found.low) == (1.0, None, None)


def test_how_each_person_works(session: Session, cast: Cast, add_items: AddItems) -> None:
    ann, boss, third = cast.annotator, cast.manager, factories.user(session)
    one, two, three = add_items(cast.project, 3, overlap=3)
    for item, choices in ((one, (A, A, B)), (two, (A, B, B)), (three, (TIE, BAD, A))):
        for person, choice in zip((ann, boss, third), choices, strict=True):
            factories.label(session, item, person, choice, seconds=4.0)
    (check,) = add_items(cast.project, purpose=m.Purpose.CHECK, expected={"best": 0})
    factories.label(session, check, ann, B, seconds=10.0)
    factories.assignment(session, add_items(cast.project)[0], ann, state=m.AssignmentState.SKIPPED)
    report, _ = quality.quality(session, cast.project)
    people = {person.id: person for person in report.annotators}
    found = people[ann.id]
    assert (found.labels, found.pace, found.ties, found.both_bad) == (4, 4.0, 1, 0)
    assert (found.checks, found.passed, found.skipped) == (1, 0, 1)
    # With the two others: item one 1 of 2, two 0 of 2, three 1 of 2 (tie and both bad are one).
    assert (found.with_others, found.shared) == (pytest.approx(2 / 6), 6)
    # The others agree with each other on item two only, and there on B.
    assert found.with_consensus == 0.0
    assert people[third.id].with_consensus == pytest.approx(0 / 2)
    # Shown left is answer a in these rows: two of three clear choices, one of them on the check.
    assert found.left_share == pytest.approx(2 / 3)
    assert (report.agreement.items, report.agreement.comparisons) == (3, 9)
    assert report.agreement.percent == pytest.approx(3 / 9)


def test_what_is_quick_to_count_is_counted_anew() -> None:
    store: cache.Cache[int] = cache.Cache()
    numbers = iter(range(10))
    assert [store.get("a", lambda: next(numbers))[0] for _ in range(3)] == [0, 1, 2]


def test_what_is_slow_to_count_is_counted_once_for_all_who_ask_and_anew_later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "QUICK", 0.02)
    store: cache.Cache[int] = cache.Cache()
    made: list[int] = []

    def make() -> int:
        time.sleep(0.05)
        made.append(1)
        return len(made)

    found: list[int] = []
    askers = [Thread(target=lambda: found.append(store.get("a", make)[0])) for _ in range(8)]
    for asker in askers:
        asker.start()
    for asker in askers:
        asker.join()
    assert (found, len(made)) == ([1] * 8, 1)
    assert store.get("b", make)[0] == 2  # another key
    time.sleep(1.2)
    assert store.get("a", make)[0] == 3
