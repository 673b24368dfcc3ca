"""Prompts out of files: every row becomes a prompt or a named refusal. What files hold is tests/formats' matter."""

import gzip
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.models import Messages
from app.prompts.reading import MAX_CHARACTERS, content_hash, read, read_entries, split_key, split_of
from app.prompts.service import STARTER
from app.web.errors import Invalid, TooLarge


def texts(content: bytes | str, **options: Any) -> list[str]:
    found = read(content, **options)
    assert not found.refused
    return [messages[-1]["content"] for _, messages in found.good]


@pytest.mark.parametrize(
    "entry",
    [
        "Why?",
        {"prompt": "Why?"},
        {"text": "Why?"},
        {"question": "Why?"},
        {"prompt": [{"role": "user", "content": "Why?"}]},
        {"messages": [{"role": "user", "content": "Why?"}]},
        {"messages": [{"role": "user", "content": "Why?"}, {"role": "assistant", "content": "So."}]},
        {"conversations": [{"from": "human", "value": "Why?"}]},
        {"prompt": "Why?", "chosen": "So.", "rejected": "No."},
        {"turns": ["Why?", "And then?"]},
        [{"role": "user", "content": "Why?"}],
    ],
)
def test_common_layouts_give_the_same_prompt(entry: object) -> None:
    assert read_entries([entry]).good == [(1, [{"role": "user", "content": "Why?"}])]


def test_every_entry_may_have_a_shape_of_its_own() -> None:
    found = read_entries(["Why?", {"messages": [{"role": "user", "content": "How?"}]}, {"question": "Who?"}, 3])
    assert [messages[0]["content"] for _, messages in found.good] == ["Why?", "How?", "Who?"]
    assert [refusal.line for refusal in found.refused] == [4]


def test_instruction_and_input_are_joined() -> None:
    [(_, messages)] = read_entries([{"instruction": "Translate.", "input": "Bonjour"}]).good
    assert messages[0]["content"] == "Translate.\n\nBonjour"


def test_a_system_message_comes_first() -> None:
    [(_, messages)] = read_entries([{"prompt": "Why?", "system": "Be brief."}]).good
    assert [turn["role"] for turn in messages] == ["system", "user"]


def test_text_is_kept_as_it_is() -> None:
    code = "    def f():\n        return 1\n    x = f()\n"
    assert read_entries([code]).good[0][1][0]["content"] == code
    assert texts(json.dumps({"prompt": code})) == [code]


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        (7, "not a JSON object"),
        ("   ", "empty"),
        ("\u2060\u3164", "nothing of it would be seen"),
        ({"answer": "x"}, "missing"),
        ({"messages": []}, "no messages"),
        ({"messages": ["hi"]}, "object"),
        ({"messages": [{"role": "assistant", "content": "b"}]}, "no prompt"),
        ({"messages": [{"role": "user", "content": "a"}, {"role": "user", "content": "b"}]}, "take turns"),
        ({"messages": [{"role": "tool", "content": "a"}]}, "'tool'"),
        ({"messages": [{"role": ["x"], "content": "a"}]}, "role"),
        (
            {"messages": [{"role": "user", "content": "a"}, {"role": "system", "content": "b"}]},
            "at the start|user's turn",
        ),
        ({"messages": [{"role": "user", "content": {"a": 1}}]}, "must be text"),
        ("x" * (MAX_CHARACTERS + 1), "characters long"),
        ("a\x01b", "control characters"),
        ("a\x00b", "null character"),
        ("\ud800", "broken Unicode"),
    ],
)
def test_what_is_no_prompt_says_why(entry: object, reason: str) -> None:
    found = read_entries([entry, "Why?"])
    assert [number for number, _ in found.good] == [2]
    [refusal] = found.refused
    assert any(part in refusal.reason for part in reason.split("|"))


def test_bad_lines_are_named_and_good_ones_kept() -> None:
    content = b'{"prompt": "one"}\n\n{"promt": "two"}\nnot json\n\xff\xfe{"prompt": "x"}\n{"prompt": "three"}\r\n'
    found = read(content)
    assert [(line, messages[0]["content"]) for line, messages in found.good] == [(1, "one"), (6, "three")]
    assert [refusal.line for refusal in found.refused] == [3, 4, 5]
    assert "valid JSON" in found.refused[1].reason
    assert "UTF-8" in found.refused[2].reason


def test_a_line_nested_without_end_is_refused_and_not_a_crash() -> None:
    found = read("[" * 100_000 + "\n" + '{"prompt": "a"}\n' * 3)
    assert len(found.good) == 3
    assert found.refused[0].line == 1


def test_tables_and_packed_files_are_read_and_what_comes_with_prompts_is_counted() -> None:
    table = 'prompt;chosen;rejected\n"Why?\nTell me.";So.;No.\nHow?;So;No\n'
    assert texts(table) == ["Why?\nTell me.", "How?"]
    assert texts(gzip.compress(table.encode("utf-8-sig"))) == ["Why?\nTell me.", "How?"]
    assert read(table).left_out == {"responses": 4, "labels": 2}


def test_text_is_one_prompt_a_line() -> None:
    assert texts("Why?\n\n  How? \n") == ["Why?", "  How? "]


def test_blocks_are_set_apart_by_rules_or_by_blank_lines() -> None:
    assert texts("a\nb\n---\nc\n\nd\n") == ["a\nb", "c\n\nd"]
    assert texts("a\nb\n\nc\n", layout="blocks") == ["a\nb", "c"]


@pytest.mark.parametrize("content", [b"\xef\xbb\xbfWhy?", b"\xff\xfeW\x00h\x00y\x00?\x00"])
def test_the_byte_order_mark_is_no_part_of_the_first_prompt(content: bytes) -> None:
    assert texts(content) == ["Why?"]


@pytest.mark.parametrize("content", [b"", b"\n\n  \n", "", b"PK\x03\x04\x00\x00", b"a,b\n1,2\n", b'[{"a": 1}]'])
def test_an_empty_or_foreign_file_says_so(content: bytes | str) -> None:
    with pytest.raises(Invalid, match=r"empty|ZIP|no known layout"):
        read(content)


def test_no_more_rows_are_read_than_may_be_imported() -> None:
    content = "\n".join(["Why?"] * 5)
    assert len(read(content, most=5).good) == 5
    with pytest.raises(TooLarge, match="more than 4 rows"):
        read(content, most=4)


@given(st.binary(max_size=300))
def test_no_bytes_crash_the_reader(content: bytes) -> None:
    try:
        found = read(content)
    except Invalid:
        return
    assert found.good or found.refused


@given(st.lists(st.text(min_size=1, max_size=40), max_size=8))
def test_every_line_of_jsonl_is_accounted_for(prompts: list[str]) -> None:
    content = "\n".join(json.dumps({"prompt": prompt}) for prompt in prompts)
    if not prompts:
        return
    found = read(content, "jsonl")
    assert len(found.good) + len(found.refused) == len(prompts)
    assert {line for line, _ in found.good} | {refusal.line for refusal in found.refused} == set(
        range(1, len(prompts) + 1)
    )


def test_the_hash_looks_through_spaces_and_unicode_forms_and_nothing_else() -> None:
    def one(text: str, role: str = "user") -> str:
        return content_hash([{"role": role, "content": text}])

    assert one("caf\u00e9") == one(" cafe\u0301\n")
    assert one("a") != one("A")
    assert one("a") != one("a", "system")


def asked(*turns: str) -> Messages:
    """User and assistant in turn."""
    return [{"role": ("user", "assistant")[place % 2], "content": turn} for place, turn in enumerate(turns)]


def test_a_fifth_is_held_out_for_good() -> None:
    splits = [split_of(split_key(asked(f"Question {n}"))).value for n in range(5000)]
    assert 0.18 < splits.count("holdout") / 5000 < 0.22
    assert splits[0] == split_of(split_key(asked("Question 0"))).value


def test_what_begins_alike_has_one_key() -> None:
    first = split_key(asked("Why is the sky blue?"))
    assert first == split_key(asked("Why is the sky blue?", "Light.", "And at night?"))
    assert first == split_key([{"role": "system", "content": "Be brief."}, *asked("Why is the sky blue?")])
    assert first == split_key(asked("  why is the SKY\u00a0blue ?!"))
    assert first != split_key(asked("Why is the sky red?"))
    assert first != split_key(asked("And at night?"))
    assert split_key(asked("?!")) != split_key(asked("!!"))  # without a word, each by itself
    assert split_key(asked("caf\u00e9")) == split_key(asked("CAFE\u0301"))


def test_the_starter_set_is_large_varied_and_clean() -> None:
    found = read(STARTER.read_bytes())
    good = found.good
    hashes = {content_hash(messages) for _, messages in good}
    assert found.refused == []
    assert len(hashes) == len(good) >= 240
    assert sum(len(messages) > 1 for _, messages in good) >= 40
    assert sum(split_of(split_key(messages)).value == "holdout" for _, messages in good) >= 40
