"""What is written in a layout and a container is read as what it was, whatever its texts are."""

import csv
import gzip
import io
import json
from collections.abc import Callable, Sequence
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import formats
from formats import ComparisonRecord, DemonstrationRecord, PromptRecord, Refusal
from tests.formats.writers import LAYOUTS, Pair

Rows = list[dict[str, Any]]
# Half surrogates and null characters are refused, as is a text that is blank.
texts = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0\ufffe"), min_size=1, max_size=60
).filter(str.strip)


def as_lines(rows: Rows) -> bytes:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()


def as_array(rows: Rows) -> bytes:
    return json.dumps(rows).encode()


def as_pretty(rows: Rows) -> bytes:
    return json.dumps(rows, indent=2, ensure_ascii=False).encode("utf-8-sig")


def as_object(rows: Rows) -> bytes:
    return json.dumps({"version": "1", "data": rows}, ensure_ascii=False).encode("utf-16")


def as_parquet(rows: Rows) -> bytes:
    file = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), file)
    return file.getvalue()


def as_csv(rows: Rows, delimiter: str = ",", encoding: str = "utf-8", end: str = "\r\n") -> bytes:
    file = io.StringIO()
    # Before Python 3.13, a \r in a cell is not quoted where lines end with \n.
    quoting = csv.QUOTE_ALL if end == "\n" else csv.QUOTE_MINIMAL
    writer = csv.DictWriter(file, list(rows[0]), delimiter=delimiter, lineterminator=end, quoting=quoting)
    writer.writeheader()
    for row in rows:
        cells = {name: json.dumps(v) if isinstance(v, list | dict) else v for name, v in row.items()}
        writer.writerow(cells)
    return file.getvalue().encode(encoding)


CONTAINERS: dict[str, Callable[[Rows], bytes]] = {
    "lines": as_lines,
    "array": as_array,
    "pretty": as_pretty,
    "object": as_object,
    "parquet": as_parquet,
    "gzip": lambda rows: gzip.compress(as_lines(rows)),
    "zstd": lambda rows: pyarrow.compress(as_array(rows), "zstd", asbytes=True),
    "gzip around Parquet": lambda rows: gzip.compress(as_parquet(rows)),
}
TABLES: dict[str, Callable[[Rows], bytes]] = {
    "csv": as_csv,
    "excel": lambda rows: as_csv(rows, ";", "utf-8-sig"),
    "tsv": lambda rows: as_csv(rows, "\t", "utf-16", "\n"),
    "pipes": lambda rows: as_csv(rows, "|", "utf-32"),
}
# Layouts whose rows are flat, or have lists that a cell can hold.
FLAT = (
    "hone-labels", "labelstudio-min", "argilla-flat", "pku", "shp", "helpsteer2", "helpsteer3", "distilabel",
    "alpaca-eval", "judged", "choice", "ultrafeedback-binarized", "distilabel-dpo", "trl", "trl-implicit",
)  # fmt: skip


def pairs_of(layout: str) -> st.SearchStrategy[list[Pair]]:
    outcomes = LAYOUTS[layout][0]
    return st.lists(st.builds(Pair, texts, texts, texts, st.sampled_from(outcomes)), min_size=1, max_size=4)


def same(pairs: Sequence[Pair], content: bytes, layout: str) -> None:
    reading = formats.read(content)
    records = list(reading)
    assert reading.layout is not None
    assert reading.layout.name == layout
    assert [r for r in records if isinstance(r, Refusal)] == []
    read = [
        (r.messages, [response.text for response in r.responses], r.judgements[0].outcome)
        for r in records
        if isinstance(r, ComparisonRecord)
    ]
    assert read == [(pair.messages, [pair.first, pair.second], pair.outcome) for pair in pairs]


def readable(pair: Pair) -> None:
    """Where both responses begin with the prompt it is cut, by rule; and a transcript is a conversation."""
    assume(not (pair.first.startswith(pair.prompt) and pair.second.startswith(pair.prompt)))
    for text in (pair.prompt, pair.first, pair.second):
        assume("\n\nAssistant:" not in text and "\n\nHuman:" not in text)


@pytest.mark.parametrize("layout", LAYOUTS)
@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_every_layout_in_every_container_comes_back(layout: str, data: st.DataObject) -> None:
    pairs = data.draw(pairs_of(layout))
    for pair in pairs:
        readable(pair)
    container = data.draw(st.sampled_from(sorted(CONTAINERS)))
    same(pairs, CONTAINERS[container]([LAYOUTS[layout][1](pair) for pair in pairs]), layout)


@pytest.mark.parametrize("layout", FLAT)
@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_flat_layouts_come_back_from_tables(layout: str, data: st.DataObject) -> None:
    pairs = data.draw(pairs_of(layout))
    for pair in pairs:
        readable(pair)
        # A cell of messages is their JSON; and what Hone's own CSV puts before a formula is cut.
        assume(not any(text.startswith(("[", "{", "'")) for text in (pair.prompt, pair.first, pair.second)))
    table = data.draw(st.sampled_from(sorted(TABLES)))
    same(pairs, TABLES[table]([LAYOUTS[layout][1](pair) for pair in pairs]), layout)


turns = st.lists(st.tuples(texts, texts), max_size=3)


@settings(max_examples=60, deadline=None)
@given(turns, texts, st.none() | texts, st.sampled_from(sorted(CONTAINERS)), st.booleans())
def test_conversations_come_back_to_the_byte(
    before: list[tuple[str, str]], last: str, system: str | None, container: str, sharegpt: bool
) -> None:
    messages: list[dict[str, str]] = [{"role": "system", "content": system}] if system else []
    for asked, said in before:
        messages += [{"role": "user", "content": asked}, {"role": "assistant", "content": said}]
    messages.append({"role": "user", "content": last})
    names = {"user": "human", "assistant": "gpt", "system": "system"}
    row: dict[str, Any] = {"messages": messages, "source": "web"}
    if sharegpt:
        said = [{"from": names[turn["role"]], "value": turn["content"]} for turn in messages]
        row = {"conversations": said, "source": "web"}
    [record] = formats.read(CONTAINERS[container]([row]))
    assert record == PromptRecord(line=record.line, messages=messages, metadata={"source": "web"})  # type: ignore[arg-type]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(texts, texts), min_size=1, max_size=4), st.sampled_from(sorted(CONTAINERS)))
def test_demonstrations_come_back(rows: list[tuple[str, str]], container: str) -> None:
    for prompt, response in rows:
        assume("\n\nAssistant:" not in prompt + response and not response.startswith(prompt))
    written = [{"instruction": prompt, "input": "", "output": response} for prompt, response in rows]
    records = list(formats.read(CONTAINERS[container](written)))
    assert all(isinstance(record, DemonstrationRecord) for record in records)
    read = [(r.messages[0]["content"], r.response.text) for r in records if isinstance(r, DemonstrationRecord)]
    assert read == rows


@settings(max_examples=60, deadline=None)
@given(st.lists(texts, min_size=1, max_size=4), st.sampled_from(sorted(TABLES)))
def test_a_table_of_one_column_comes_back(prompts: list[str], table: str) -> None:
    assume(not any(prompt.startswith(("[", "{")) or "\n\nAssistant:" in prompt for prompt in prompts))
    records = list(formats.read(TABLES[table]([{"prompt": prompt} for prompt in prompts])))
    assert [r.messages[0]["content"] for r in records if isinstance(r, PromptRecord)] == prompts


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(texts, st.sampled_from([0.0, 0.25, 1.0]), texts, texts), min_size=2, max_size=5))
def test_metadata_and_probabilities_come_back(rows: list[tuple[str, float, str, str]]) -> None:
    written = [
        {
            "prompt": "q q",
            "response_a": "a a",
            "response_b": "b b",
            "preference": p,
            "id": id_,
            "why": {"x": [why]},
            "k": k,
        }
        for id_, p, why, k in rows
    ]
    records = [record for record in formats.read(as_lines(written)) if isinstance(record, ComparisonRecord)]
    assert [record.metadata for record in records] == [{"id": i, "why": {"x": [w]}, "k": k} for i, _, w, k in rows]
    assert [record.judgements[0].probability for record in records] == [p if p == 0.25 else None for _, p, _, _ in rows]
