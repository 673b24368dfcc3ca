"""Exports of a pairwise project of Label Studio: JSON, JSON-MIN, CSV.

The two responses are the fields that the answer names (`to_name`), or else the two that are numbered; of `answer1` the
field `model1` says who wrote it. An annotation
that was cancelled is none. What answers say beside the comparison: a choice in words is a question of its own, a text
the rationale; anything else stays in the metadata. As Hone writes such tasks, the choice `equal` is a tie or both bad,
a rating `strength` says how much better, of `strength_of` in the task's data, `messages` are the turns of the prompt,
and `meta`, or the text `labelled_by`, which the short exports have too, names the annotator. In the short exports
answers to further questions are columns like any other, so that they are looked for in tasks that Hone wrote alone.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from formats import messages
from formats.fields import Fields, as_date, as_number, as_text, worded
from formats.layouts.base import Layout, columns, comparison
from formats.layouts.numbered import PROMPTS, mark_of, numbered
from formats.records import BadRow, ComparisonRecord, Judgement, Messages, Response, Row
from formats.strict_json import in_cell

_SIDES = ("left", "right")
_OURS = {"item", "split", "purpose"}  # in the data of every task that Hone wrote
_FURTHER = ("first", "second", "tie", "both bad")
_WHO = "labelled_by"


def _json(fields: Fields) -> Iterator[ComparisonRecord]:
    data, annotations = fields.need("data"), fields.take("annotations") or []
    if not isinstance(data, Mapping) or not isinstance(annotations, list):
        raise BadRow('"data" must be an object, and "annotations" a list.')
    if not all(isinstance(annotation, Mapping) for annotation in annotations):
        raise BadRow('"annotations" has something that is no object.')
    standing = [annotation for annotation in annotations if not annotation.get("was_cancelled")]
    task = Fields(Row(fields.line, data))
    sides = _sides(task, _named(standing))
    before, responses = _task(task, sides)
    most = _most(task)
    judged: list[Judgement] = []
    unread: list[Any] = []
    for annotation in standing:
        found, rest = _answers(annotation, most)
        judged += found
        unread += rest
    record = comparison(fields, before, responses, judged)
    record.metadata.update({name: value for name, value in task.rest().items() if name not in record.metadata})
    if unread:
        record.metadata["results"] = unread
    yield record


def _min(fields: Fields) -> Iterator[ComparisonRecord]:
    name = _comparison(fields.row.values)
    answer = None if name is None else fields.take(name)
    sides = _sides(fields, [])
    before, responses = _task(fields, sides)
    selected = _only(answer, "selected")
    if selected in (None, ""):
        selected = fields.take("equal")
    strong = _strong(_only(fields.take("strength"), "rating"), _most(fields))
    rationale = "\n".join(_lines(fields.take("comment"))) or None
    ours, theirs = _person(_only(fields.take(_WHO), "text")), _person(fields.take("annotator"))
    common: dict[str, Any] = {"annotator": ours or theirs, "date": as_date(fields.take("created_at"))}
    judged = [] if selected in (None, "") else [worded(selected, rationale=rationale, **strong, **common)]
    judged += [worded(said, question=name, **common) for name, said in _further(fields)]
    yield comparison(fields, before, responses, judged)


def _further(fields: Fields) -> list[tuple[str, str]]:
    """(question, choice) of each further question of a task that Hone wrote."""
    if not _OURS.issubset(fields.names()):
        return []
    found = [(name, said) for name, said in fields.rest().items() if said in _FURTHER]
    for name, _ in found:
        fields.take(name)
    return found


def _most(task: Fields) -> float | None:
    """The best rating there is, by a task that Hone wrote."""
    return as_number(task.take("strength_of"), "strength_of")


def _strong(rating: Any, most: float | None) -> dict[str, float | None]:
    strength = as_number(rating, "strength")
    return {"strength": strength, "strength_of": None if strength is None else most}


def _only(cell: Any, name: str) -> Any:
    """What the one answer of a cell says: an answer, or a list of one, in a table as text."""
    value = in_cell(cell) if isinstance(cell, str) else cell
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    return value.get(name) if isinstance(value, Mapping) else value


def _task(fields: Fields, sides: list[str]) -> tuple[Messages, list[Response]]:
    name = next((name for name in PROMPTS if name in fields), "prompt")
    whole = fields.see("messages")
    whole = in_cell(whole) if fields.row.tabular and isinstance(whole, str) else whole
    turns = "messages" if isinstance(whole, list) else name
    before = fields.prompt(turns)
    fields.take(name)
    texts = [messages.response(fields.turns(side), side, before) for side in sides]
    texts = messages.without_repeated(before, texts)
    return before, [Response(text, _author(fields, side)) for text, side in zip(texts, sides, strict=True)]


def _author(fields: Fields, side: str) -> str | None:
    """Who wrote a response: of `answer1` the field `model1`, as Hone writes it."""
    name = f"model{mark_of(side)}"
    return (fields.take(name) or None) if isinstance(fields.see(name), str) else None


def _sides(fields: Fields, named: list[str]) -> list[str]:
    sides = named if len(named) == 2 and all(name in fields for name in named) else numbered(fields.names())
    if len(sides) != 2:
        raise BadRow("It cannot be told which two fields are the responses.")
    return sides


def _named(annotations: list[Mapping[str, Any]]) -> list[str]:
    for annotation in annotations:
        for result in _results(annotation):
            if result.get("type") == "pairwise" and isinstance(names := result.get("to_name"), str):
                return names.split(",")
    return []


def _answers(annotation: Mapping[str, Any], most: float | None) -> tuple[list[Judgement], list[Any]]:
    common: dict[str, Any] = {
        "annotator": _person(_ours(annotation) or annotation.get("completed_by")),
        "date": as_date(annotation.get("created_at")),
    }
    results = _results(annotation)
    rating = next((_value(result).get("rating") for result in results if _named_so(result, "rating", "strength")), None)
    areas = [result for result in results if result.get("type") == "textarea" and result.get("from_name") != _WHO]
    written = [text for result in areas for text in _texts(result)]
    rationale = "\n".join(written) or None
    judged: list[Judgement] = []
    unread: list[Any] = []
    for result in results:
        value = _value(result)
        if result.get("type") == "pairwise":
            strong = _strong(rating, most)
            judged.append(worded(value.get("selected"), rationale=rationale, **strong, **common))
        elif result.get("type") == "choices" and isinstance(said := value.get("choices"), list) and len(said) == 1:
            question = as_text(result.get("from_name"), "from_name") or ""
            main = question == "equal"
            try:
                judged.append(
                    worded(said[0], question="" if main else question, rationale=rationale if main else None, **common)
                )
            except BadRow:
                unread.append(result)
        elif result.get("type") != "textarea" and not _named_so(result, "rating", "strength"):
            unread.append(result)
    return judged, unread


def _results(annotation: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    found = annotation.get("result")
    if not isinstance(found, list) or not all(isinstance(result, Mapping) for result in found):
        raise BadRow('An annotation\'s "result" is no list of objects.')
    return found


def _value(result: Mapping[str, Any]) -> Mapping[str, Any]:
    value = result.get("value")
    return value if isinstance(value, Mapping) else {}


def _named_so(result: Mapping[str, Any], type_: str, name: str) -> bool:
    return result.get("type") == type_ and result.get("from_name") == name


def _ours(annotation: Mapping[str, Any]) -> Any:
    """Who gave the label that Hone wrote as this annotation: Label Studio itself knows whoever imported it."""
    results = _results(annotation)
    metas = [result.get("meta") for result in results]
    named = [meta["annotator"] for meta in metas if isinstance(meta, Mapping) and "annotator" in meta]
    named += [text for result in results if _named_so(result, "textarea", _WHO) for text in _texts(result)]
    return next(iter(named), None)


def _texts(result: Mapping[str, Any]) -> list[str]:
    return _lines(_value(result).get("text"))


def _lines(text: Any) -> list[str]:
    """One text or several, in a table as JSON."""
    value = in_cell(text) if isinstance(text, str) else text
    return [line for line in (value if isinstance(value, list) else [value]) if isinstance(line, str)]


def _person(value: Any) -> str | None:
    if isinstance(value, Mapping):
        value = value.get("email") or value.get("id")
    return as_text(value, "annotator")


def _comparison(values: Mapping[str, Any]) -> str | None:
    """The column of the comparison: people name it as they like, so that what it says decides."""
    usual = [name for name in ("comparison", "pairwise", "pw", "preference") if name in values]
    said = [name for name in usual if values[name] is not None]
    said = said or [name for name, cell in values.items() if _only(cell, "selected") in _SIDES]
    return next(iter([*said, *usual]), None)


def _is_pairwise(values: Mapping[str, Any]) -> bool:
    data, annotations = values["data"], values["annotations"]
    if not isinstance(data, Mapping) or not isinstance(annotations, list):
        return False
    whole = [a for a in annotations if isinstance(a, Mapping) and isinstance(a.get("result"), list)]
    return len(numbered(data)) >= 2 or bool(_named(whole))


def _is_min(values: Mapping[str, Any]) -> bool:
    return (_comparison(values) is not None or "equal" in values) and len(numbered(list(values))) == 2


LAYOUTS = (
    Layout("labelstudio", "Label Studio (JSON)", "labels", columns("data annotations"), _json, _is_pairwise),
    Layout(
        "labelstudio-min", "Label Studio (JSON-MIN, CSV)", "labels", columns("annotator annotation_id"), _min, _is_min
    ),
)
