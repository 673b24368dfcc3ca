"""Labels as files: every column, or the layouts that TRL reads. People appear by number only."""

import csv
import json
from collections.abc import Callable, Iterator
from enum import StrEnum
from functools import partial
from itertools import islice
from typing import IO, Any

import pyarrow as pa
import pyarrow.parquet as pq
from sqlalchemy.orm import Session

from app.labels import queries
from app.models import Choice, Label, Project, Purpose
from app.projects.forms import AnswerSettings
from app.web.errors import Invalid

_BATCH = 1_000
_ANSWERS = pa.list_(pa.struct([("question", pa.string()), ("choice", pa.string())]))
_MESSAGES = pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())]))


class Format(StrEnum):
    """How rows are written."""

    JSONL = "jsonl"
    CSV = "csv"
    PARQUET = "parquet"


class Layout(StrEnum):
    """What a row is."""

    LABELS = "labels"
    TRL = "trl"
    TRL_CONVERSATIONAL = "trl-conversational"


MEDIA_TYPES = {
    Format.JSONL: "application/jsonl",
    Format.CSV: "text/csv; charset=utf-8",
    Format.PARQUET: "application/vnd.apache.parquet",
}
_SCHEMAS = {
    Layout.LABELS: pa.schema(
        [
            ("label", pa.int64()), ("pair", pa.int64()), ("prompt_id", pa.int64()), ("split", pa.string()),
            ("purpose", pa.string()), ("annotator", pa.int64()), ("prompt", _MESSAGES), ("response_a", pa.string()),
            ("response_b", pa.string()), ("model_a", pa.int64()), ("model_b", pa.int64()), ("choice", pa.string()),
            ("strength", pa.int64()), ("questions", _ANSWERS), ("reasons", pa.list_(pa.string())),
            ("comment", pa.string()), ("seconds", pa.float64()), ("left", pa.string()), ("late", pa.bool_()),
            ("created_at", pa.string()),
        ]
    ),
    Layout.TRL: pa.schema([(n, pa.string()) for n in ("prompt", "chosen", "rejected", "split")]),
    Layout.TRL_CONVERSATIONAL: pa.schema(
        [("prompt", _MESSAGES), ("chosen", _MESSAGES), ("rejected", _MESSAGES), ("split", pa.string())]
    ),
}  # fmt: skip


def write(
    session: Session,
    project: Project,
    file: IO[bytes],
    format_: Format,
    layout: Layout = Layout.LABELS,
    question: str = "",
) -> int:
    """Write all standing labels of a project to `file`; the number of rows. TRL's layouts have only clear choices, and
    no attention checks; they take the answers to `question`, or to the main one. An empty project gives a valid file
    without rows."""
    if question and question not in AnswerSettings.model_validate(project.answer).questions:
        raise Invalid("This project asks no such question.", "question")
    row_of = _label_row if layout is Layout.LABELS else partial(_PREFERENCES[layout], question)
    rows = (row for label in queries.for_export(session, project.id) if (row := row_of(label)) is not None)
    return _WRITERS[format_](file, rows, _SCHEMAS[layout])


def _label_row(label: Label) -> dict[str, Any]:
    pair = label.pair
    return {
        "label": label.id,
        "pair": pair.id,
        "prompt_id": pair.prompt_id,
        "split": pair.prompt.split.value,
        "purpose": pair.purpose.value,
        "annotator": label.annotator_id,
        "prompt": pair.prompt.messages,
        "response_a": pair.response_a.text,
        "response_b": pair.response_b.text,
        "model_a": pair.response_a.model_id,
        "model_b": pair.response_b.model_id,
        "choice": label.choice.value,
        "strength": label.strength,
        "questions": [{"question": question, "choice": choice} for question, choice in label.questions.items()],
        "reasons": label.reasons,
        "comment": label.comment,
        "seconds": label.seconds,
        "left": label.left.value,
        "late": label.late,
        "created_at": label.created_at.isoformat(),
    }


def _preference(question: str, label: Label) -> tuple[str, str] | None:
    """(chosen, rejected), where there is a clear choice that may train or measure."""
    choice = label.answer_to(question)
    if choice not in (Choice.A, Choice.B) or label.pair.purpose is Purpose.CHECK:
        return None
    texts = (label.pair.response_a.text, label.pair.response_b.text)
    return texts if choice is Choice.A else (texts[1], texts[0])


def _trl_row(question: str, label: Label) -> dict[str, Any] | None:
    preference = _preference(question, label)
    if preference is None:
        return None
    messages = label.pair.prompt.messages
    plain = len(messages) == 1
    text = messages[0]["content"] if plain else "\n\n".join(f"{m['role'].title()}: {m['content']}" for m in messages)
    split = label.pair.prompt.split.value
    return {"prompt": text, "chosen": preference[0], "rejected": preference[1], "split": split}


def _conversational_row(question: str, label: Label) -> dict[str, Any] | None:
    preference = _preference(question, label)
    if preference is None:
        return None
    chosen, rejected = ([{"role": "assistant", "content": text}] for text in preference)
    split = label.pair.prompt.split.value
    return {"prompt": label.pair.prompt.messages, "chosen": chosen, "rejected": rejected, "split": split}


_PREFERENCES: dict[Layout, Callable[[str, Label], dict[str, Any] | None]] = {
    Layout.TRL: _trl_row,
    Layout.TRL_CONVERSATIONAL: _conversational_row,
}


def _jsonl(file: IO[bytes], rows: Iterator[dict[str, Any]], schema: pa.Schema) -> int:
    count = 0
    for count, row in enumerate(rows, start=1):  # noqa: B007  the count is the result
        file.write(json.dumps(row, ensure_ascii=False).encode() + b"\n")
    return count


class _Encoded:
    """What csv writes, as UTF-8."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def write(self, text: str) -> int:
        return self._file.write(text.encode())


def _csv(file: IO[bytes], rows: Iterator[dict[str, Any]], schema: pa.Schema) -> int:
    writer = csv.DictWriter(_Encoded(file), fieldnames=schema.names)
    writer.writeheader()
    count = 0
    for count, row in enumerate(rows, start=1):  # noqa: B007
        writer.writerow({name: _cell(value) for name, value in row.items()})
    return count


def _cell(value: Any) -> Any:
    """Lists as JSON. A text that a spreadsheet would run as a formula gets a quote in front."""
    if isinstance(value, list):
        return json.dumps(value, ensure_ascii=False)
    return f"'{value}" if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r") else value


def _parquet(file: IO[bytes], rows: Iterator[dict[str, Any]], schema: pa.Schema) -> int:
    count = 0
    with pq.ParquetWriter(file, schema, compression="zstd") as writer:
        while batch := list(islice(rows, _BATCH)):
            writer.write_table(pa.Table.from_pylist(batch, schema=schema))
            count += len(batch)
    return count


_WRITERS: dict[Format, Callable[[IO[bytes], Iterator[dict[str, Any]], pa.Schema], int]] = {
    Format.JSONL: _jsonl,
    Format.CSV: _csv,
    Format.PARQUET: _parquet,
}
