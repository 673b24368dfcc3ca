"""Whatever people and models wrote comes back byte for byte, from each format, by any program that reads it."""

import csv
import io
import json
from collections.abc import Callable
from typing import Any
from zipfile import ZipFile

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import formats
from app.exports import rows
from app.exports.encoders import ENCODERS
from app.models.export_settings import ExportFormat, ExportLayout, ExportSettings

# What PostgreSQL can hold: no NUL, no half of a surrogate pair.
CHARACTERS = st.characters(exclude_characters="\x00", exclude_categories=["Cs"])
ODD = st.sampled_from(
    ["=cmd|' /C calc'!A0", "'=1+1", "''", "-1\n- 2", "+", "@x", "\tx", "\rx", "\nx", '"', '","', "a;=1", "NaN", "null",
     "true", "\u202eRTL\u202c", "שלום", "\u2028\u2029", "\x85", "\x1c\x1d\x1e", "\ufeff", "1e5", "007", " x ", "\r\n",
     "[1]", "{}", "\uff1d1"]
)  # fmt: skip
TEXT = st.one_of(ODD, st.text(CHARACTERS, min_size=1), st.tuples(ODD, st.text(CHARACTERS)).map("".join))
FORMATS = [each for each in ExportFormat if each is not ExportFormat.DATASET]


def encoded(wanted: ExportSettings, given_: list[dict[str, Any]], parts: int) -> bytes:
    """A file made in so many parts, where its format has those."""
    schema = rows.schema(wanted)
    encode = ENCODERS[wanted.written_as]
    size = -(-len(given_) // parts)
    chunks = [given_[n : n + size] for n in range(0, len(given_), size)]
    pieces = []
    for n, chunk in enumerate(chunks):
        encoder = encode(schema, n == 0)
        pieces += [encoder.encode(chunk), encoder.end(last=n == len(chunks) - 1)]
    return b"".join(pieces)


def _csv(content: bytes) -> list[dict[str, Any]]:
    return [dict(row) for row in csv.DictReader(io.StringIO(content.decode(), newline=""), strict=True)]


def _excel(content: bytes) -> list[dict[str, Any]]:
    assert content.startswith(b"\xef\xbb\xbf")
    found = _csv(content.removeprefix(b"\xef\xbb\xbf"))
    for row in found:
        assert row.pop("quoted_formulas") == "yes"
        assert not any(cell.startswith(("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d")) for cell in row.values())
    return [{name: cell.removeprefix("'") for name, cell in row.items()} for row in found]


READ: dict[ExportFormat, Callable[[bytes], list[dict[str, Any]]]] = {
    ExportFormat.JSONL: lambda content: [json.loads(line) for line in content.split(b"\n")[:-1]],
    ExportFormat.JSON: json.loads,
    ExportFormat.CSV: _csv,
    ExportFormat.EXCEL: _excel,
    ExportFormat.PARQUET: lambda content: list(pq.read_table(io.BytesIO(content)).to_pylist()),
    ExportFormat.DATASET: lambda content: list(pa.ipc.open_stream(content).read_all().to_pylist()),
}


@pytest.mark.parametrize("format_", ExportFormat)
@settings(max_examples=60, deadline=None)
@given(texts=st.lists(st.tuples(TEXT, TEXT, TEXT), min_size=1, max_size=5), parts=st.integers(1, 3))
def test_texts_come_back_by_any_program(format_: ExportFormat, texts: list[tuple[str, str, str]], parts: int) -> None:
    wanted = ExportSettings(layout=ExportLayout.TRL, format=format_)
    given_ = [dict(zip(("prompt", "chosen", "rejected"), each, strict=True)) for each in texts]
    content = encoded(
        wanted, given_, parts if format_ in (ExportFormat.JSONL, ExportFormat.JSON, ExportFormat.CSV) else 1
    )
    read = READ[format_](content)
    assert [(row["prompt"], row["chosen"], row["rejected"]) for row in read] == texts


@pytest.mark.parametrize("format_", FORMATS)
@settings(max_examples=60, deadline=None)
@given(texts=st.lists(st.tuples(TEXT, TEXT, TEXT, TEXT), min_size=1, max_size=5))
def test_everything_comes_back_by_our_own_reader(format_: ExportFormat, texts: list[tuple[str, str, str, str]]) -> None:
    blank = [any(not text.strip() for text in each) for each in texts]
    given_ = [
        {
            "label": n, "item": n, "kind": "comparison", "prompt": [{"role": "user", "content": prompt}],
            "responses": [{"position": 0, "text": one, "name": comment[:50]}, {"position": 1, "text": two}],
            "preferences": [{"question": "", "first": 0, "second": 1, "outcome": "tie"}], "order": [1, 0],
            "comment": comment, "late": False, "reasons": [{"id": comment[:9], "text": comment[:9]}],
        }
        for n, (prompt, one, two, comment) in enumerate(texts)
    ]  # fmt: skip
    found = list(formats.read(encoded(ExportSettings(format=format_), given_, 1)))
    for (prompt, one, two, comment), empty, record in zip(texts, blank, found, strict=True):
        if empty:
            continue  # an empty text is refused, as everywhere
        assert isinstance(record, formats.ComparisonRecord), record
        assert record.messages == [{"role": "user", "content": prompt}]
        assert [response.text for response in record.responses] == [one, two]
        assert record.judgements[0].rationale == comment
        assert (record.metadata["order"], record.metadata["late"]) == ([1, 0], False)
        assert record.metadata["reasons"] == [{"id": comment[:9], "text": comment[:9]}]


def test_an_empty_export_is_a_valid_file() -> None:
    for format_ in FORMATS:
        schema = rows.schema(ExportSettings(format=format_))
        assert READ[format_](ENCODERS[format_](schema, True).end()) == []


def test_an_archive_says_the_same_each_time() -> None:
    from app.exports import archive

    one, two = (
        b"".join(archive.stream(iter([("train.jsonl", iter([b"x" * 10, b"y"])), ("a/b.arrow", iter([b"z"]))])))
        for _ in range(2)
    )
    assert one == two
    with ZipFile(io.BytesIO(one)) as opened:
        assert [(each.filename, opened.read(each)) for each in opened.infolist()] == [
            ("train.jsonl", b"x" * 10 + b"y"),
            ("a/b.arrow", b"z"),
        ]
