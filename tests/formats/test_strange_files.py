"""Files that look like something else than they are: other formats of text, names given twice, odd encodings."""

import io
import json
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest

import formats
from formats import ComparisonRecord, PromptRecord, Refusal

GOOD = '{"prompt": "How do tides work?"}\n'
TABLE = "prompt,chosen,rejected\nHow?,a,b\nWhy?,c,d\n"
LONG = "9bFlIkpYt5HfavHYMD5hzcS7hsPRxCcQPDRMQYnrTT0aLx8KqJ3vWn+eZ/yGdUmB\n"


def read(content: bytes | str, **options: Any) -> list[Any]:
    return list(formats.read(content.encode() if isinstance(content, str) else content, **options))


def parquet(names: list[str], *columns: Any) -> bytes:
    file = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.Table.from_arrays([pyarrow.array(each) for each in columns], names=names), file)
    return file.getvalue()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("version https://git-lfs.github.com/spec/v1\noid sha256:4d7a21\nsize 12345\n", "git lfs pull"),
        ("prompts:\n  - How do tides work?\n  - Why?\n", "cannot be told"),
        ("name: set\nversion: 2\nrows:\n  - q: How?\n    a: So.\n", "cannot be told"),
        ('prompt = "How?"\nchosen = "So"\n', "cannot be told"),
        ("INSERT INTO prompts VALUES ('How?');\nINSERT INTO prompts VALUES ('Why?', 'So.');\n", "cannot be told"),
        (f"-----BEGIN CERTIFICATE-----\n{LONG}-----END CERTIFICATE-----\n", "cannot be told"),
        (LONG * 9 + "9bFl==\n", "cannot be told"),
        ("diff --git a/x b/x\n--- a/x\n+++ b/x\n@@ -1,2 +1,2 @@\n-foo\n+bar\n", "cannot be told"),
        ("00000000: 5041 5231 1504 1500 154c  PAR1....\n00000010: 5041 5231 1504 1500 154c  PAR1....\n", "cannot be"),
        ("null\n", "cannot be told"),
        ("1\n2\n3.5\n", "cannot be told"),
        ("true\n", "cannot be told"),
        ("PARE" + "x" * 99, "encrypted"),
        (f"Report of March\n{TABLE}", "stand in line 2"),
        (f"# exported by x\n\n{TABLE}", "stand in line 3"),
        (f"# exported; by x\n{TABLE.replace(',', ';')}", "stand in line 2"),
    ],
)
def test_what_is_no_text_that_people_wrote_is_never_taken_for_lines(content: str, reason: str) -> None:
    with pytest.raises(formats.Unreadable, match=reason):
        read(content)
    assert read(content, kind="lines") if "PARE" not in content else True  # whoever says that it is text is believed


@pytest.mark.parametrize(
    "content",
    [
        "How do tides work?\n42\nWhy?\n",
        "潮汐是怎么形成的请用简单的语言解释一下月球和太阳的作用以及为什么每天有两次涨潮和两次落潮还有大潮小潮的区别在哪里呢\n"
        * 2,
        "What is 2 = 2?\nIs x = 3?\n",
        "Explain this diff:\nWhy does it fail?\n",
        "Ingredients: eggs, flour\nWhat can I cook?\n",
        "prompt engineering, what is it?\nquestion everything, should one?\n",
        "select a book for me\nupdate me on the news\n",
    ],
)
def test_what_people_wrote_is_taken_for_lines(content: str) -> None:
    found = read(content)
    assert [each.messages[0]["content"] for each in found] == content.splitlines()


def test_lists_one_a_line_are_no_prompts() -> None:
    found = read('["prompt", "chosen"]\n["How?", "So."]\n["Why?", "No."]\n')
    assert [(each.line, each.reason) for each in found] == [(n, "It is not a JSON object.") for n in (1, 2, 3)]


@pytest.mark.parametrize(
    "again",
    ["Prompt,Chosen,Rejected", "prompt, chosen, rejected ", "\ufeffprompt,chosen,rejected", "PROMPT,chosen,rejected"],
)
def test_the_line_of_names_is_known_again_however_it_is_written(again: str) -> None:
    one, refused, two = read(TABLE.replace("Why?", f"{again}\nWhy?"))
    assert isinstance(refused, Refusal)
    assert (refused.line, refused.reason) == (3, "The line of names stands here again.")
    assert isinstance(one, ComparisonRecord)
    assert isinstance(two, ComparisonRecord)


@pytest.mark.parametrize("container", ["parquet", "arrow"])
def test_two_columns_of_one_name_are_refused_and_not_one_of_them_taken(container: str, tmp_path: Any) -> None:
    names = ["prompt", "chosen", "rejected", "chosen"]
    content = parquet(names, ["How?"], ["a"], ["b"], ["c"])
    path = tmp_path / "rows"
    path.write_bytes(content)
    if container == "arrow":
        table = pyarrow.Table.from_arrays([pyarrow.array([each]) for each in "pabc"], names=names)
        with pyarrow.OSFile(str(path), "wb") as sink, pyarrow.ipc.new_file(sink, table.schema) as writer:
            writer.write_table(table)
    with pytest.raises(formats.Unreadable, match="Two columns are named 'chosen'"):
        list(formats.read(path))


def test_texts_that_parquet_calls_bytes_are_texts_and_other_bytes_are_not() -> None:
    content = parquet(["prompt", "image"], ["How, Zoë?".encode()], [b"\xff\xd8\xff"])
    [found] = read(content)
    assert isinstance(found, PromptRecord)
    assert found.messages == [{"role": "user", "content": "How, Zoë?"}]
    assert found.metadata == {"image": "/9j/"}
    [bad] = read(parquet(["prompt"], [b"\xff\xd8\xff"]))
    assert isinstance(bad, Refusal)


@pytest.mark.parametrize(
    "encoding", ["idna", "punycode", "a\0b", "base64", "undefined", "\udcff", "unicode_escape", "utf-7"]
)
def test_an_encoding_that_no_file_is_in_is_told_so(encoding: str) -> None:
    with pytest.raises(formats.Unreadable, match="There is no text encoding"):
        read(GOOD, encoding=encoding)


@pytest.mark.parametrize("encoding", ["UTF-8", "utf8", "utf-8-sig", "ascii", "cp1252", "shift_jis"])
def test_a_byte_that_an_encoding_does_not_have_costs_its_row_alone(encoding: str) -> None:
    bad = b"\x81\x20" if encoding == "cp1252" else b"\xff"
    one, refused, two = read(GOOD.encode() + b'{"prompt": "a' + bad + b'"}\n' + GOOD.encode(), encoding=encoding)
    assert (refused.line, "is not valid" in refused.reason) == (2, True)
    assert isinstance(one, PromptRecord)
    assert isinstance(two, PromptRecord)
    assert "UTF-8" in refused.reason or encoding in refused.reason


def test_half_a_character_of_utf16_is_not_called_utf8() -> None:
    content = (
        GOOD.encode("utf-16") + b'{"prompt": "'.decode().encode("utf-16-le") + b"\x00\xd8" + '"}\n'.encode("utf-16-le")
    )
    _, refused = read(content)
    assert "utf-16" in refused.reason.lower()


@pytest.mark.parametrize("role", ["system", "developer"])
def test_a_message_of_a_tree_that_is_empty_is_a_refusal(role: str) -> None:
    empty = {"role": role, "text": "", "replies": []}
    for prompt in (empty, {"role": "prompter", "text": "Why?", "replies": [empty]}):
        [found] = read(json.dumps({"message_tree_id": "a", "prompt": prompt}))
        assert isinstance(found, Refusal)
