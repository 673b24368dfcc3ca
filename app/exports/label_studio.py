"""Pairs as Label Studio's tasks, each with the annotations that its labels are. See docs/formats.md for the labelling
interface that shows them.

Label Studio knows an annotator only by an account of its own, so the number of ours is in the results' `meta`, and in a
text `labelled_by`, since its short exports (JSON-MIN, CSV) have no `meta`. Its files do not say of how many a rating is
either, so the task's data does, which all of its exports repeat.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

from sqlalchemy import Row

from app.exports.rows import FILES, Found, Out, given_at, levels, plain
from app.models import Outcome
from app.models.export_settings import ExportSettings
from app.models.project_settings import LabelSettings

Stated = Sequence[Mapping[str, Any]]
_SELECTED = {Outcome.FIRST: "left", Outcome.SECOND: "right"}
_WORDS = {Outcome.FIRST: "first", Outcome.SECOND: "second", Outcome.TIE: "tie", Outcome.BOTH_BAD: "both bad"}


def tasks(wanted: ExportSettings, asked: LabelSettings, found: Found) -> Iterator[Out]:
    """A task for each two responses of which anything was said."""
    for _, of_item in groupby(found, lambda label: label.item_id):
        labels = list(of_item)
        responses = {response["position"]: response for label in labels for response in label.responses or ()}
        pairs = sorted({(each["first"], each["second"]) for label in labels for each in label.stated or ()})
        for pair in pairs:
            first, second = (responses[place] for place in pair)
            said = [(label, stated) for label in labels if (stated := _of(label, pair))]
            for scale, on_it in _by_scale(asked, said).items():
                yield {
                    "data": _data(wanted, labels[0], first, second, scale),
                    "annotations": [_annotation(wanted, asked, label, stated) for label, stated in on_it],
                }


def _of(label: Row[Any], pair: tuple[int, int]) -> Stated:
    return [each for each in label.stated or () if (each["first"], each["second"]) == pair]


def _by_scale(
    asked: LabelSettings, said: Sequence[tuple[Row[Any], Stated]]
) -> dict[int | None, list[tuple[Row[Any], Stated]]]:
    """What was said, by the levels of its strengths: more than one only where files with scales of their own brought
    them. Labels without a strength are on any."""
    found: dict[int | None, list[tuple[Row[Any], Stated]]] = {}
    for label, stated in said:
        strong = any(each["strength"] for each in stated)
        found.setdefault(levels(asked, label) if strong else None, []).append((label, stated))
    if None in found and len(found) > 1:
        without = found.pop(None)
        next(iter(found.values())).extend(without)
    return found


def _data(
    wanted: ExportSettings, label: Row[Any], first: Mapping[str, Any], second: Mapping[str, Any], scale: int | None
) -> Out:
    data = {"prompt": plain(label.messages), "answer1": first["text"], "answer2": second["text"]}
    if len(label.messages) > 1:
        data["messages"] = label.messages
    if scale is not None:
        data["strength_of"] = scale
    about = {"item": label.item_id, "split": FILES[label.split], "purpose": label.purpose.value}
    return data | about | {"model1": _author(wanted, first), "model2": _author(wanted, second)}


def _author(wanted: ExportSettings, response: Mapping[str, Any]) -> str | None:
    """The model, or what a file said; a person by name only where names are asked for."""
    named: str | None = response["name"] or (response["author_name"] if wanted.names else None)
    return named


def _annotation(wanted: ExportSettings, asked: LabelSettings, label: Row[Any], stated: Stated) -> Out:
    who = {"annotator": str(label.rater)} | ({"name": label.annotator} if wanted.names else {})
    results = [result for each in stated for result in _results(asked, each)]
    results.append(_result("labelled_by", "textarea", {"text": [str(label.rater)]}))
    if label.comment:
        results.append(_result("comment", "textarea", {"text": [label.comment]}))
    return {
        "result": [result | {"id": f"{label.id}-{n}", "meta": who} for n, result in enumerate(results)],
        "lead_time": label.seconds,
        "created_at": given_at(label),
    }


def _results(asked: LabelSettings, stated: Mapping[str, Any]) -> Iterator[Out]:
    outcome = Outcome(stated["outcome"])
    if stated["question"]:
        yield _result(asked.text_of(stated["question"]), "choices", {"choices": [_WORDS[outcome]]})
    elif outcome in _SELECTED:
        yield _result("comparison", "pairwise", {"selected": _SELECTED[outcome]}, "answer1,answer2")
        if stated["strength"]:
            yield _result("strength", "rating", {"rating": stated["strength"]})
    else:
        yield _result("equal", "choices", {"choices": [_WORDS[outcome]]})


def _result(name: str, type_: str, value: Out, to: str = "prompt") -> Out:
    return {"from_name": name, "to_name": to, "type": type_, "value": value}
