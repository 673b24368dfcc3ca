"""Agreement and annotators, against numbers worked out by hand."""

import time
from collections.abc import Callable
from threading import Thread
from types import ModuleType

import pytest
from sqlalchemy.orm import Session

from app import models as m
from app.labels import over_time, quality, queries
from app.web import cache
from tests import factories
from tests.app.conftest import Browser, Cast
from tests.app.labels.conftest import AddItems

A, B, TIE, BAD = m.Outcome.FIRST, m.Outcome.SECOND, m.Outcome.TIE, m.Outcome.BOTH_BAD


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
    assert store.aged("b", make)[1] is not None
    assert store.aged("c", make) == (3, None)  # made for this look
    time.sleep(1.2)
    assert store.get("a", make)[0] == 4


@pytest.mark.parametrize(
    ("counts", "address", "figure"),
    [(quality, "quality?", "Agree with others"), (over_time, "over-time?over=week&", "Labels by hour of the day")],
)
def test_figures_that_take_long_to_count_come_later_and_old_ones_are_shown_until_then(
    session: Session, cast: Cast, add_items: AddItems, as_: Callable[[str], Browser], monkeypatch: pytest.MonkeyPatch,
    counts: ModuleType, address: str, figure: str,
) -> None:  # fmt: skip
    store: cache.Cache[object] = cache.Cache()
    monkeypatch.setattr(counts, "_cache", store)
    monkeypatch.setattr(cache, "QUICK", 0.0)
    page, reading = f"/projects/{cast.project.id}/labels/{address}", as_("manager")
    for item in add_items(cast.project, 2, overlap=2):
        for person in (cast.annotator, cast.manager):
            factories.label(session, item, person, A)

    def seen(address: str) -> tuple[bool, bool, bool]:
        text = reading.get(address).text
        return figure in text, "hx-get" in text, "These figures were counted" in text

    monkeypatch.setattr(queries, "FEW", 3)
    assert seen(page) == (False, True, False)  # four labels: nobody waits for them
    assert seen(f"{page}wait=true") == (True, False, False)
    assert seen(page) == (True, False, False)  # they are kept
    store._results = {key: (*found[:2], 0.0) for key, found in store._results.items()}
    assert seen(page) == (True, True, True)  # too long ago
    monkeypatch.setattr(queries, "FEW", 4)
    assert seen(page) == (True, False, False)
