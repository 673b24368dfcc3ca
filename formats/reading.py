"""Records out of a source: its container opened, its layout found, every row read or refused."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from formats.containers.opening import Container, Opened, open_rows
from formats.containers.sources import SourceLike
from formats.containers.text import MAX_ROW
from formats.fields import Fields
from formats.layouts import LAYOUTS, WRITTEN, detect, named
from formats.layouts.base import Layout
from formats.layouts.hone import NAME as OWN
from formats.layouts.hone import teaches_nothing
from formats.mapping import guess, layout_of, plainly, responses_beside, with_map, with_own_names
from formats.records import (
    BadRow,
    ComparisonRecord,
    DemonstrationRecord,
    PromptRecord,
    Record,
    Refusal,
    Row,
    Unreadable,
)
from formats.strict_json import shown

As = Literal["prompts", "pairs", "labels"]
SAMPLE_ROWS, SAMPLE_CHARACTERS = 50, 5_000_000
KEPT_REFUSALS = 20


class UnknownLayout(Unreadable):
    """The columns are of no known layout: a map has to say which is what (`formats.guess` proposes one)."""

    def __init__(self, columns: list[str], sample: list[Row], responses: Sequence[str] = ()) -> None:
        if responses:
            what = f"Beside prompts it has columns that may be responses: {_listed(responses)}."
            may = "that it is imported as prompts"
        else:
            what, may = f"The columns are of no known layout: {_listed(columns)}.", "name the layout"
        may_be = ",".join(f"{target}={shown(column)}" for target, column in guess(columns, sample).items())
        self.says = f"{what} Say which column is what, or {may}."  # without the proposal
        super().__init__(self.says + (f" It may be {may_be}." if may_be else ""))
        self.columns, self.sample = columns, sample


@dataclass(slots=True)
class Report:
    """What became of the rows read so far."""

    rows: int = 0
    prompts: int = 0
    demonstrations: int = 0
    pairs: int = 0  # prompts with two or more responses
    labels: int = 0  # judgements of those
    refused: int = 0
    left_out: Counter[str] = field(default_factory=Counter)  # what was there and not asked for, by what it is
    refusals: list[Refusal] = field(default_factory=list)  # the first few

    def add(self, found: Record | Refusal) -> None:
        """Count what a row gave."""
        if isinstance(found, Refusal):
            self.refused += 1
            if len(self.refusals) < KEPT_REFUSALS:
                self.refusals.append(found)
        elif isinstance(found, PromptRecord):
            self.prompts += 1
        elif isinstance(found, DemonstrationRecord):
            self.demonstrations += 1
        else:
            self.pairs += 1
            self.labels += len(found.judgements)


class Reading:
    """Iterate for records and refusals in the order of the rows; every iteration reads from the start.

    A row gives one refusal, or all of its records (a tree gives several).
    """

    def __init__(
        self, opened: Opened, layout: str | None = None, mapping: Mapping[str, str] | None = None, as_: As | None = None
    ) -> None:
        self._opened, self._as = opened, as_
        self._mapping = dict(mapping or {})
        self._plain = False  # whether columns are known only by their names in small letters
        self.report = Report()
        self.sample = self._sample()
        self.columns = list(dict.fromkeys(name for row in self.sample for name in row.values))
        self.layout = self._find(layout)

    @property
    def container(self) -> Container:
        """What the rows are in."""
        return self._opened.container

    @property
    def share(self) -> float | None:
        """How much of the whole the present iteration has read, from 0 to 1, about; None where that is not known."""
        return self._opened.share(self.report.rows)

    @property
    def stopped(self) -> bool:
        """Whether the last iteration ended before the whole did, where only the first bytes are looked at."""
        return self._opened.stopped

    def __iter__(self) -> Iterator[Record | Refusal]:
        self.report = Report()
        for row in self._opened.rows():
            self.report.rows += 1
            for found in self._read(row):
                self.report.add(found)
                yield found

    def _read(self, row: Row | Refusal) -> list[Record | Refusal]:
        if isinstance(row, Refusal):
            return [row]
        layout = self.layout
        if layout is None:  # no row could be read when the sample was taken
            return [Refusal(row.line, "It cannot be read: the file changed while it was read.", row.raw or "")]
        try:
            fields = Fields(self._named(row))
            layout = self._own(layout, fields.row)
            if missing := [name for name in sorted(layout.required) if name not in fields.row.values]:
                raise BadRow(f'The field "{missing[0]}" is missing.')
            found = list(layout.read(fields))
            if self._plain:
                for record in found:
                    with_own_names(record.metadata, row)
            return [*self._asked(found)]
        except BadRow as error:
            return [Refusal(row.line, str(error), _raw(row))]

    def _named(self, row: Row) -> Row:
        """The row with the names of its columns as layouts know them."""
        if self._mapping:
            return with_map(row, self._mapping)
        return plainly(row) if self._plain else row

    def _own(self, layout: Layout, row: Row) -> Layout:
        """The layout of this row: where a file holds prompts or demonstrations, each may have a shape of its own."""
        if layout.name in WRITTEN and not layout.knows(row.values) and (match := detect([row], WRITTEN)) is not None:
            return match.layout
        return layout

    def _asked(self, records: list[Record]) -> Iterator[Record]:
        """The records as what they were asked for as. Raises BadRow where the row has nothing of that."""
        if self._as is None:
            yield from records
            return
        if self._as == "prompts":
            for record in records:
                self._leave_out(record)
                yield PromptRecord(line=record.line, messages=record.messages, metadata=record.metadata)
            return
        pairs = [record for record in records if isinstance(record, ComparisonRecord)]
        if self.layout is not None and self.layout.name == OWN:
            if left := _left_of_own(records, self._as):
                self.report.left_out[left] += 1
                return
            if self._as == "labels":  # of every kind, written responses too
                yield from records
                return
        if not pairs:
            raise BadRow("It has no two responses to compare.")
        labelled = [record for record in pairs if record.judgements]
        if self._as == "labels" and not labelled:
            raise BadRow("It does not say which response is better.")
        kept = labelled if self._as == "labels" else pairs
        self.report.left_out["records"] += len(records) - len(kept)
        for record in kept:
            if self._as == "pairs":
                self.report.left_out["labels"] += len(record.judgements)
                yield ComparisonRecord(
                    line=record.line, messages=record.messages, responses=record.responses, metadata=record.metadata
                )
            else:
                yield record

    def _leave_out(self, record: Record) -> None:
        if isinstance(record, ComparisonRecord):
            self.report.left_out["responses"] += len(record.responses)
            self.report.left_out["labels"] += len(record.judgements)
        elif isinstance(record, DemonstrationRecord):
            self.report.left_out["responses"] += 1

    def _sample(self) -> list[Row]:
        rows: list[Row] = []
        size, refused = 0, False
        for row in self._opened.rows():
            if isinstance(row, Refusal):
                refused = True
                continue
            rows.append(row)
            size += len(row.raw or "")
            if len(rows) == SAMPLE_ROWS or size > SAMPLE_CHARACTERS:
                break
        if not rows and not refused:
            if self._opened.stopped:
                raise Unreadable(
                    "No row of it ends in the part that is looked at. A row may have at most "
                    f"{MAX_ROW // 1_000_000} million characters: put each on a line of its own."
                )
            raise Unreadable("There are no rows in it.")
        return rows

    def _find(self, name: str | None) -> Layout | None:
        if not self.sample:
            return None  # all rows are refused
        if self._mapping and name is None:
            layout = layout_of(self._mapping, self.sample)
        else:
            among = LAYOUTS if name is None else {name: named(name)}
            match = detect(self.sample, among)
            if match is None:
                match = detect([plainly(row) for row in self.sample], among)
                self._plain = match is not None
            if match is None and name is None:
                raise UnknownLayout(self.columns, self.sample)
            layout = match.layout if match is not None else among[name or ""]
            whole = name is not None or self._as == "prompts" or layout.gives != "prompts"
            if not whole and (responses := responses_beside(self.columns, self.sample)):
                raise UnknownLayout(self.columns, self.sample, responses)
        if layout.prepare is not None:
            return layout.prepare(self._named(row) for row in self._opened.rows() if isinstance(row, Row))
        return layout


def _listed(columns: Sequence[str]) -> str:
    return ", ".join(shown(name) for name in columns[:20]) or "(none)"


def _left_of_own(records: list[Record], asked: As) -> str | None:
    """What a row of our own export is that is not what was asked for; None of any other. Of what is not learned from,
    such as an attention check, the responses may still be labelled."""
    if asked == "pairs":
        return None if any(isinstance(record, ComparisonRecord) for record in records) else "written responses"
    return "labels that nothing learns from" if any(map(teaches_nothing, records)) else None


def _raw(row: Row) -> str:
    return row.raw if row.raw is not None else json.dumps(row.values, ensure_ascii=False)


def read(
    source: SourceLike,
    *,
    layout: str | None = None,
    mapping: Mapping[str, str] | None = None,
    as_: As | None = None,
    kind: str | None = None,
    encoding: str | None = None,
    delimiter: str | None = None,
    max_bytes: int | None = None,
    most: int | None = None,
) -> Reading:
    """Read a path, bytes, a stream or `hub:owner/name`, in the layout named or the one that its columns show.

    `mapping` says which column is what (`{"prompt": "question"}`); `as_` asks for one kind of record: "prompts" (of
    rows that have more, their conversations), "pairs" (to be labelled; judgements are left out), or "labels". For the
    others see `open_rows`. Raises Unreadable where the whole cannot be read, UnknownLayout where only its
    columns are not known.
    """
    opened = open_rows(source, kind=kind, encoding=encoding, delimiter=delimiter, max_bytes=max_bytes, most=most)
    return Reading(opened, layout, mapping, as_)
