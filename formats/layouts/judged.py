"""Two responses side by side and which is better: as a probability, on AlpacaEval's scale, or as a word.

A `preference` is the probability that the first is better, except in files in which one goes beyond 1: those are on
AlpacaEval's scale, where 1 prefers the first, 2 the second, what lies between leans to one of them, and 0 is a tie.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from formats.fields import Fields, as_number, worded
from formats.layouts.base import Layout, columns, comparison
from formats.layouts.numbered import PROMPTS, mark_of, numbered
from formats.layouts.trl import instruction, probability
from formats.records import BadRow, ComparisonRecord, Judgement, Response, Row

_A_B = ("response_a", "response_b")
_CHOICES = ("choice", "winner", "preferred", "better", "verdict", "preference")
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


def _is_number(text: str) -> bool:
    return text == "" or as_number(text, "preference") is not None


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
    before = fields.prompt(next((name for name in PROMPTS if name in fields), "prompt"))
    names = _sides(fields.row.values)
    if len(names) != 2:
        raise BadRow("There are no two responses to compare.")
    named = _named(fields.row.values, names)
    responses = fields.responses(before, names, "model_{}", ("score_{}",), [mark_of(name) for name in names])
    column = _chooses(fields.row.values)
    choice = None if column is None else fields.text(column)
    judged = [] if choice is None else [replace(_word(choice, named), **_common(fields))]
    yield comparison(fields, before, responses, judged)


def _word(choice: str, named: dict[str, str]) -> Judgement:
    """The judgement of a word, or of the name of a column or of who wrote a response. Raises BadRow."""
    return worded(named.get(choice.strip().lower(), choice))


def _sides(values: Mapping[str, Any]) -> list[str]:
    return list(_A_B) if all(name in values for name in _A_B) else numbered(values)


def _named(values: Mapping[str, Any], names: Sequence[str]) -> dict[str, str]:
    """What the two responses are called: by their columns, the numbers of these, and who wrote them."""
    marks = [mark_of(name) for name in names]
    authors = [str(values.get(f"model_{mark}")) for mark in marks]
    found: dict[str, str] = {}
    for called in (names, marks, authors):
        if len({name.lower() for name in called}) == len(called) == 2:
            found |= {name.lower(): word for name, word in zip(called, ("first", "second"), strict=True)}
    return found


def _chooses(values: Mapping[str, Any]) -> str | None:
    return next((name for name in _CHOICES if name in values), None)


def _is_chosen(values: Mapping[str, Any]) -> bool:
    """Whether a column says in words which of two responses is better. What a lone number says is only sure of
    `choice`, or where responses are numbered so: it may be a probability."""
    column = _chooses(values)
    names = _sides(values)
    if column is None or len(names) != 2 or not any(values.get(name) is not None for name in PROMPTS):
        return False
    choice, named = values[column], _named(values, names)
    if choice is None or (column == "choice" and names == list(_A_B)):
        return True
    if not isinstance(choice, str) or (choice.strip().isdigit() and choice.strip() not in named):
        return False
    return bool(_word(choice, named))


_JUDGED = Layout(
    "judged",
    "Judged pairs",
    "labels",
    columns("prompt response_a response_b preference"),
    _judged(probability),
    lambda values: not isinstance(values["preference"], str) or _is_number(values["preference"]),
    prepare=_scale,
)
LAYOUTS = (
    Layout("alpaca-eval", "AlpacaEval annotations", "labels", columns("instruction output_1 output_2"), _alpaca_eval),
    _JUDGED,
    Layout("choice", "Pairs and a choice in words", "labels", frozenset(), _chosen_by_word, _is_chosen),
)
