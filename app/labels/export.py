"""Labels as files: every column, or the layouts that TRL reads. People appear by number only."""

from collections.abc import Callable, Iterator, Mapping
from enum import StrEnum
from functools import partial
from typing import IO, Any

import pyarrow as pa
from sqlalchemy import Row
from sqlalchemy.orm import Session

from app.labels import demonstrations, files, queries
from app.models import Outcome, Project, Purpose
from app.models.project_settings import AnswerSettings
from app.web.errors import Invalid

_ANSWERS = pa.list_(pa.struct([("question", pa.string()), ("choice", pa.string())]))
_RESPONSES = pa.list_(
    pa.struct(
        [
            ("position", pa.int64()), ("text", pa.string()), ("model", pa.int64()), ("author", pa.int64()),
            ("imported_from", pa.string()),
        ]
    )
)  # fmt: skip
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
    SFT = "sft"


MEDIA_TYPES = {
    Format.JSONL: "application/jsonl",
    Format.CSV: "text/csv; charset=utf-8",
    Format.PARQUET: "application/vnd.apache.parquet",
}
_SCHEMAS = {
    Layout.LABELS: pa.schema(
        [
            ("label", pa.int64()), ("kind", pa.string()), ("item", pa.int64()), ("prompt_id", pa.int64()),
            ("split", pa.string()), ("purpose", pa.string()), ("annotator", pa.int64()), ("prompt", _MESSAGES),
            ("response_a", pa.string()), ("response_b", pa.string()), ("model_a", pa.int64()), ("model_b", pa.int64()),
            ("author_a", pa.int64()), ("author_b", pa.int64()), ("imported_from_a", pa.string()),
            ("imported_from_b", pa.string()), ("responses", _RESPONSES), ("order", pa.list_(pa.int64())),
            ("value", pa.string()), ("choice", pa.string()), ("strength", pa.int64()), ("questions", _ANSWERS),
            ("reasons", pa.list_(pa.string())), ("comment", pa.string()), ("seconds", pa.float64()),
            ("left", pa.string()), ("late", pa.bool_()), ("created_at", pa.string()),
        ]
    ),
    Layout.TRL: pa.schema([(n, pa.string()) for n in ("prompt", "chosen", "rejected", "split")]),
    Layout.TRL_CONVERSATIONAL: pa.schema(
        [("prompt", _MESSAGES), ("chosen", _MESSAGES), ("rejected", _MESSAGES), ("split", pa.string())]
    ),
    Layout.SFT: pa.schema([("prompt", _MESSAGES), ("completion", _MESSAGES)]),
}  # fmt: skip


class Export:
    """All standing labels of a project as the bytes of a file. TRL's layouts have only clear choices, and no attention
    checks; they take the answers to `question`, or to the main one. The one for supervised fine-tuning has the
    responses that people wrote, see `app.labels.demonstrations`. An empty project gives a valid file without rows.
    Invalid where the project asks no such question."""

    def __init__(
        self, project: Project, format_: Format = Format.JSONL, layout: Layout = Layout.LABELS, question: str = ""
    ) -> None:
        if question and not project.answer.asks(question):
            raise Invalid("This project asks no such question.", "question")
        self.project_id, self.format, self.layout, self.question = project.id, format_, layout, question
        self.asked = project.answer
        self.rows = 0  # so far

    def pieces(self, session: Session) -> Iterator[bytes]:
        """The file, made while the labels are read; some pieces are empty."""
        encoder = _ENCODERS[self.format](_SCHEMAS[self.layout])
        for rows in self._batches(session):
            self.rows += len(rows)
            yield encoder.encode(rows)
        yield encoder.end()

    def _batches(self, session: Session) -> Iterator[list[dict[str, Any]]]:
        if self.layout is Layout.SFT:
            yield from demonstrations.rows(session, self.project_id)
            return
        whole = self.layout is Layout.LABELS
        rows_of = partial(_label_rows, self.asked) if whole else partial(_trl_rows, self.layout, self.question)
        for labels in queries.for_export(session, self.project_id):
            yield [row for label in labels for row in rows_of(label)]

    def write(self, session: Session, file: IO[bytes]) -> None:
        """Write all of it to `file`."""
        for piece in self.pieces(session):
            file.write(piece)

    @property
    def about(self) -> dict[str, Any]:
        """What the audit trail keeps of it."""
        return {"layout": self.layout, "format": self.format, "question": self.question}


_SIDES = ("a", "b")
_NOTHING = ("text", "model", "author", "imported_from")
_CHOICES = {Outcome.FIRST: "a", Outcome.SECOND: "b"}


def _label_rows(asked: AnswerSettings, label: Row[Any]) -> Iterator[dict[str, Any]]:
    """One row, with all there is; the choice is of an item of two responses."""
    about = {response["position"]: response for response in label.responses or ()}
    a, b = (about.get(position) or dict.fromkeys(_NOTHING) for position in (0, 1))
    pair = sorted(label.order) == [0, 1]
    stated = (label.stated or ()) if pair else ()
    main = next((each for each in stated if not each["question"]), None)
    yield {
        "label": label.id,
        "kind": label.value.kind,
        "item": label.item_id,
        "prompt_id": label.prompt_id,
        "split": label.split.value,
        "purpose": label.purpose.value,
        "annotator": label.annotator_id,
        "prompt": label.messages,
        "response_a": a["text"],
        "response_b": b["text"],
        "model_a": a["model"],
        "model_b": b["model"],
        "author_a": a["author"],
        "author_b": b["author"],
        "imported_from_a": a["imported_from"],
        "imported_from_b": b["imported_from"],
        "responses": list(about.values()),
        "order": label.order,
        "value": label.value.model_dump_json(),
        "choice": _choice(main) if main else None,
        "strength": main["strength"] if main else None,
        "questions": [
            {"question": asked.text_of(each["question"]), "choice": _choice(each)}
            for each in stated
            if each["question"]
        ],
        "reasons": [asked.text_of(reason) for reason in label.reasons],
        "comment": label.comment,
        "seconds": label.seconds,
        "left": _SIDES[label.order[0]] if pair else None,
        "late": label.late,
        "created_at": label.created_at.isoformat(),
    }


def _choice(stated: Mapping[str, Any]) -> str:
    outcome = Outcome(stated["outcome"])
    return _CHOICES.get(outcome, outcome.value)


def _trl_rows(layout: Layout, question: str, label: Row[Any]) -> Iterator[dict[str, Any]]:
    """A row for each clear choice between two responses that may train or measure."""
    if label.purpose is Purpose.CHECK:
        return
    texts = {response["position"]: response["text"] for response in label.responses or ()}
    for stated in label.stated or ():
        if stated["question"] != question or stated["outcome"] not in _CHOICES:
            continue
        chosen, rejected = (texts[stated[place]] for place in ("first", "second"))
        if stated["outcome"] == Outcome.SECOND:
            chosen, rejected = rejected, chosen
        yield _PREFERENCES[layout](label.messages, chosen, rejected) | {"split": label.split.value}


def _plain(messages: list[dict[str, Any]], chosen: str, rejected: str) -> dict[str, Any]:
    alone = len(messages) == 1
    text = messages[0]["content"] if alone else "\n\n".join(f"{m['role'].title()}: {m['content']}" for m in messages)
    return {"prompt": text, "chosen": chosen, "rejected": rejected}


def _conversational(messages: list[dict[str, Any]], chosen: str, rejected: str) -> dict[str, Any]:
    return {
        "prompt": messages,
        "chosen": [{"role": "assistant", "content": chosen}],
        "rejected": [{"role": "assistant", "content": rejected}],
    }


_PREFERENCES: dict[Layout, Callable[[list[dict[str, Any]], str, str], dict[str, Any]]] = {
    Layout.TRL: _plain,
    Layout.TRL_CONVERSATIONAL: _conversational,
}


_ENCODERS: dict[Format, Callable[[pa.Schema], files.Encoder]] = {
    Format.JSONL: files.JsonLines,
    Format.CSV: files.Csv,
    Format.PARQUET: files.Parquet,
}
