"""Responses to one prompt without a judgement: in numbered columns, or in a list as `rlhf.sample` writes them."""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from formats import messages
from formats.fields import Fields, as_list, as_text
from formats.layouts.base import Layout, columns, comparison
from formats.records import BadRow, ComparisonRecord, Response

PROMPTS = ("prompt", "instruction", "question", "query", "text", "input", "context")
_NUMBERED = re.compile(r"(response|answer|completion|output|generation|candidate|text)[ _-]?(\d{1,2}|[a-z])", re.I)


def numbered(names: Iterable[str]) -> list[str]:
    """The columns `response_1`, `response_2` ... (or answer, a and b, and so on) of the most numerous family."""
    families: dict[str, list[tuple[str, str]]] = {}
    for name in names:
        if found := _NUMBERED.fullmatch(name):
            families.setdefault(found[1].lower(), []).append((found[2].lower().zfill(2), name))
    most = max(families.values(), key=len, default=[])
    return [name for _, name in sorted(most)] if len(most) >= 2 else []


def mark_of(name: str) -> str:
    """What tells a numbered column from the others of its family: `1` of `response_1`."""
    return re.split(r"[ _-]|(?=\d)", name)[-1]


def _columns(fields: Fields) -> Iterator[ComparisonRecord]:
    before = fields.prompt(next((name for name in PROMPTS if name in fields), "prompt"))
    names = numbered(fields.names())
    if len(names) < 2:
        raise BadRow("There are no two responses to compare.")
    marks = [mark_of(name) for name in names]
    yield comparison(fields, before, fields.responses(before, names, "model_{}", ("score_{}",), marks))


def _list(fields: Fields) -> Iterator[ComparisonRecord]:
    before = fields.prompt()
    responses = [_response(entry) for entry in as_list(fields.need("responses"), "responses")]
    if len(responses) < 2:
        raise BadRow('"responses" has no two responses to compare.')
    yield comparison(fields, before, responses)


def _response(entry: Any) -> Response:
    if not isinstance(entry, Mapping):
        return Response(messages.response(entry, "responses", []))
    rest = {
        name: value for name, value in entry.items() if name not in ("text", "model", "author") and value is not None
    }
    author = as_text(entry.get("model", entry.get("author")), "model")
    return Response(messages.response(entry.get("text"), "text", []), author, rest)


def _has_columns(values: Mapping[str, Any]) -> bool:
    return (
        any(name in values for name in PROMPTS)
        and len(numbered(name for name in values if values[name] is not None)) >= 2
    )


def _has_list(values: Mapping[str, Any]) -> bool:
    return isinstance(values["responses"], list)


LAYOUTS = (
    Layout("responses", "Prompts with a list of responses", "pairs", columns("prompt responses"), _list, _has_list),
    Layout("pairs", "Prompts with responses in columns", "pairs", frozenset(), _columns, _has_columns),
)
