"""Prompts out of files: every line becomes a prompt or a named refusal."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.prompts.reading import MAX_CHARACTERS, Unusable, content_hash, parse, read, split_of
from app.prompts.service import STARTER
from app.web.errors import Invalid


def texts(content: bytes | str, **options: str) -> list[str]:
    good, refused = read(content, **options)  # type: ignore[arg-type]
    assert not refused
    return [messages[-1]["content"] for _, messages in good]


@pytest.mark.parametrize(
    "entry",
    [
        "Why?",
        {"prompt": "Why?"},
        {"text": " Why? "},
        {"question": "Why?"},
        {"prompt": [{"role": "user", "content": "Why?"}]},
        {"messages": [{"role": "user", "content": "Why?"}]},
        {"conversations": [{"from": "human", "value": "Why?"}]},
        [{"role": "user", "content": "Why?"}],
    ],
)
def test_common_layouts_give_the_same_prompt(entry: object) -> None:
    assert parse(entry) == [{"role": "user", "content": "Why?"}]


def test_instruction_and_input_are_joined() -> None:
    assert parse({"instruction": "Translate.", "input": "Bonjour"})[0]["content"] == "Translate.\n\nBonjour"


def test_a_system_message_comes_first() -> None:
    assert [turn["role"] for turn in parse({"prompt": "Why?", "system": "Be brief."})] == ["system", "user"]


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        (7, "must be text"),
        ("   ", "empty"),
        ({"answer": "x"}, "none of the fields"),
        ({"messages": []}, "no messages"),
        ({"messages": ["hi"]}, "object"),
        ({"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}, "user's turn"),
        ({"messages": [{"role": "user", "content": "a"}, {"role": "user", "content": "b"}]}, "take turns"),
        ({"messages": [{"role": "tool", "content": "a"}]}, "'tool'"),
        ({"messages": [{"role": ["x"], "content": "a"}]}, "role"),
        ({"messages": [{"role": "user", "content": "a"}, {"role": "system", "content": "b"}]}, "at the start"),
        ({"messages": [{"role": "user", "content": {"a": 1}}]}, "must be text"),
        ("x" * (MAX_CHARACTERS + 1), "characters long"),
        ("a\x00b", "control characters"),
        ("\ud800", "broken Unicode"),
    ],
)
def test_what_is_no_prompt_says_why(entry: object, reason: str) -> None:
    with pytest.raises(Unusable, match=reason):
        parse(entry)


def test_bad_lines_are_named_and_good_ones_kept() -> None:
    content = b'{"prompt": "one"}\n\n{"promt": "two"}\nnot json\n\xff\xfe{"prompt": "x"}\n{"prompt": "three"}\r\n'
    good, refused = read(content)
    assert [(line, messages[0]["content"]) for line, messages in good] == [(1, "one"), (6, "three")]
    assert [refusal.line for refusal in refused] == [3, 4, 5]
    assert "valid JSON" in refused[1].reason
    assert "UTF-8" in refused[2].reason


def test_a_line_nested_without_end_is_refused_and_not_a_crash() -> None:
    good, refused = read("[" * 100_000 + "\n" + '{"prompt": "a"}\n' * 3)
    assert len(good) == 3
    assert refused[0].line == 1


def test_text_is_one_prompt_a_line() -> None:
    assert texts("Why?\n\n  How? \n") == ["Why?", "How?"]


def test_blocks_are_set_apart_by_rules_or_by_blank_lines() -> None:
    assert texts("a\nb\n---\nc\n\nd\n") == ["a\nb", "c\n\nd"]
    assert texts("a\nb\n\nc\n", layout="blocks") == ["a\nb", "c"]


def test_the_byte_order_mark_is_no_part_of_the_first_prompt() -> None:
    assert texts(b"\xef\xbb\xbfWhy?") == ["Why?"]


@pytest.mark.parametrize("content", [b"", b"\n\n  \n", "", b"\xff\xfeW\x00h\x00y\x00", b"PK\x03\x04\x00\x00"])
def test_an_empty_or_foreign_file_says_so(content: bytes | str) -> None:
    with pytest.raises(Invalid, match=r"empty|UTF-8"):
        read(content)


@given(st.binary(max_size=300))
def test_no_bytes_crash_the_reader(content: bytes) -> None:
    try:
        good, refused = read(content)
    except Invalid:
        return
    assert good or refused


@given(st.lists(st.text(min_size=1, max_size=40), max_size=8))
def test_every_line_of_jsonl_is_accounted_for(prompts: list[str]) -> None:
    content = "\n".join(json.dumps({"prompt": prompt}) for prompt in prompts)
    if not prompts:
        return
    good, refused = read(content, "jsonl")
    assert len(good) + len(refused) == len(prompts)
    assert {line for line, _ in good} | {refusal.line for refusal in refused} == set(range(1, len(prompts) + 1))


def test_the_hash_looks_through_spaces_and_unicode_forms_and_nothing_else() -> None:
    def one(text: str, role: str = "user") -> str:
        return content_hash([{"role": role, "content": text}])

    assert one("caf\u00e9") == one(" cafe\u0301\n")
    assert one("a") != one("A")
    assert one("a") != one("a", "system")


def test_a_fifth_is_held_out_for_good() -> None:
    splits = [split_of(content_hash([{"role": "user", "content": f"Question {n}"}])).value for n in range(5000)]
    assert 0.18 < splits.count("holdout") / 5000 < 0.22
    assert splits[0] == split_of(content_hash([{"role": "user", "content": "Question 0"}])).value


def test_the_starter_set_is_large_varied_and_clean() -> None:
    good, refused = read(STARTER.read_bytes())
    hashes = {content_hash(messages) for _, messages in good}
    assert refused == []
    assert len(hashes) == len(good) >= 240
    assert sum(len(messages) > 1 for _, messages in good) >= 40
    assert sum(split_of(digest).value == "holdout" for digest in hashes) >= 40
