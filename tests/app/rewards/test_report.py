"""The report of a reward model on labels whose numbers are worked out by hand."""

from math import log

import pytest

from app.models import Outcome
from app.rewards.report import Judged, build
from app.web import plots

A, B, TIE, BAD = Outcome.FIRST, Outcome.SECOND, Outcome.TIE, Outcome.BOTH_BAD


def judged(
    label: int,
    choice: Outcome,
    difference: float,
    *,
    who: int = 1,
    holdout: bool = True,
    tokens: int = 0,
    item: int = 0,
    prompt: int = 0,
) -> Judged:
    return Judged(label, prompt or item or label, item or label, who, (0, 1), choice, holdout, difference, tokens)


def test_only_clear_holdout_labels_are_measured() -> None:
    report = build(
        [
            judged(1, A, 1.0),
            judged(2, B, 1.0),
            judged(3, B, -1.0, who=2),
            judged(4, TIE, 1.0),
            judged(5, BAD, 1.0),
            judged(6, A, -9.0, holdout=False),
        ]
    )
    assert report["labels"] == 6
    assert report["holdout"]["labels"] == 3
    assert report["holdout"]["accuracy"] == pytest.approx(2 / 3)
    people = [(row["annotator_id"], row["labels"], row["accuracy"]) for row in report["by_annotator"]]
    assert people == [(1, 2, 0.5), (2, 1, 1.0)]
    assert [row["label_id"] for row in report["disputed"]] == [6, 2]
    assert [row["gap"] for row in report["disputed"]] == [9.0, 1.0]


def test_calibration_bins_by_confidence() -> None:
    three_to_one = log(3)  # a confidence of 3/4
    report = build([judged(1, A, three_to_one), judged(2, B, -three_to_one), judged(3, B, three_to_one)])
    (only,) = report["calibration"]
    assert (only["labels"], only["confidence"]) == (3, pytest.approx(0.75))
    assert only["accuracy"] == pytest.approx(2 / 3)
    assert build([judged(1, A, 1e9)])["calibration"][0]["confidence"] == 1.0


def test_length_is_read_from_the_preferred_answer() -> None:
    report = build(
        [
            judged(1, A, 1.0, tokens=60),  # preferred longer by 60, right
            judged(2, B, 1.0, tokens=60),  # preferred shorter by 60, wrong
            judged(3, B, -1.0, tokens=-11),  # preferred longer by 11, right
            judged(4, A, 1.0, tokens=10),  # alike
        ]
    )
    groups = {(row["from"], row["to"]): (row["labels"], row["accuracy"]) for row in report["by_length"]}
    assert groups == {
        (None, -50): (1, 0.0),
        (-49, -10): (0, None),
        (-9, 10): (1, 1.0),
        (11, 50): (1, 1.0),
        (51, None): (1, 1.0),
    }


def test_agreement_counts_items_of_people() -> None:
    # Three people on one pair: a a b. Of three comparisons one agrees. Two on another: b b. A tie compares with nobody.
    rows = [judged(n, choice, 0.1, who=n, item=1) for n, choice in ((1, A), (2, A), (3, B), (4, TIE))]
    rows += [judged(n, B, 0.1, who=n, item=2) for n in (5, 6)]
    agreement = build(rows)["agreement"]
    assert (agreement["comparisons"], agreement["share"]) == (4, 0.5)


def test_nothing_scored_gives_an_empty_report() -> None:
    report = build([])
    assert report["holdout"] == {"labels": 0, "accuracy": None, "low": 0.0, "high": 1.0}
    assert report["agreement"]["share"] is None


def test_ticks_are_round_and_tell_themselves_apart():
    assert plots.steps(0, 420) == [0, 100, 200, 300, 400]
    assert plots.steps(-0.22, 0.88) == [-0.2, 0.0, 0.2, 0.4, 0.6, 0.8]
    assert plots.steps(0, 6.38, 3) == [0, 2, 4, 6]
    assert [plots.digits(plots.steps(*ends)) for ends in ((0, 420), (0, 0.9), (0, 0.03))] == [0, 1, 3]


def test_a_value_beyond_the_edge_of_a_plot_lies_on_it():
    axes = plots.Axes((0, 10), (0.5, 1.0), left=50, right=150, top=10, bottom=110)
    assert [axes.x(value) for value in (-1, 0, 5, 10, 99)] == [50, 50, 100, 150, 150]
    assert [axes.y(value) for value in (0.4, 0.5, 0.75, 1.0)] == [110, 110, 60, 10]
