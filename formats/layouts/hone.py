"""The labels that Hone itself exports: one a row, with every column. In CSV a quote before a formula's sign is cut."""

from collections.abc import Iterator, Mapping
from typing import Any

from formats import messages
from formats.fields import Fields, as_text, worded
from formats.layouts.base import Layout, columns, comparison
from formats.records import BadRow, ComparisonRecord, Response

_FORMULA = ("'=", "'+", "'-", "'@", "'\t", "'\r")


def _text(fields: Fields, name: str) -> str | None:
    text = fields.text(name)
    return text[1:] if text and fields.row.tabular and text.startswith(_FORMULA) else text


def _labels(fields: Fields) -> Iterator[ComparisonRecord]:
    before = fields.prompt()
    responses = []
    for side in ("a", "b"):
        text = _text(fields, f"response_{side}")
        if not text or not text.strip():
            raise BadRow("A response is empty.")
        responses.append(
            Response(text, _text(fields, f"imported_from_{side}"), fields.some([f"model_{side}", f"author_{side}"]))
        )
    common: dict[str, Any] = {"annotator": fields.text("annotator"), "date": fields.text("created_at")}
    choice, rationale, strength = fields.text("choice"), _text(fields, "comment"), fields.number("strength")
    judged = [worded(choice, strength=strength, rationale=rationale, **common)] if choice else []
    for stated in fields.list("questions"):
        if not isinstance(stated, Mapping):
            raise BadRow('"questions" has something that is no object with a question and a choice.')
        question = as_text(stated.get("question"), "question") or ""
        judged.append(worded(stated.get("choice"), question=question, **common))
    yield comparison(fields, messages.checked(before), responses, judged)


LAYOUTS = (
    Layout(
        "hone-labels",
        "Labels exported by Hone",
        "labels",
        columns("item prompt response_a response_b choice purpose"),
        _labels,
    ),
)
