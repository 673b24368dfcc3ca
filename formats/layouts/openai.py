"""OpenAI's: the comparisons of summaries, and the files of preference fine-tuning."""

from collections.abc import Iterator, Mapping
from typing import Any

from formats import messages
from formats.fields import Fields
from formats.layouts.base import Layout, columns, comparison
from formats.layouts.scored import objects, one
from formats.records import BadRow, ComparisonRecord, Judgement, Response


def _summaries(fields: Fields) -> Iterator[ComparisonRecord]:
    info = fields.need("info")
    if not isinstance(info, Mapping):
        raise BadRow('"info" is no object with a post.')
    name = "post" if info.get("post") is not None else "article"
    before = messages.prompt(info.get(name), name)
    responses = [one(entry, "text", "policy") for entry in objects(fields, "summaries")]
    judged = []
    if (choice := fields.number("choice")) is not None:
        if len(responses) != 2 or choice not in (0, 1):
            raise BadRow('"choice" must be 0 or 1, of two summaries.')
        judged = [Judgement(outcome="second" if choice else "first", annotator=fields.text("worker"))]
    record = comparison(fields, before, responses, judged)
    record.metadata["info"] = {key: value for key, value in info.items() if key != name}
    yield record


def _preference(fields: Fields) -> Iterator[ComparisonRecord]:
    given = fields.need("input")
    if not isinstance(given, Mapping):
        raise BadRow('"input" is no object with messages.')
    before = messages.prompt(given.get("messages"), "messages")
    responses = [
        Response(messages.response(fields.need(name), name, before))
        for name in ("preferred_output", "non_preferred_output")
    ]
    record = comparison(fields, before, responses, [Judgement(outcome="first")])
    if rest := {key: value for key, value in given.items() if key != "messages" and value not in (None, [])}:
        record.metadata["input"] = rest
    yield record


def _has_post(values: Mapping[str, Any]) -> bool:
    info = values["info"]
    return isinstance(info, Mapping) and bool({"post", "article"} & info.keys())


LAYOUTS = (
    Layout(
        "openai-comparisons",
        "OpenAI's comparisons of summaries",
        "labels",
        columns("info summaries choice"),
        _summaries,
        _has_post,
    ),
    Layout(
        "openai-preference",
        "OpenAI preference fine-tuning",
        "labels",
        columns("input preferred_output non_preferred_output"),
        _preference,
    ),
)
