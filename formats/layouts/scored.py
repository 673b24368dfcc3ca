"""Several responses with scores or ranks: UltraFeedback in full, distilabel's generations, Nectar.

Scores judge only where every response has one; they are named as the judgement's source, and stay with the responses.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from formats import messages
from formats.fields import Fields, as_list, as_number, as_text, by_scores, ranked
from formats.layouts.base import Layout, columns, comparison
from formats.layouts.trl import instruction
from formats.records import BadRow, ComparisonRecord, Judgement, Response


def objects(fields: Fields, name: str) -> list[Mapping[str, Any]]:
    """A field that is a list of two objects or more. Raises BadRow."""
    found = as_list(fields.need(name), name)
    if len(found) < 2:
        raise BadRow(f'"{name}" has no two responses to compare.')
    if not all(isinstance(entry, Mapping) for entry in found):
        raise BadRow(f'"{name}" has something that is no object.')
    return found


def one(entry: Mapping[str, Any], text: str, author: str) -> Response:
    """A response out of an object, whose other fields are its metadata. Raises BadRow."""
    rest = {name: value for name, value in entry.items() if name not in (text, author) and value is not None}
    return Response(messages.response(entry.get(text) or "", text, []), as_text(entry.get(author), author), rest)


def _ultrafeedback(fields: Fields) -> Iterator[ComparisonRecord]:
    before = instruction(fields)
    entries = objects(fields, "completions")
    judged = by_scores([_rating(entry.get("overall_score")) for entry in entries], "", "overall_score")
    aspects = [entry.get("annotations") for entry in entries]
    for aspect in aspects[0] if isinstance(aspects[0], Mapping) else ():
        said = [found.get(aspect) if isinstance(found, Mapping) else None for found in aspects]
        scores = [_rating(rating.get("Rating")) if isinstance(rating, Mapping) else None for rating in said]
        judged += by_scores(scores, aspect, f"annotations.{aspect}.Rating")
    yield comparison(fields, before, [one(entry, "response", "model") for entry in entries], judged)


def _rating(value: Any) -> float | None:
    try:
        return as_number(value, "rating")
    except BadRow:
        return None  # "N/A"


def _distilabel(fields: Fields) -> Iterator[ComparisonRecord]:
    before = instruction(fields)
    texts = [messages.response(text, "generations", before) for text in fields.list("generations")]
    if len(texts) < 2:
        raise BadRow('"generations" has no two responses to compare.')
    models, ratings, rationales = (
        _as_many(fields, name, len(texts)) for name in ("generation_models", "ratings", "rationales")
    )
    scores = [as_number(rating, "ratings") for rating in ratings]
    responses = [
        Response(
            text,
            as_text(model, "generation_models"),
            {name: value for name, value in (("rating", rating), ("rationale", rationale)) if value is not None},
        )
        for text, model, rating, rationale in zip(texts, models, ratings, rationales, strict=True)
    ]
    yield comparison(fields, before, responses, by_scores(scores, "", "ratings"))


def _as_many(fields: Fields, name: str, count: int) -> list[Any]:
    found = fields.list(name)
    if found and len(found) != count:
        raise BadRow(f'"{name}" has {len(found)} entries for {count} responses.')
    return found or [None] * count


def _nectar(fields: Fields) -> Iterator[ComparisonRecord]:
    before = fields.prompt()
    entries = objects(fields, "answers")
    responses = [one(entry, "answer", "model") for entry in entries]
    ranks = [as_number(entry.get("rank"), "rank") for entry in entries]
    known = [rank for rank in ranks if rank is not None]
    judged: list[Judgement] = [ranked(known)] if len(known) == len(entries) else []
    yield comparison(fields, before, responses, judged)


def _first_has(name: str, key: str) -> Any:
    def fits(values: Mapping[str, Any]) -> bool:
        found = values.get(name)
        return isinstance(found, list) and bool(found) and isinstance(found[0], Mapping) and key in found[0]

    return fits


LAYOUTS = (
    Layout(
        "ultrafeedback",
        "UltraFeedback",
        "labels",
        columns("instruction completions"),
        _ultrafeedback,
        _first_has("completions", "response"),
    ),
    Layout("distilabel", "distilabel generations", "labels", columns("instruction generations"), _distilabel),
    Layout("nectar", "Nectar", "labels", columns("prompt answers"), _nectar, _first_has("answers", "answer")),
)
