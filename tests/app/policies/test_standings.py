"""Policies beside each other: the surest first, from whichever side they were compared."""

import pytest

from app.models import Model
from app.policies.results import Compared, Result
from app.policies.standings import leaderboard


def _model(id_: int, **metrics: float) -> Model:
    return Model(id=id_, name=f"Policy {id_}", metrics=metrics)


def _result(rate: float | None, low: float, high: float) -> Result:
    return Result(items=20, judged=20, equal=0, wins=12, losses=5, ties=2, both_bad=1, rate=rate, low=low, high=high)


BASE, SURE, LUCKY, NEW, OLD = _model(1), _model(2), _model(3), _model(4, reward_gain_low=0.3), _model(5)


def test_the_surest_is_first() -> None:
    compared = [
        Compared(LUCKY, BASE, _result(0.9, 0.45, 1.0)),
        Compared(SURE, BASE, _result(0.7, 0.6, 0.8)),
        Compared(SURE, BASE, _result(0.1, 0.0, 0.2)),  # an older evaluation
        Compared(NEW, BASE, _result(None, 0.0, 1.0)),  # without a judgement yet
    ]
    rows = leaderboard([OLD, NEW, LUCKY, SURE], BASE, SURE, compared)
    assert [row.model.id for row in rows] == [SURE.id, LUCKY.id, NEW.id, OLD.id]
    assert [row.against_current for row in rows] == [None] * 4


def test_a_comparison_counts_from_both_sides() -> None:
    [row] = leaderboard([LUCKY], BASE, SURE, [Compared(SURE, LUCKY, _result(0.7, 0.6, 0.85))])
    won = row.against_current
    assert won is not None
    assert (won.rate, won.low, won.high) == pytest.approx((0.3, 0.15, 0.4))
    assert (won.wins, won.losses, won.ties) == (5, 12, 2)
