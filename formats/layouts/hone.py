"""The labels that Hone itself exports, one a row, with all there is.

Who prefers what is in `preferences`, by the positions of the responses; of more than two it makes an order. A response
that somebody wrote without one to improve is a demonstration. What no record has a place for is metadata: the row's
`kind`, `value` and `order` say what was shown and how it was answered.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

from formats import messages
from formats.fields import Fields, as_list, as_number, as_text, ranked
from formats.layouts.base import Layout, columns, comparison, demonstration
from formats.records import BadRow, Judgement, Record, Response
from formats.strict_json import parse

NAME = "hone-labels"
_OUTCOMES = {"first": 1.0, "second": 0.0, "tie": 0.5, "both_bad": None}
_MOST_RATERS = 1_000_000
_SAME = 1e-9
_LEARNT_FROM = ("train", "chat")  # purposes of items
_JSON = [
    "label",
    "item",
    "prompt_id",
    "chooses",
    "usable",
    "order",
    "reasons",
    "seconds",
    "passed",
    "late",
    "surplus",
    "instructions",
]
"""Columns that are no text, and stay in the metadata."""


def _labels(fields: Fields) -> Iterator[Record]:
    before = messages.checked(messages.conversation(fields.turns("prompt"), "prompt"))
    shown = _objects(fields, "responses")
    responses = [_response(each) for each in shown]
    place = {as_number(each.get("position"), "position"): place for place, each in enumerate(shown)}
    stated: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for each in _objects(fields, "preferences"):
        stated[as_text(each.get("text") or each.get("question"), "question") or ""].append(each)
    common = {"annotator": fields.text("annotator"), "date": fields.text("created_at")}
    comment = fields.text("comment")
    judged = [
        _judgement(each, place, len(responses), question=question, rationale=None if question else comment, **common)
        for question, each in stated.items()
    ]
    record: Record
    if len(responses) == 1 and not judged:
        record = demonstration(fields, before, responses[0])
    else:
        record = comparison(fields, before, responses, judged)
    if not judged:
        said = common | {"comment": comment}
        record.metadata.update({name: value for name, value in said.items() if value is not None})
    if fields.row.tabular:
        record.metadata.update({n: _as_written(n, record.metadata[n]) for n in _JSON if n in record.metadata})
    for name, value in _imported(record.metadata.pop("metadata", None)).items():
        record.metadata.setdefault(name, value)
    yield record


def teaches_nothing(record: Record) -> bool:
    """Whether a label is one that models never learn from, such as an attention check's; one that was changed later is
    no such."""
    about = record.metadata
    changed = about.get("superseded_at") is not None and about.get("purpose") in _LEARNT_FROM
    return about.get("usable") is False and not changed


def _imported(given: Any) -> Mapping[str, Any]:
    """What an import had kept of its columns."""
    found = _as_written("metadata", given) if isinstance(given, str) else given or {}
    if not isinstance(found, Mapping):
        raise BadRow('"metadata" is no object.')
    return found


def _objects(fields: Fields, name: str) -> list[Mapping[str, Any]]:
    found = as_list(fields.take(name), name)
    if not all(isinstance(each, Mapping) for each in found):
        raise BadRow(f'"{name}" has something that is no object.')
    return found


def _response(given: Mapping[str, Any]) -> Response:
    text = given.get("text")
    if not isinstance(text, str) or not text.strip():
        raise BadRow("A response is empty.")
    own = ("text", "name", "metadata")
    known = {name: value for name, value in given.items() if name not in own and value is not None}
    return Response(text, as_text(given.get("name"), "name"), {**_imported(given.get("metadata")), **known})


def _judgement(
    stated: list[Mapping[str, Any]], place: Mapping[float | None, int], count: int, **more: Any
) -> Judgement:
    """What one label says on one question."""
    values = [_value(each, place) for each in stated]
    if len(values) == 1 and count == 2:
        (_, outcome, probability), [each] = values[0], stated
        strength, raters = as_number(each.get("strength"), "strength"), as_number(each.get("raters"), "raters")
        raters = 1.0 if raters is None else raters
        if not (1 <= raters <= _MOST_RATERS and raters.is_integer()):
            raise BadRow('"raters" must be a whole number of people.')
        soft = probability is not None and probability != _OUTCOMES[outcome]
        return Judgement(
            outcome=outcome,
            strength=strength,
            strength_of=as_number(each.get("levels"), "levels"),
            probability=probability if soft else None,
            raters=int(raters) if raters != 1 else None,
            **more,
        )
    points = [0.0] * count
    for (first, second), _, probability in values:
        if probability is None:
            raise BadRow("Both bad is said of two responses, not among several.")
        points[first] += probability
        points[second] += 1 - probability
    for (first, second), _, probability in values:
        gap = points[first] - points[second]
        if probability is not None and (gap > _SAME) - (gap < -_SAME) != (probability > 0.5) - (probability < 0.5):
            raise BadRow("Its preferences make no order of the responses.")
    if len(values) != count * (count - 1) // 2:
        raise BadRow("Its preferences do not compare each two of the responses.")
    return ranked([-each for each in points], **more)


def _value(each: Mapping[str, Any], place: Mapping[float | None, int]) -> tuple[tuple[int, int], Any, float | None]:
    ends = [place.get(as_number(each.get(name), name)) for name in ("first", "second")]
    outcome = each.get("outcome")
    if outcome not in _OUTCOMES or ends[0] is None or ends[1] is None or ends[0] == ends[1]:
        raise BadRow("A preference is of no two responses of the row, or has no known outcome.")
    probability, meant = as_number(each.get("probability"), "probability"), _OUTCOMES[outcome]
    if probability is None or meant is None:
        return (ends[0], ends[1]), outcome, meant
    if not 0 <= probability <= 1:
        raise BadRow(f"The probability {probability:g} is none: it must be from 0 to 1.")
    if (probability > 0.5) - (probability < 0.5) != (meant > 0.5) - (meant < 0.5):
        raise BadRow(f"The probability {probability:g} says another response than the outcome {outcome!r}.")
    return (ends[0], ends[1]), outcome, probability


def _as_written(name: str, cell: str) -> Any:
    """What a table's cell of a column that is no text holds."""
    try:
        return parse(cell)
    except BadRow:
        raise BadRow(f'"{name}" cannot be read.') from None


LAYOUTS = (
    Layout(NAME, "Labels exported by Hone", "labels", columns("label item prompt responses preferences"), _labels),
)
