"""Files of every kind, known by their content: nothing is said by a name."""

import csv
import gzip
import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.ipc
import pyarrow.parquet
import pytest

import formats
from formats import PromptRecord, Refusal

PROMPTS = ["How do tides work?", 'Say "hello", twice', "Write\ntwo lines", "  def f():\n      return 1"]
ROWS = [{"prompt": prompt, "id": i} for i, prompt in enumerate(PROMPTS)]


def texts(source: Any, **options: Any) -> list[str]:
    found = list(formats.read(source, **options))
    assert [str(refusal) for refusal in found if isinstance(refusal, Refusal)] == []
    return [record.messages[0]["content"] for record in found if isinstance(record, PromptRecord)]


def as_lines(rows: list[Any], encoding: str = "utf-8") -> bytes:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode(encoding)


def as_csv(rows: list[dict[str, Any]], **dialect: Any) -> str:
    file = io.StringIO()
    writer = csv.DictWriter(file, list(rows[0]), **dialect)
    writer.writeheader()
    writer.writerows(rows)
    return file.getvalue()


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (as_lines(ROWS), "jsonl"),
        (as_lines(ROWS, "utf-8-sig"), "jsonl"),
        (as_lines(ROWS, "utf-16"), "jsonl"),
        (as_lines(ROWS, "utf-16-le"), "jsonl"),
        (as_lines(ROWS, "utf-32"), "jsonl"),
        (as_lines(ROWS).replace(b"\n", b"\r\n"), "jsonl"),
        (as_lines(ROWS).replace(b"\n", b"\n\n \n"), "jsonl"),
        (json.dumps(ROWS).encode(), "json"),
        (json.dumps(ROWS, indent=4).encode(), "json"),
        (json.dumps(PROMPTS).encode(), "json"),
        (json.dumps({"name": "mine", "prompts": {"n": 4}, "data": ROWS, "end": [1]}).encode(), "json"),
        (json.dumps({"rows": ROWS}, indent=1).encode("utf-16"), "json"),
        ("\n".join(json.dumps(row, indent=2) for row in ROWS).encode(), "json"),
        (as_csv(ROWS).encode(), "csv"),
        (as_csv(ROWS, delimiter=";").encode("utf-8-sig"), "csv"),
        (as_csv(ROWS, delimiter="\t").encode("utf-16"), "csv"),
        (as_csv(ROWS, delimiter="|", lineterminator="\n").encode(), "csv"),
        (as_csv(ROWS, delimiter="^").encode(), "csv"),
        (b"sep=;\r\n" + as_csv(ROWS, delimiter=";").encode(), "csv"),
        (as_csv([{"prompt": prompt} for prompt in PROMPTS]).encode(), "csv"),
        (gzip.compress(as_lines(ROWS)), "jsonl"),
        (gzip.compress(gzip.compress(as_csv(ROWS).encode())), "csv"),
        (pyarrow.compress(as_lines(ROWS), "zstd", asbytes=True), "jsonl"),
        ("\n---\n".join(PROMPTS).encode(), "blocks"),
    ],
)
def test_text_in_any_container_and_encoding_is_kept_to_the_byte(content: bytes, kind: str) -> None:
    assert formats.read(content).container.kind == kind
    assert texts(content) == PROMPTS


def test_a_path_and_streams_give_the_same_as_bytes(tmp_path: Path) -> None:
    path = tmp_path / "without a suffix"
    path.write_bytes(as_lines(ROWS))
    with path.open("rb") as stream:
        assert texts(path) == texts(str(path)) == texts(stream) == PROMPTS
        assert not stream.closed
        stream.seek(5)
        stream.seek(len(as_lines(ROWS[:1])))
        assert texts(stream) == PROMPTS[1:]  # from where it stands

    class Pipe(io.BytesIO):
        def seekable(self) -> bool:
            return False

    assert texts(Pipe(as_lines(ROWS))) == PROMPTS


def test_one_reading_can_be_iterated_again() -> None:
    reading = formats.read(as_lines(ROWS))
    assert list(reading) == list(reading)
    assert reading.report.rows == reading.report.prompts == 4


def test_plain_text_is_a_prompt_a_line_or_a_block() -> None:
    content = b"How?\n\n  Why, and where?\nx = a[0]\r\n"
    assert texts(content) == ["How?", "  Why, and where?", "x = a[0]"]
    assert texts(content, kind="blocks") == ["How?", "  Why, and where?\nx = a[0]"]
    assert texts(b"a b\n\nc\n---\nd\n") == ["a b\n\nc", "d"]
    assert texts("Wie groß?\n".encode("utf-16")) == ["Wie groß?"]
    # Whoever says that it is text is believed.
    assert texts(b'{"a": 1}\n', kind="lines") == ['{"a": 1}']


@pytest.mark.parametrize(
    "content",
    [
        b"<html><body>\n<p>Hello</p>\n</body></html>",
        b"prompt: How?\nresponse: So.\n",
        b"- role: user\n  content: How?\n",
        b"%PDF-1.7 ...",
        b"PK\x03\x04 workbook",
        b"\x80\x04\x95 pickle",
        bytes(range(256)) * 9,
        b"[1, 2, 3]",
        b"My sheet,,\nprompt,chosen,rejected\na,b,c\nd,e,f\n",
        b"alpha,beta\n1,2\n3,4\n",
        b'{"prompt_txt": "How?"}\n',
        b'{"a": {"b": [1, 2]}}',
    ],
)
def test_what_is_not_known_is_refused_and_never_taken_for_lines(content: bytes) -> None:
    with pytest.raises(formats.Unreadable):
        formats.read(content)


def test_an_older_encoding_is_read_where_it_is_declared() -> None:
    content = as_csv([{"prompt": "Où est le café?", "id": 1}, {"prompt": "Hello", "id": 2}]).encode("cp1252")
    assert texts(content, encoding="cp1252") == ["Où est le café?", "Hello"]
    refused, good = formats.read(content)
    assert isinstance(refused, Refusal)
    assert "not valid UTF-8 (byte 2)" in refused.reason
    assert isinstance(good, PromptRecord)
    with pytest.raises(formats.Unreadable, match="no text encoding"):
        formats.read(content, encoding="cp0")


def test_parquet_is_read_with_its_types() -> None:
    rows: list[dict[str, Any]] = [
        {"messages": [{"role": "user", "content": "Hi there"}], "score": float("nan"), "n": 1, "tags": ["x"]},
        {"messages": [{"role": "user", "content": "Bye now"}], "score": 0.5, "n": None, "tags": []},
    ]
    file = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), file)
    first, second = formats.read(file.getvalue())
    assert isinstance(first, PromptRecord)
    assert isinstance(second, PromptRecord)
    assert first.metadata == {"n": 1, "tags": ["x"]}
    assert second.metadata == {"score": 0.5, "tags": []}


def saved(folder: Path, rows: list[dict[str, Any]]) -> None:
    """What `save_to_disk` writes: an Arrow stream and two files that describe it."""
    folder.mkdir(parents=True)
    table = pyarrow.Table.from_pylist(rows)
    with pyarrow.ipc.new_stream(str(folder / "data-00000-of-00001.arrow"), table.schema) as writer:
        writer.write_table(table)
    state = {"_data_files": [{"filename": "data-00000-of-00001.arrow"}], "_split": None}
    (folder / "state.json").write_text(json.dumps(state))
    (folder / "dataset_info.json").write_text("{}")


def test_folders_of_datasets(tmp_path: Path) -> None:
    saved(tmp_path / "one", ROWS)
    assert texts(tmp_path / "one") == PROMPTS
    assert texts(tmp_path / "one" / "data-00000-of-00001.arrow") == PROMPTS
    saved(tmp_path / "both" / "train", ROWS[:3])
    saved(tmp_path / "both" / "test", ROWS[3:])
    (tmp_path / "both" / "dataset_dict.json").write_text('{"splits": ["train", "test"]}')
    records = list(formats.read(tmp_path / "both"))
    assert [r.metadata["split"] for r in records if isinstance(r, PromptRecord)] == ["train"] * 3 + ["test"]
    assert [r.line for r in records] == [1, 2, 3, 4]


def test_a_folder_of_files(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(ROWS[:2]), tmp_path / "data" / "train-00000-of-00001.parquet")
    (tmp_path / "data" / "test-00000-of-00001.jsonl").write_bytes(as_lines(ROWS[2:]))
    (tmp_path / "README.md").write_text("not data")
    records = list(formats.read(tmp_path))
    assert [r.metadata["split"] for r in records if isinstance(r, PromptRecord)] == ["test"] * 2 + ["train"] * 2


@pytest.mark.parametrize(
    "files",
    [
        {},
        {"state.json": "{"},
        {"state.json": '{"_data_files": []}'},
        {"state.json": '{"_data_files": [{"filename": "../../etc/passwd"}]}'},
        {"dataset_dict.json": '{"splits": ["../up"]}'},
        {"dataset_dict.json": '{"splits": 3}'},
        {"state.json": '{"_data_files": [{"filename": "gone.arrow"}]}'},
    ],
)
def test_a_folder_that_is_no_dataset_is_told_so(tmp_path: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    with pytest.raises(formats.Unreadable):
        formats.read(tmp_path)


def test_an_arrow_file_that_ends_too_early_is_refused_from_there_on(tmp_path: Path) -> None:
    saved(tmp_path / "one", [{"prompt": f"Number {i}"} for i in range(5000)])
    path = tmp_path / "one" / "data-00000-of-00001.arrow"
    path.write_bytes(path.read_bytes()[:-20_000])
    *_, last = formats.read(tmp_path / "one")
    assert isinstance(last, Refusal)
    assert "Nothing from here on can be read" in last.reason


def test_without_pyarrow_text_is_read_and_the_rest_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    file = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(ROWS), file)
    zstd = pyarrow.compress(as_lines(ROWS), "zstd", asbytes=True)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert texts(as_lines(ROWS)) == PROMPTS
    for content in (file.getvalue(), zstd):
        with pytest.raises(formats.Unreadable, match="package pyarrow"):
            formats.read(content)


def test_the_reader_loads_neither_arrow_nor_a_platform_before_they_are_needed() -> None:
    code = (
        "import formats, sys; formats.read(b'How?\\nWhy?\\n');"
        "sys.exit(bool({'pyarrow', 'torch', 'numpy', 'sqlalchemy', 'fastapi', 'huggingface_hub'} & sys.modules.keys()))"
    )
    root = Path(__file__).parents[2]
    assert subprocess.run([sys.executable, "-c", code], cwd=root, check=False).returncode == 0


def test_expansion_is_bounded_where_it_is_asked_for() -> None:
    content = gzip.compress(as_lines([{"prompt": f"Number {i}"} for i in range(20_000)]))
    *_, last = formats.read(content, max_bytes=100_000)
    assert isinstance(last, Refusal)
    assert "larger than can be taken" in last.reason
