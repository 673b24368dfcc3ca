"""What Hone exports is read as what it was, in every format and layout."""

import json
from typing import Any

import pytest

import formats
from app.labels.export import _ENCODERS, _SCHEMAS, Format, Layout
from formats import ComparisonRecord, Judgement

PROMPT = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "List\n- two things"}]
LABEL: dict[str, Any] = {
    "label": 1, "item": 2, "prompt_id": 3, "split": "train", "purpose": "teach", "annotator": 4, "prompt": PROMPT,
    "response_a": "- one\n- two", "response_b": "=1+1", "model_a": 5, "model_b": None, "author_a": None, "author_b": 6,
    "imported_from_a": None, "imported_from_b": "a vendor", "choice": "both_bad", "strength": None,
    "questions": [{"question": "safer", "choice": "a"}, {"question": "truer", "choice": "tie"}], "reasons": ["long"],
    "comment": "+ neither", "seconds": 2.5, "left": "b", "late": False, "created_at": "2026-01-02T03:04:05+00:00",
}  # fmt: skip


def read_back(layout: Layout, format_: Format, row: dict[str, Any]) -> ComparisonRecord:
    names = _SCHEMAS[layout].names
    encoder = _ENCODERS[format_](_SCHEMAS[layout])
    content = encoder.encode([{name: row.get(name) for name in names}]) + encoder.end()
    [record] = formats.read(content)
    assert isinstance(record, ComparisonRecord), record
    return record


@pytest.mark.parametrize("format_", Format)
def test_labels(format_: Format) -> None:
    record = read_back(Layout.LABELS, format_, LABEL)
    assert record.messages == PROMPT
    assert [response.text for response in record.responses] == ["- one\n- two", "=1+1"]
    assert [response.author for response in record.responses] == [None, "a vendor"]
    common: dict[str, Any] = {"annotator": "4", "date": "2026-01-02T03:04:05+00:00"}
    assert record.judgements == (
        Judgement(outcome="both_bad", rationale="+ neither", **common),
        Judgement(outcome="first", question="safer", **common),
        Judgement(outcome="tie", question="truer", **common),
    )
    kept = {name: str(value) for name, value in record.metadata.items() if name in ("item", "split", "purpose", "left")}
    assert kept == {"item": "2", "split": "train", "purpose": "teach", "left": "b"}


@pytest.mark.parametrize("format_", Format)
@pytest.mark.parametrize("layout", [Layout.TRL, Layout.TRL_CONVERSATIONAL])
def test_preferences(layout: Layout, format_: Format) -> None:
    messages = PROMPT[1:]
    row: dict[str, Any] = {"prompt": messages[0]["content"], "chosen": "Yes, so.", "rejected": "No.", "split": "test"}
    if layout is Layout.TRL_CONVERSATIONAL:
        chosen, rejected = ([{"role": "assistant", "content": row[name]}] for name in ("chosen", "rejected"))
        row = {**row, "prompt": messages, "chosen": chosen, "rejected": rejected}
    record = read_back(layout, format_, row)
    assert record.messages == messages
    assert [response.text for response in record.responses] == ["Yes, so.", "No."]
    assert record.judgements == (Judgement(outcome="first"),)
    assert record.metadata == {"split": "test"}


def test_what_the_library_samples_is_a_pair_to_label() -> None:
    sampled = [{"text": "So.", "strategy": "greedy"}, {"text": "Or so.", "strategy": "stochastic"}]
    [record] = formats.read(json.dumps({"prompt": "How?", "responses": sampled}).encode(), as_="pairs")
    assert isinstance(record, ComparisonRecord)
    assert [response.metadata["strategy"] for response in record.responses] == ["greedy", "stochastic"]
