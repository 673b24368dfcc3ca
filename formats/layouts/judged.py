"""Two responses side by side and which is better: as a probability, on AlpacaEval's scale, or as a word.

A `preference` is the probability that the first is better, except in files in which one goes beyond 1: those are on
AlpacaEval's scale, where 1 prefers the first, 2 the second, what lies between leans to one of them, and 0 is a tie.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any

from formats.fields import Fields, as_number, worded
from formats.layouts.base import Layout, columns, comparison
from formats.layouts.trl import instruction, probability
from formats.records import BadRow, ComparisonRecord, Judgement, Response, Row

_A_B = ("response_a", "response_b")
_1_2 = ("output_1", "output_2")


def _two(fields: Fields) -> tuple[Any, tuple[Response, ...]]:
    before = fields.prompt()
    return before, fields.responses(before, _A_B, "model_{}", ("score_{}",), ("a", "b"))


def _common(fields: Fields) -> dict[str, Any]:
    return {
        "strength": fields.number("margin"),
        "annotator": fields.text("annotator"),
        "rationale": fields.text("rationale"),
    }


def _judged(read: Callable[[float], Judgement]) -> Callable[[Fields], Iterator[ComparisonRecord]]:
    def rows(fields: Fields) -> Iterator[ComparisonRecord]:
        before, responses = _two(fields)
        judgement = read(float(as_number(fields.need("preference"), "preference") or 0))
        yield comparison(fields, before, responses, [replace(judgement, **_common(fields))])

    return rows


def _alpaca_scale(value: float) -> Judgement:
    if value == 0:
        return probability(0.5)
    if not 1 <= value <= 2:
        raise BadRow(f"The preference {value:g} is not on the scale of the others: 1 the first, 2 the second, 0 a tie.")
    return probability(2 - value)


def _scale(rows: Iterable[Row]) -> Layout:
    beyond = any(_beyond_one(row.values.get("preference")) for row in rows)
    return replace(_JUDGED, read=_judged(_alpaca_scale if beyond else probability), prepare=None)


def _beyond_one(value: Any) -> bool:
    try:
        return (as_number(value, "preference") or 0) > 1
    except BadRow:
        return False


def _alpaca_eval(fields: Fields) -> Iterator[ComparisonRecord]:
    before = instruction(fields)
    responses = fields.responses(before, _1_2, "generator_{}", (), ("1", "2"))
    value = fields.number("preference")
    judged = [] if value is None else [replace(_alpaca_scale(value), annotator=fields.text("annotator"))]
    yield comparison(fields, before, responses, judged)


def _chosen_by_word(fields: Fields) -> Iterator[ComparisonRecord]:
    before, responses = _two(fields)
    choice = fields.text("choice")
    judged = [] if choice is None else [worded(choice, **_common(fields))]
    yield comparison(fields, before, responses, judged)


_JUDGED = Layout(
    "judged",
    "Judged pairs",
    "labels",
    columns("prompt response_a response_b preference"),
    _judged(probability),
    prepare=_scale,
)
LAYOUTS = (
    Layout("alpaca-eval", "AlpacaEval annotations", "labels", columns("instruction output_1 output_2"), _alpaca_eval),
    _JUDGED,
    Layout(
        "choice",
        "Pairs and a choice in words",
        "labels",
        columns("prompt response_a response_b choice"),
        _chosen_by_word,
    ),
)
