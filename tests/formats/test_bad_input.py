"""Bad files: a refusal by row or a sentence for the file; never an exception of another kind, never a prompt."""

import gzip
import io
import json
import random
import resource
import tracemalloc
from contextlib import suppress
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.ipc
import pyarrow.parquet
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import formats
from formats import Refusal, Row
from formats.containers import json_rows, sources, tables, text
from formats.containers.arrow import arrow_rows, parquet_rows
from tests.formats.test_round_trips import CONTAINERS, FLAT, TABLES, as_lines
from tests.formats.writers import LAYOUTS, Pair

GOOD = '{"prompt": "How do tides work?"}'
ROW = {"prompt": "How?", "chosen": "So.", "rejected": "No."}


def read(content: bytes | str, **options: Any) -> list[Any]:
    return list(formats.read(content.encode() if isinstance(content, str) else content, **options))


def refused(content: bytes | str) -> list[tuple[int, str]]:
    return [(found.line, found.reason) for found in read(content) if isinstance(found, Refusal)]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('{"prompt": "How?', "not valid JSON: Unterminated string"),
        ('{"prompt": "x", "n": ' + "9" * 5000 + "}", "too many digits"),
        ('{"prompt": "x", "n": 1e999}', "1e999 is too large"),
        ('{"prompt": ' + "[" * 200_000 + "]" * 200_000 + "}", "nested too deeply"),
        ('{"prompt": "x", "deep": ' + "[" * 300 + "]" * 300 + "}", "nested too deeply"),
        ('{"prompt": "\\ud800"}', "broken Unicode"),
        ('{"prompt": "x", "unread": [{"a": "\\udfff"}]}', "broken Unicode"),
        ('{"prompt": "x", "\\ud800": 1}', "broken Unicode"),
        ('{"prompt": "x\\u0000"}', "null character"),
        ('{"prompt": "x", "prompt": "y"}', '"prompt" twice'),
        ('{"prompt": "x", "meta": {"a": 1, "a": 2}}', '"a" twice'),
        ('{"prompt": "  "}', "empty"),
        ('{"prompt": 3}', "neither text nor a list"),
        ('{"prompt": []}', "no messages"),
        ('{"prompt": [{"role": "user"}]}', "content must be text"),
        ('{"prompt": [{"role": "tool", "content": "x"}]}', "role must be"),
        ('{"prompt": [{"role": "user", "content": [{"type": "image_url"}]}]}', "no text"),
        ('{"prompt": [{"role": "assistant", "content": "x"}]}', "user's turn"),
        ('{"other": "x"}', "missing"),
        ("[1, 2]", "not a JSON object"),
        ("3", "not a JSON object"),
    ],
)
def test_a_bad_row_is_refused_by_its_line_with_its_text(line: str, reason: str) -> None:
    good, bad, after = read(f"{GOOD}\n{line}\n{GOOD}\n")
    assert isinstance(bad, Refusal)
    assert bad.line == 2
    assert reason in bad.reason
    assert bad.raw == line[: len(bad.raw)]
    assert len(bad.raw) >= min(len(line), 100_000)
    assert not isinstance(good, Refusal)
    assert not isinstance(after, Refusal)


@pytest.mark.parametrize(
    "element",
    [
        '{"prompt": "x" "y"}',
        '{"prompt": tru}',
        '{"a": "\\ud800"}',
        '{"n": ' + "9" * 5000 + "}",
        "[" * 200_000 + "]" * 200_000,
    ],
)
def test_a_bad_element_of_a_list_is_refused_and_the_next_one_read(element: str) -> None:
    content = f"[\n{GOOD},\n{element},\n{GOOD}\n]"
    assert [line for line, _ in refused(content)] == [3]
    assert len(read(content)) == 3


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (f"[{GOOD}, {GOOD}", "ends before its list"),
        (f"[{GOOD}, {GOOD},", "ends before its list"),
        (f"[{GOOD} {GOOD}]", "comma is missing"),
        (f"[{GOOD}] and more", "after the end of the list"),
        (f'{{"data": [{GOOD}], "x" 3}}', "field's name"),
    ],
)
def test_a_list_that_is_broken_is_refused_from_there_on(content: str, reason: str) -> None:
    *_, last = read(content)
    assert isinstance(last, Refusal)
    assert last.rest
    assert reason in last.reason


def test_tables_refuse_ragged_rows_a_second_line_of_names_and_bad_bytes() -> None:
    content = b"prompt,chosen,rejected\na,b,c\nprompt,chosen,rejected\nd,e\nf,g,h,i\n\xe9,k,l\nm,n,o\n"
    assert refused(content) == [
        (3, "The line of names stands here again."),
        (4, "It has 2 cells; the line of names has 3."),
        (5, "It has 4 cells; the line of names has 3."),
        (
            6,
            "This is not valid UTF-8 (byte 1). If the file is in another encoding, say which, for example cp1252.",
        ),
    ]
    assert len(read(content)) == 6


@pytest.mark.parametrize("row", ['"d "q" x",e,f', '"d,e,f'])
def test_quotes_that_do_not_match_end_a_table(row: str) -> None:
    content = f"prompt,chosen,rejected\na,b,c\n{row}\ng,h,i\n"
    [(line, reason)] = refused(content)
    assert line == 3
    assert "cannot be told apart" in reason
    assert len(read(content)) == 2


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "empty"),
        (" \n\n", "empty"),
        ("\ufeff", "empty"),
        ("[]", "no rows"),
        ("prompt,chosen,rejected\n", "no rows"),
        ("prompt,prompt\na,b\nc,d\n", "Two columns"),
        ("a,b,c\n1,2,3\n4,5,6\n", "no known layout: a, b, c"),
    ],
)
def test_a_file_without_rows_that_can_be_named_is_told_why(content: str, reason: str) -> None:
    with pytest.raises(formats.Unreadable, match=reason):
        read(content)


def test_a_row_over_the_limit_is_refused_alone() -> None:
    long = "x" * 5000
    lines = io.BytesIO(f'{GOOD}\n{{"prompt": "{long}"}}\n{GOOD}\n'.encode())
    found = list(json_rows.by_line(text.open_text(io.BufferedReader(lines), "utf-8", 0), limit=1000))  # type: ignore[arg-type]
    assert [(row.line, isinstance(row, Refusal)) for row in found] == [(1, False), (2, True), (3, False)]
    for element in (f'{{"prompt": "{long}"}}', f'{{"prompt": "{long}" "y"}}', "[" * 3000 + "]" * 3000):
        found = list(json_rows.elements(io.StringIO(f"[{GOOD},{element},{GOOD}]"), limit=1000))
        assert [isinstance(row, Refusal) for row in found] == [False, True, False]
    for cell in (long, f'"{long}"', f'"{long}\n{long}"', '"' + "x\n" * 2000 + '"'):
        table = io.TextIOWrapper(io.BytesIO(f"prompt,id\na,1\n{cell},2\nb,3\n".encode()), newline="\n")
        found = list(tables.table_rows(table, ",", limit=1000))
        assert [isinstance(row, Refusal) for row in found] == [False, True, False]


@pytest.mark.parametrize(
    "cell",
    [
        '["\\ud800"]', "['\\ud800']", '["\\u0000"]', '[{"role": "user", "content": "\\udfff"}]', '[{"a": 1, "a": 2}]',
        "[NaN, 1e999]", "[1e999]", "[" * 300 + "]" * 300, "[" * 90_000, "[" + "9" * 5000 + "]", "[b'x', {1}, (2,), 1j]",
        '{"selected": "\\ud800"}',
    ],
)  # fmt: skip
@pytest.mark.parametrize("layout", FLAT)
def test_what_a_cell_holds_as_json_can_be_stored_or_is_refused(layout: str, cell: str) -> None:
    row = LAYOUTS[layout][1](Pair("What is it?", "It is.", "No idea.", LAYOUTS[layout][0][0]))
    for name in row:
        survives(TABLES["csv"]([row, row | {name: cell}]))


def test_no_more_is_looked_at_than_is_asked_for() -> None:
    line = b'{"prompt": "Why?"}\n'
    reading = formats.read(line * 50, most=20 * len(line))
    assert (len(list(reading)), reading.report.refused, reading.stopped) == (20, 0, True)
    reading = formats.read(gzip.compress(line * 20), most=20 * len(line))
    assert (len(list(reading)), reading.stopped) == (20, False)
    for long in (b'{"prompt": "' + b"x" * 3_000_000, b"prompt,id\n" + b"x" * 3_000_000, line + b"\n" * 3_000_000):
        packed = gzip.compress(long)
        if long.startswith(line):
            assert len(list(formats.read(packed, most=2_000_000))) == 1
            continue
        with pytest.raises(formats.Unreadable, match="No row of it ends in the part that is looked at"):
            formats.read(packed, most=2_000_000)


def packed_parquet(packed: str, size: int) -> bytes:
    file = io.BytesIO()
    rows = [{"prompt": random.Random(i).randbytes(size // 40).hex()} for i in range(20)]
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), file, compression="none", use_dictionary=False)
    whole = file.getvalue()
    return gzip.compress(whole) if packed == "gzip" else bytes(pyarrow.compress(whole, "zstd", asbytes=True))


@pytest.mark.parametrize("packed", ["gzip", "zstd"])
def test_compressed_parquet_is_not_unpacked_without_end(packed: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "UNPACKED", 9_000_000)
    monkeypatch.setattr(sources, "UNPACKED_WHILE_WAITING", 3_000_000)
    file = packed_parquet(packed, 8_000_000)
    reading = formats.read(io.BytesIO(file))
    assert (len(list(reading)), len(list(reading))) == (20, 20)  # as often as wanted
    with pytest.raises(formats.Unreadable, match=f"more than 2 MB once it is unpacked.*Take the {packed} off"):
        read(file, most=100)
    with pytest.raises(formats.Unreadable, match="more than 8 MB once it is unpacked"):
        read(packed_parquet(packed, 16_000_000))


def test_a_disk_without_room_to_unpack_is_told_so() -> None:
    file = packed_parquet("gzip", 4_000_000)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, hard))
    try:
        with pytest.raises(formats.Unreadable, match="There is no room to unpack it: File too large"):
            read(file)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("packed", ["gzip", "zstd"])
def test_what_comes_before_a_truncation_is_read_and_the_rest_refused(packed: str) -> None:
    plain = "".join(json.dumps({"prompt": random.Random(i).randbytes(40).hex()}) + "\n" for i in range(9000)).encode()
    whole = gzip.compress(plain) if packed == "gzip" else pyarrow.compress(plain, "zstd", asbytes=True)
    *good, last = read(whole[:-5000])
    assert isinstance(last, Refusal)
    assert last.rest
    assert "damaged" in last.reason
    assert 0 < len(good) < 9000
    assert last.line == len(good) + 1
    with pytest.raises(formats.Unreadable):
        read(whole[:12])


def test_the_little_that_a_damaged_file_gives_is_not_taken_for_text() -> None:
    packed = gzip.compress(b"PAR1" + bytes(range(256)) * 9)
    for length in range(12, 20):
        with pytest.raises(formats.Unreadable):
            read(packed[:length])
    text = gzip.compress(b"Why is it so?\nHow does it work?\n" * 50)
    with pytest.raises(formats.Unreadable, match="damaged"):
        read(text[:-12])
    assert len(read(text[:-12], kind="lines")) > 1  # whoever says that it is text is believed


def test_a_damaged_parquet_file_is_told_so() -> None:
    file = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist([ROW] * 50), file)
    for content in (file.getvalue()[:-9], b"PAR1" + b"x" * 99 + b"PAR1"):
        with pytest.raises(formats.Unreadable, match="damaged"):
            read(content)
    invalid = pyarrow.array([b"fine", b"\xff\xfe"], pyarrow.binary()).view(pyarrow.utf8())
    file = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.table({"prompt": invalid}), file)
    good, bad = read(file.getvalue())
    assert not isinstance(good, Refusal)
    assert (bad.line, bad.reason) == (2, "It has text that is not valid UTF-8.")


@pytest.mark.parametrize("name", ["hub:nobody/nothing", "hub:../etc", "hub:"])
def test_a_hub_that_cannot_be_reached_is_told_so(name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import huggingface_hub.constants as constants

    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(formats.Unreadable, match="cannot be fetched from the hub"):
        formats.read(name)


def survives(content: bytes) -> list[Any]:
    """What it gives, which can be stored and is no line of a broken file; nothing where it is told why not."""
    try:
        found = list(formats.read(content))
    except formats.Unreadable:
        return []
    for one in found:
        if isinstance(one, Refusal):
            assert f"{one.reason}{one.raw}".encode()
        else:
            json.dumps([one.messages, one.metadata], ensure_ascii=False, allow_nan=False).encode()
            assert not any('"rejected"' in turn["content"] for turn in one.messages)
    return [one for one in found if not isinstance(one, Refusal)]


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=300) | st.binary(max_size=60).map(gzip.compress))
@example(b"\x00\x00\xfe\xff")
@example(b"\xff\xfe\x00")
@example(b"{" * 9000)
@example(b"[{" * 9000)
@example(b'{"a":[{')
@example(b"\x1f\x8b")
@example(b"PAR1PAR1")
@example(b"\xff\xff\xff\xff\x00")
def test_random_bytes_never_raise_and_only_text_gives_prompts(content: bytes) -> None:
    for one in survives(content):
        assert all(character.isprintable() or character.isspace() or ord(character) > 127 for character in _said(one))


def _said(record: Any) -> str:
    return "".join(turn["content"] for turn in record.messages)


ROWS = [
    [row(Pair(f"What is {i}?", f"It is {i}.", "No idea.", out[0])) for i in range(8)] for out, row in LAYOUTS.values()
]
PAIRS = [rows[0] for rows in ROWS]
MORE = (
    "role content from value text rank replies result type to_name completed_by score Rating status messages turns "
    "conversations response completion output responses margin annotator rationale system selected annotations"
)
# Every field that a layout may look at.
KEYS = sorted(
    {name for row in PAIRS for part in (row, *(v for v in row.values() if isinstance(v, dict))) for name in part}
    | {name for layout in formats.LAYOUTS.values() for name in layout.required}
    | set(MORE.split())
)
NAMED = [writer(rows) for rows in ROWS for writer in TABLES.values()]
FILES = [*NAMED, *(writer(rows) for rows in ROWS for writer in CONTAINERS.values())]


@settings(max_examples=500, deadline=None)
@given(
    st.sampled_from(FILES),
    st.lists(st.tuples(st.floats(0, 1), st.sampled_from("dfix"), st.binary(min_size=1, max_size=4))),
)
@example(as_lines(ROWS[0]), [(0.0, "i", b"\x00\x00\xfe\xff")])
@example(as_lines(ROWS[0]), [(0.0, "i", b"\xff\xfe")])
@example(CONTAINERS["gzip"](ROWS[0]), [(0.0, "i", b"\xfe\xff")])
@example(CONTAINERS["zstd"](ROWS[0]), [(0.0, "i", b"\xff\xfe")])
@example(as_lines(ROWS[0]), [(0.0, "i", b"\xfe\xff"), (0.0, "i", b" ")])
def test_mutated_files_never_raise_and_are_never_taken_for_lines(
    file: bytes, changes: list[tuple[float, str, bytes]]
) -> None:
    content = bytearray(file)
    # A line of names is what a table is known by: it stays.
    kept = content.find(b"\n") + 4 if file in NAMED else 0
    for where, what, data in changes[:6]:
        at = kept + int(where * (len(content) - kept))
        if what == "d":
            del content[at : at + len(data)]
        elif what == "f":
            content[at : at + 1] = data[:1]
        elif what == "i":
            content[at:at] = data
        else:
            del content[max(at, 100) :]
    survives(bytes(content))
    with suppress(formats.Unreadable):
        assert formats.read(bytes(content)).container.kind not in ("lines", "blocks")


scalars = (
    st.none() | st.booleans() | st.integers(-3, 3) | st.floats(allow_nan=False) | st.sampled_from(["", "x", "[", "[1]"])
)
values = st.recursive(
    scalars | st.just(10**400),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=4),
    max_leaves=8,
)


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(sorted(formats.LAYOUTS)), st.dictionaries(st.sampled_from(KEYS), values, max_size=6), st.data())
def test_no_layout_fails_otherwise_than_by_refusing(layout: str, row: dict[str, Any], data: st.DataObject) -> None:
    for name in sorted(formats.LAYOUTS[layout].required):
        row.setdefault(name, data.draw(values))
    found = read(json.dumps(row), layout=layout, kind="jsonl")
    assert found
    assert all(isinstance(one, Refusal) or one.messages for one in found)
    survives(json.dumps(row).encode())


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(PAIRS), st.sampled_from(KEYS), values, st.integers(0, 9))
def test_a_field_of_another_type_is_a_refusal(row: dict[str, Any], name: str, value: Any, where: int) -> None:
    changed = json.loads(json.dumps(row))
    inside = [changed, *(v for v in changed.values() if isinstance(v, dict))]
    inside += [v for w in changed.values() if isinstance(w, list) for v in w if isinstance(v, dict)]
    target = inside[where % len(inside)]
    target[name if where % 2 else sorted(target)[where % len(target)]] = value
    content = "".join(json.dumps(one) + "\n" for one in (row, changed, row)).encode()
    assert all(isinstance(one, Refusal) or one.messages for one in read(content))


def test_memory_does_not_grow_with_the_rows(tmp_path: Path) -> None:
    path = tmp_path / "many.jsonl"
    with path.open("w") as file:
        for i in range(300_000):
            row = (
                "{broken"
                if i == 200_000
                else json.dumps({"prompt": f"Number {i}?", "id": i, "chosen": "a", "rejected": "b"})
            )
            file.write(row + "\n")
    tracemalloc.start()
    try:
        reading = formats.read(path)
        for _ in reading:
            pass
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (reading.report.rows, reading.report.pairs, reading.report.refused) == (300_000, 299_999, 1)
    assert reading.report.refusals[0].line == 200_001
    assert peak < 5_000_000


@pytest.mark.parametrize("container", ["parquet", "arrow"])
def test_a_long_text_that_all_rows_share_is_not_in_memory_for_each_of_them(tmp_path: Path, container: str) -> None:
    shared = pyarrow.DictionaryArray.from_arrays(pyarrow.array([0] * 256, pyarrow.int32()), ["x" * 1_000_000])
    prompts = [f"prompt {number}" for number in range(256)]
    table = pyarrow.table({"prompt": prompts, "chosen": shared, "rejected": ["no"] * 256})
    file = tmp_path / "rows"
    if container == "parquet":
        pyarrow.parquet.write_table(table, file, dictionary_pagesize_limit=1 << 30, store_schema=False)
        rows = parquet_rows(file.open("rb"))
    else:
        with pyarrow.OSFile(str(file), "wb") as sink, pyarrow.ipc.new_file(sink, table.schema) as writer:
            writer.write_table(table)
        rows = arrow_rows([file])
    tracemalloc.start()
    try:
        lengths = [len(row.values["chosen"]) for row in rows if isinstance(row, Row)]
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert lengths == [1_000_000] * 256
    assert peak < 40_000_000  # some rows, not 256


@pytest.mark.parametrize("container", ["parquet", "parquet with a dictionary", "arrow"])
def test_a_row_that_is_too_long_is_refused_and_those_beside_it_are_read(tmp_path: Path, container: str) -> None:
    table = pyarrow.table({"prompt": ["one", "x" * 51_000_000, "three"], "chosen": ["yes"] * 3})
    file = tmp_path / "rows"
    if container == "arrow":
        with pyarrow.OSFile(str(file), "wb") as sink, pyarrow.ipc.new_file(sink, table.schema) as writer:
            writer.write_table(table)
        rows = arrow_rows([file])
    else:
        pyarrow.parquet.write_table(table, file, use_dictionary="dictionary" in container)
        rows = parquet_rows(file.open("rb"))
    tracemalloc.start()
    try:
        found = [row.reason if isinstance(row, Refusal) else row.values["prompt"] for row in rows]
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert found == ["one", "It has more than 50 million bytes.", "three"]
    assert peak < 20_000_000  # never a value of Python's
