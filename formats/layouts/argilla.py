"""Argilla's records: as it exports them, flat as its data sets on the hub are, and those as CSV.

The responses are the numbered fields. A question that can be read is one that names a response, ranks them, or says in
words which is better; the first such is the main one, a question with text the rationale. Drafts and discarded answers
are none. A suggestion is a judgement whose source is "suggestion", by its agent.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from formats import messages
from formats.fields import Fields, as_list, as_number, as_text, ranked, worded
from formats.layouts.base import Layout, columns, comparison
from formats.layouts.numbered import PROMPTS, numbered
from formats.layouts.written import CONVERSATIONS
from formats.records import BadRow, ComparisonRecord, Judgement, Response, Row
from formats.strict_json import in_cell


@dataclass(frozen=True, slots=True)
class _Answer:
    question: str
    value: Any
    person: str | None
    source: str | None = None


def _nested(fields: Fields) -> Iterator[ComparisonRecord]:
    given = fields.need("fields")
    if not isinstance(given, Mapping):
        raise BadRow('"fields" is no object.')
    answers = [*_responses(fields.take("responses")), *_suggestions(fields.take("suggestions"))]
    yield _record(fields, Fields(Row(fields.line, given)), answers)


def _flat(fields: Fields) -> Iterator[ComparisonRecord]:
    answers: list[_Answer] = []
    for name in [name for name in fields.names() if name.endswith(".responses")]:
        question = name.removesuffix(".responses")
        values, users, states = (fields.list(name + end) for end in ("", ".users", ".status"))
        for i, value in enumerate(values):
            if (states[i] if i < len(states) else "submitted") == "submitted":
                answers.append(_Answer(question, value, as_text(users[i], "users") if i < len(users) else None))
    for name in [name for name in fields.names() if name.endswith(".suggestion")]:
        question, agent = name.removesuffix(".suggestion"), fields.text(f"{name}.agent")
        answers.append(_Answer(question, fields.take(name), agent, "suggestion"))
    yield _record(fields, fields, answers)


def _record(fields: Fields, given: Fields, answers: list[_Answer]) -> ComparisonRecord:
    name = next((name for name in (*PROMPTS, "chat", *CONVERSATIONS) if name in given), None)
    if name is None:
        raise BadRow("It has no field with a prompt.")
    before = given.prompt(name)
    names = numbered(given.names())
    if len(names) < 2:
        raise BadRow("There are no two responses to compare.")
    texts = [messages.response(given.turns(name), name, before) for name in names]
    responses = [Response(text) for text in messages.without_repeated(before, texts)]
    judged, unread = _judged(answers, names)
    record = comparison(fields, before, responses, judged)
    if given is not fields:
        record.metadata.update({name: value for name, value in given.rest().items() if name not in record.metadata})
    if unread:
        record.metadata["answers"] = unread
    return record


def _judged(answers: list[_Answer], names: list[str]) -> tuple[list[Judgement], list[dict[str, Any]]]:
    texts = [answer for answer in answers if isinstance(answer.value, str) and _judgement(answer, names, {}) is None]
    said = {(text.person, text.source): text.value for text in texts}
    judged: list[Judgement] = []
    unread: list[dict[str, Any]] = []
    main: str | None = None
    for answer in answers:
        found = _judgement(answer, names, {"question": "" if main in (None, answer.question) else answer.question})
        if found is None:
            if not isinstance(answer.value, str):
                unread.append({"question": answer.question, "value": answer.value, "user": answer.person})
            continue
        main = main if main is not None else answer.question
        rationale = said.get((answer.person, answer.source)) if not found.question else None
        judged.append(
            Judgement(
                outcome=found.outcome, ranks=found.ranks, question=found.question,
                annotator=answer.person, source=answer.source, rationale=rationale,
            )
        )  # fmt: skip
    return judged, unread


def _judgement(answer: _Answer, names: list[str], more: Mapping[str, Any]) -> Judgement | None:
    value = in_cell(answer.value) if isinstance(answer.value, str) else answer.value
    if isinstance(value, list):
        places = {
            entry.get("value"): as_number(entry.get("rank"), "rank")
            for entry in value
            if isinstance(entry, Mapping) and isinstance(entry.get("value"), str)
        }
        ranks = [places.get(name) for name in names]
        known = [rank for rank in ranks if rank is not None]
        return ranked(known, **more) if len(known) == len(names) else None
    if value in names:
        return ranked([name != value for name in names], **more)
    if len(names) == 2:
        try:
            return worded(value, **more)
        except BadRow:
            return None
    return None


def _responses(given: Any) -> Iterable[_Answer]:
    if isinstance(given, Mapping):
        for question, answers in given.items():
            for answer in as_list(answers, "responses"):
                if isinstance(answer, Mapping) and answer.get("status", "submitted") == "submitted":
                    yield _Answer(str(question), answer.get("value"), as_text(answer.get("user_id"), "user_id"))
        return
    for answer in as_list(given, "responses"):  # Argilla 1
        values = answer.get("values") if isinstance(answer, Mapping) else None
        if isinstance(values, Mapping) and answer.get("status", "submitted") == "submitted":
            for question, value in values.items():
                value = value.get("value") if isinstance(value, Mapping) else value
                yield _Answer(str(question), value, as_text(answer.get("user_id"), "user_id"))


def _suggestions(given: Any) -> Iterable[_Answer]:
    for question, said in given.items() if isinstance(given, Mapping) else ():
        if isinstance(said, Mapping) and said.get("value") is not None:
            yield _Answer(str(question), said["value"], as_text(said.get("agent"), "agent"), "suggestion")


def _is_nested(values: Mapping[str, Any]) -> bool:
    return isinstance(values["fields"], Mapping) and len(numbered(values["fields"])) >= 2


def _is_flat(values: Mapping[str, Any]) -> bool:
    return any(name.endswith(".responses") for name in values) and len(numbered(values)) >= 2


LAYOUTS = (
    Layout("argilla", "Argilla records", "labels", columns("fields responses"), _nested, _is_nested),
    Layout("argilla-flat", "Argilla records, flat (JSONL, CSV)", "labels", columns("id status"), _flat, _is_flat),
)
