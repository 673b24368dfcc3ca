"""Agreement and annotators, against numbers worked out by hand."""

import pytest
from sqlalchemy.orm import Session

from app import models as m
from app.labels import quality
from app.labels.quality import agreement_of, wilson
from tests import factories
from tests.app.conftest import Cast
from tests.app.labels.conftest import AddPairs

A, B, TIE, BAD = m.Choice.A, m.Choice.B, m.Choice.TIE, m.Choice.BOTH_BAD


def test_wilson_as_in_the_book() -> None:
    # 8 of 10: (0.8 + 1.96^2/20 +- 1.96 sqrt(0.016 + 1.96^2/400)) / (1 + 1.96^2/10)
    low, high = wilson(8, 10)
    assert (low, high) == (pytest.approx(0.4902, abs=1e-4), pytest.approx(0.9433, abs=1e-4))
    assert wilson(0, 0) == (0.0, 1.0)
    assert wilson(0, 5)[0] == 0.0
    assert wilson(5, 5)[1] == pytest.approx(1.0)


def test_perfect_agreement_is_one() -> None:
    found = agreement_of([(1, 1, A), (1, 2, A), (2, 1, B), (2, 2, B)])
    assert (found.pairs, found.comparisons, found.percent, found.alpha) == (2, 2, 1.0, pytest.approx(1.0))


def test_alpha_by_hand() -> None:
    # Two raters, four pairs: aa, bb, ab, aa. With a and b only, the ordinal distance is the nominal one up to a factor.
    # Coincidences: aa 4, bb 2, ab 1, ba 1; n = 8, n_a = 5, n_b = 3. Do = 2/8; De = 2 * 5 * 3 / (8 * 7) = 30/56.
    votes = [(1, 1, A), (1, 2, A), (2, 1, B), (2, 2, B), (3, 1, A), (3, 2, B), (4, 1, A), (4, 2, A)]
    found = agreement_of(votes)
    assert found.alpha == pytest.approx(1 - (2 / 8) / (30 / 56))
    assert found.percent == 0.75
    assert found.low is not None
    assert found.high is not None
    assert found.low <= found.alpha <= found.high


def test_a_tie_against_a_choice_disagrees_less_than_two_opposite_choices() -> None:
    common = [(1, 1, A), (1, 2, A), (2, 1, B), (2, 2, B)]
    mild = agreement_of([*common, (3, 1, A), (3, 2, TIE)]).alpha
    strong = agreement_of([*common, (3, 1, A), (3, 2, B)]).alpha
    assert mild is not None
    assert strong is not None
    assert mild > strong


def test_tie_and_both_bad_are_one_place_on_the_scale() -> None:
    assert agreement_of([(1, 1, TIE), (1, 2, BAD)]).percent == 1.0


def test_without_shared_pairs_or_without_variation_there_is_no_alpha() -> None:
    assert agreement_of([(1, 1, A), (2, 2, B)]).alpha is None
    found = agreement_of([(1, 1, A), (1, 2, A)])
    assert (found.percent, found.alpha, found.low) == (1.0, None, None)


def test_how_each_person_works(session: Session, cast: Cast, add_pairs: AddPairs) -> None:
    ann, boss, third = cast.annotator, cast.manager, factories.user(session)
    one, two, three = add_pairs(cast.project, 3, overlap=3)
    for pair, choices in ((one, (A, A, B)), (two, (A, B, B)), (three, (TIE, BAD, A))):
        for person, choice in zip((ann, boss, third), choices, strict=True):
            factories.label(session, pair, person, choice, seconds=4.0)
    (check,) = add_pairs(cast.project, purpose=m.Purpose.CHECK, expected=m.Side.A)
    factories.label(session, check, ann, B, seconds=10.0)
    factories.assignment(session, add_pairs(cast.project)[0], ann, state=m.AssignmentState.SKIPPED)
    people = {person.id: person for person in quality.annotators(session, cast.project)}
    found = people[ann.id]
    assert (found.labels, found.pace, found.ties, found.both_bad) == (4, 4.0, 1, 0)
    assert (found.checks, found.passed, found.skipped) == (1, 0, 1)
    # With the two others: pair one 1 of 2, two 0 of 2, three 1 of 2 (tie and both bad are one).
    assert (found.with_others, found.shared) == (pytest.approx(2 / 6), 6)
    # The others agree with each other on pair two only, and there on B.
    assert found.with_consensus == 0.0
    assert people[third.id].with_consensus == pytest.approx(0 / 2)
    # Shown left is answer a in these rows: two of three clear choices, one of them on the check.
    assert found.left_share == pytest.approx(2 / 3)
    agreement = quality.agreement(session, cast.project)
    assert (agreement.pairs, agreement.comparisons) == (3, 9)
    assert agreement.percent == pytest.approx(3 / 9)
