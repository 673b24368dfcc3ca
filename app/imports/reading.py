"""What a file's rows come to in a project: checked prompts, responses, and what was said of them. Knows no database.

Everything here is a function of the file and what was asked of it, so that it can be read any number of times: for a
preview, to check the whole, to store it, and to go on after a row.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import Any

import formats
from app.annotation.ranking import RANKING
from app.imports.opinions import Opinion, Unclear, kind_of, opinions
from app.imports.restoring import restored
from app.models import ImportConfig, Imported, Messages
from app.models.project_settings import LabelSettings
from app.prompts.reading import Unusable, check, content_hash
from app.web.errors import Invalid
from formats import ComparisonRecord, PromptRecord, Record, Refusal
from formats.layouts.hone import NAME as OWN
from formats.strict_json import storable

MAX_RESPONSE = 100_000  # characters
MAX_NAME = 200
MAX_EXPANDED = 2**36  # bytes that a compressed file may give
LOOKED_AT = 2**26  # bytes of text that are read while somebody waits: more than the longest row has, if it is ASCII


@dataclass(frozen=True, slots=True)
class Ready:
    """A row that can be stored. `responses` are none where it is a prompt."""

    number: int  # among all that the file gives, from 1 on
    line: int
    messages: Messages
    digest: str
    extra: dict[str, Any]
    responses: tuple[formats.Response, ...] = ()
    kind: str | None = None
    key: str | None = None  # of the item: the same prompt with the same responses, in whatever order
    opinions: tuple[Opinion, ...] = ()
    sampled: tuple[Mapping[str, Any], ...] = ()  # how each response was sampled, where our own export says so


@dataclass
class File:
    """A file opened as asked for. Iterate for (number, Ready or Refusal), from the row after `after` on."""

    reading: formats.Reading
    config: ImportConfig
    asked: LabelSettings
    left_out: Mapping[str, int] = field(default_factory=dict)

    def rows(self, after: int = 0) -> Iterator[tuple[int, Ready | Refusal]]:
        """Rows in their order; `left_out` is known after the last one."""
        found = enumerate(self.reading, start=1)
        for number, record in islice(found, after, None):
            yield number, record if isinstance(record, Refusal) else self._ready(number, record)
        self.left_out = {what: count for what, count in self.reading.report.left_out.items() if count}

    def _ready(self, number: int, record: Record) -> Ready | Refusal:
        try:
            layout = self.reading.layout
            own = layout is not None and layout.name == OWN
            return ready(number, record, self.config.what, self.asked, own=own)
        except (Unusable, Unclear) as error:
            return Refusal(record.line, str(error), _shown(record))


def opened(path: Path, config: ImportConfig, asked: LabelSettings, most: int | None = None) -> File:
    """The file as the config says, or its first `most` bytes. Raises formats.UnknownLayout where its columns say
    nothing, formats.Unreadable where the whole cannot be read."""
    layout, kind = config.layout, config.container
    reading = formats.read(
        path, layout=layout, mapping=config.mapping or None, as_=config.what, kind=kind, encoding=config.encoding,
        delimiter=config.delimiter, max_bytes=MAX_EXPANDED, most=most,
    )  # fmt: skip
    return File(reading, config, asked)


def offers(reading: formats.Reading) -> Imported:
    """What a file is most likely imported as: as much as its layout gives."""
    gives = reading.layout.gives if reading.layout is not None else "prompts"
    return "prompts" if gives == "demonstrations" else gives


def ready(number: int, record: Record, what: Imported, asked: LabelSettings, *, own: bool = False) -> Ready:
    """The record as the project takes it; `own`: it is of our own export. Raises Unusable or Unclear with a
    sentence."""
    messages = check(record.messages)
    digest = content_hash(messages)
    row = Ready(number, record.line, messages, digest, record.metadata)
    if what == "labels" and own and not isinstance(record, PromptRecord):
        found = restored(record, asked)
        _require(found.shown, found.opinion.written)
        key = _key(digest, found.kind, found.shown)
        return replace(
            row, responses=found.shown, kind=found.kind, key=key, opinions=(found.opinion,), sampled=found.sampled
        )
    if what == "prompts" or not isinstance(record, ComparisonRecord):
        return row
    responses = record.responses
    if len(responses) > RANKING.responses[-1]:
        raise Unusable(f"It has {len(responses)} responses; at most {RANKING.responses[-1]} are compared at once.")
    _require(responses)
    if what == "pairs" and len({response.text for response in responses}) < len(responses):
        raise Unusable("Two of its responses are the same, so that there is nothing to compare.")
    kind = kind_of(record)
    given = opinions(record, kind, asked) if what == "labels" else ()
    return replace(row, responses=responses, kind=kind.name, key=_key(digest, kind.name, responses), opinions=given)


def _require(responses: Sequence[formats.Response], written: str | None = None) -> None:
    """Unusable where one of them is too long, or empty."""
    for text in [*(each.text for each in responses), *(() if written is None else (written,))]:
        if len(text) > MAX_RESPONSE:
            raise Unusable(f"A response has {len(text):,} characters; at most {MAX_RESPONSE:,} are taken.")
        if not text.strip():
            raise Unusable("A response is empty.")
    if any(len(each.author or "") > MAX_NAME for each in responses):
        raise Unusable(f"The name of who wrote a response is longer than {MAX_NAME} characters.")


def _key(digest: str, kind: str, responses: Sequence[formats.Response]) -> str:
    named = [(each.text, each.author) for each in responses]
    said = [digest, kind, sorted(named, key=lambda each: (each[0], each[1] or ""))]
    return sha256(json.dumps(said).encode()).hexdigest()


def _shown(record: Record) -> str:
    """A record that the project does not take, as text to give back; only what the file's row was itself is kept of
    those that could not be read."""
    found: dict[str, Any] = {"messages": record.messages}
    if isinstance(record, ComparisonRecord):
        found["responses"] = [response.text for response in record.responses]
    return json.dumps(found | record.metadata, ensure_ascii=False, default=str)


def require_map(config: ImportConfig) -> None:
    """Invalid where what a column is mapped to is nothing that there is."""
    if unknown := next((target for target in config.mapping if target not in formats.TARGETS), None):
        raise Invalid(f"A column cannot be {unknown[:40]!r}. It can be: {', '.join(formats.TARGETS)}.", "mapping")


__all__ = ["File", "Ready", "offers", "opened", "ready", "require_map", "storable"]
