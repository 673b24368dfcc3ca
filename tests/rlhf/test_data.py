"""Preference data in every accepted shape, and the account of the rows that cannot be used."""

import csv
import gzip
import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlhf.config import InputError
from rlhf.data import choosing_half, load_pairs, load_prompts, split_by_prompt
from rlhf.layouts import OWN
from rlhf.types import PreferencePair, Prompt, user_message
from tests.formats.writers import LAYOUTS, Pair

GOOD = {"prompt": "q", "chosen": "a", "rejected": "b"}
USER = {"role": "user", "content": "q"}


def response(text: str) -> dict[str, str]:
    return {"role": "assistant", "content": text}


def write(path: Path, rows: list[Any]) -> Path:
    path.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows))
    return path


def only_pair(tmp_path: Path, row: dict[str, Any]) -> PreferencePair:
    [pair], report = load_pairs(write(tmp_path / "d.jsonl", [row]))
    assert (report.rows, report.used, report.bad) == (1, 1, [])
    return pair


@pytest.mark.parametrize(
    "row",
    [
        GOOD,
        {"prompt": [USER], "chosen": [response("a")], "rejected": [response("b")]},
        {"prompt": [USER], "chosen": "a", "rejected": [response("b")]},
        {"prompt": "q", "chosen": [USER, response("a")], "rejected": [USER, response("b")]},
        {"chosen": [USER, response("a")], "rejected": [USER, response("b")]},
        {"chosen": "\n\nHuman: q\n\nAssistant: a", "rejected": "\n\nHuman: q\n\nAssistant: b"},
        {"prompt": "q", "response_a": "a", "response_b": "b", "preference": 1},
    ],
)
def test_every_layout_gives_the_same_pair(tmp_path: Path, row: dict[str, Any]) -> None:
    pair = only_pair(tmp_path, row)
    assert (pair.prompt, pair.chosen, pair.rejected, pair.preference) == (user_message("q"), "a", "b", 1.0)
    assert (pair.margin, pair.weight, pair.line, pair.extra) == (0.0, 1.0, 1, {})


def test_numbers_and_other_columns_are_kept(tmp_path: Path) -> None:
    pair = only_pair(tmp_path, GOOD | {"preference": 0.5, "margin": 0.3, "weight": 2, "annotator": "x", "order": [1]})
    assert (pair.preference, pair.margin, pair.weight) == (0.5, 0.3, 2.0)
    assert pair.extra == {"annotator": "x", "order": [1]}


def test_a_multi_turn_transcript(tmp_path: Path) -> None:
    start = "\n\nHuman: one\n\nAssistant: two\n\nlines\n\nHuman: three\n\nAssistant:"
    pair = only_pair(tmp_path, {"chosen": f"{start} a", "rejected": f"{start} b"})
    assert [turn["content"] for turn in pair.prompt] == ["one", "two\n\nlines", "three"]
    assert [turn["role"] for turn in pair.prompt] == ["user", "assistant", "user"]
    assert (pair.chosen, pair.rejected) == ("a", "b")


def test_judged_pairs_on_either_scale(tmp_path: Path) -> None:
    rows = [{"prompt": "q", "response_a": "a", "response_b": "b", "preference": p} for p in (1, 2, 0, 1.5)]
    pairs, _ = load_pairs(write(tmp_path / "alpaca.jsonl", rows))
    assert [pair.preference for pair in pairs] == [1.0, 0.0, 0.5, 0.5]
    soft = [row | {"preference": p} for row, p in zip(rows, (1, 0, 0.25, 0.5), strict=True)]
    pairs, _ = load_pairs(write(tmp_path / "soft.jsonl", soft))
    assert [pair.preference for pair in pairs] == [1.0, 0.0, 0.25, 0.5]


BAD_ROWS: list[tuple[Any, str]] = [
    ("{broken", "broken JSON"),
    ([1], "not a JSON object"),
    ({"prompt": "q", "chosen": "a"}, "missing field rejected"),
    ({"chosen": "a", "rejected": "b"}, "missing field prompt"),
    ({"question": "q", "yes": "a"}, "unknown columns question, yes"),
    (GOOD | {"chosen": " "}, "empty response"),
    (GOOD | {"chosen": " b\n"}, "two equal responses"),
    (GOOD | {"preference": 1.2}, "preference outside 0..1"),
    (GOOD | {"preference": "much"}, "preference is not a number"),
    (GOOD | {"margin": "x"}, "margin is not a number"),
    (GOOD | {"weight": -1}, "negative weight"),
    (GOOD | {"prompt": ""}, "empty prompt"),
    (GOOD | {"prompt": [response("x")]}, "prompt does not end with a user's turn"),
    (GOOD | {"prompt": [{"role": "boss", "content": "x"}]}, "prompt has a message without a known role"),
    (GOOD | {"chosen": 3}, "chosen is neither text nor a list"),
    ({"chosen": [USER, response("a")], "rejected": [response("b")]}, "differ before their last turn"),
    ({"prompt": "q", "response_a": "a", "response_b": "b"}, "missing field preference"),
]


@pytest.mark.parametrize(("row", "kind"), BAD_ROWS)
def test_a_bad_row_is_counted_with_its_line(tmp_path: Path, row: Any, kind: str) -> None:
    pairs, report = load_pairs(write(tmp_path / "d.jsonl", [GOOD, row, GOOD]), max_bad_share=0.4)
    assert [pair.line for pair in pairs] == [1, 3]
    [(line, found)] = report.bad
    assert line == 2
    assert kind in found


@pytest.mark.parametrize("pairs", [True, False])
def test_a_line_that_no_reader_gets_through_is_counted_like_any_other(pairs: bool, tmp_path: Path) -> None:
    half, deep, long = r"\ud83d", "[" * 200_000, "9" * 5_000
    rows: list[Any] = [GOOD | {"prompt": f"q {number}"} for number in range(97)]
    rows += [f'{{"prompt": "{half}", "chosen": "a", "rejected": "b"}}', deep, f'{{"prompt": {long}}}']
    found, report = (load_pairs if pairs else load_prompts)(write(tmp_path / "d.jsonl", rows))
    assert len(found) == 97
    assert [line for line, _ in report.bad] == [98, 99, 100]


def test_too_many_bad_rows_refuse_the_file_and_name_the_first(tmp_path: Path) -> None:
    path = write(tmp_path / "d.jsonl", [GOOD] * 90 + [GOOD | {"chosen": ""}] * 10)
    with pytest.raises(InputError) as error:
        load_pairs(path)
    assert "10 of 100 rows cannot be used (line 91: empty response; line 92: empty response" in str(error.value)
    assert "and 5 more)" in str(error.value)
    pairs, report = load_pairs(path, max_bad_share=0.1)
    assert (len(pairs), report.bad_by_kind) == (90, {"empty response": 10})


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("none.jsonl", None, "there is no file"),
        ("empty.jsonl", b"\n", "is empty"),
        ("binary.jsonl", b"\xff\xfe\x00", "cannot read"),
        ("cut.jsonl.gz", gzip.compress(b'{"a": 1}\n' * 1000, mtime=0)[:40], "cannot read"),
        ("text.jsonl.gz", b"plain", "cannot read"),
        ("d.parquet", b"PAR1 no", "as Parquet"),
        ("all_bad.jsonl", b'{"x": 1}\n', "no row can be used"),
    ],
)
def test_files_that_cannot_be_read(tmp_path: Path, name: str, content: bytes | None, sentence: str) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=sentence):
        load_pairs(tmp_path / name)


def test_gzip_and_parquet_read_as_jsonl_does(tmp_path: Path) -> None:
    rows = [GOOD | {"prompt": f"q{i}", "preference": i / 4} for i in range(5)]
    expected, _ = load_pairs(write(tmp_path / "d.jsonl", rows))
    with gzip.open(tmp_path / "d.jsonl.gz", "wt") as file:
        file.write((tmp_path / "d.jsonl").read_text())
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), tmp_path / "d.parquet")
    assert load_pairs(tmp_path / "d.jsonl.gz")[0] == expected
    assert load_pairs(tmp_path / "d.parquet")[0] == expected


def test_tables_lists_zstd_and_folders_read_as_jsonl_does(tmp_path: Path) -> None:
    rows = [GOOD | {"prompt": f"q {i}", "preference": i / 4} for i in range(5)]
    talk = [{"prompt": [USER], "chosen": [response("a")], "rejected": [response("b")], "preference": 0.25}]
    expected, _ = load_pairs(write(tmp_path / "d.jsonl", rows))
    (tmp_path / "list").write_text(json.dumps(rows, indent=1))
    (tmp_path / "packed").write_bytes(pyarrow.compress((tmp_path / "d.jsonl").read_bytes(), "zstd", asbytes=True))
    (tmp_path / "folder").mkdir()
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), tmp_path / "folder" / "d.parquet")
    for name in ("list", "packed", "folder"):
        pairs, _ = load_pairs(tmp_path / name)
        assert [replace(pair, line=0) for pair in pairs] == [replace(pair, line=0) for pair in expected]
    for name, table in (("plain", rows), ("conversational", talk)):
        with (tmp_path / name).open("w", encoding="utf-8-sig", newline="") as file:
            writer = csv.DictWriter(file, list(table[0]), delimiter=";")
            writer.writeheader()
            writer.writerows({k: json.dumps(v) if isinstance(v, list) else v for k, v in row.items()} for row in table)
    assert [replace(p, line=p.line - 1) for p in load_pairs(tmp_path / "plain")[0]] == expected
    [pair], _ = load_pairs(tmp_path / "conversational")
    assert (pair.prompt, pair.chosen, pair.rejected, pair.preference) == (user_message("q"), "a", "b", 0.25)


@pytest.mark.parametrize("layout", sorted(LAYOUTS.keys() - set(OWN)))
def test_every_other_layout_gives_its_pairs(tmp_path: Path, layout: str) -> None:
    outcomes, row = LAYOUTS[layout]
    said = [Pair("How do tides work?", "By the moon.", "By magic.", outcome) for outcome in outcomes]
    pairs, report = load_pairs(write(tmp_path / "d.jsonl", [row(pair) for pair in said]))
    assert (report.rows, report.bad) == (len(said), [])
    assert {(pair.prompt[0]["content"], frozenset((pair.chosen, pair.rejected)), pair.weight) for pair in pairs} == {
        ("How do tides work?", frozenset(("By the moon.", "By magic.")), 1.0)
    }
    worth = {"first": 1.0, "second": 0.0, "tie": 0.5}  # of the moon; of Hone's own labels the likelier one is chosen
    assert layout == "hone-labels" or {pair.chosen for pair in pairs} == {"By the moon."}
    assert [pair.preference if pair.chosen == "By the moon." else 1 - pair.preference for pair in pairs] == [
        worth[outcome] for outcome in outcomes if outcome != "both_bad"
    ]


def test_a_ranking_of_four_gives_six_pairs_that_weigh_as_two(tmp_path: Path) -> None:
    responses = [{"answer": text, "rank": rank} for text, rank in (("a", 2), ("b", 3), ("c", 1), ("d", 2))]
    pairs, report = load_pairs(write(tmp_path / "d.jsonl", [{"prompt": "q q", "answers": responses}]))
    assert [(p.chosen + p.rejected, p.preference) for p in pairs] == [
        ("ab", 1.0), ("ac", 0.0), ("ad", 0.5), ("bc", 0.0), ("bd", 0.0), ("cd", 1.0),
    ]  # fmt: skip
    assert sum(pair.weight for pair in pairs) == pytest.approx(2)
    assert (report.rows, report.used) == (1, 1)


def test_rows_of_other_layouts_that_say_nothing_are_counted(tmp_path: Path) -> None:
    row = {"prompt": "q q", "response_1": "a", "response_2": "b", "preference_strength": 1}
    rows = [row, row | {"preference_strength": None}, row | {"response_2": "a "}, row | {"response_2": ""}]
    pairs, report = load_pairs(write(tmp_path / "d.jsonl", rows), max_bad_share=0.9)
    assert len(pairs) == 1
    assert report.bad == [
        (2, "it does not say which response is better"),
        (3, "two equal responses"),
        (4, "A response is empty"),
    ]
    exported = {
        "label": 1, "item": 1, "prompt": [USER], "purpose": "check", "usable": False, "annotator": 1,
        "responses": [{"position": 0, "text": "a"}, {"position": 1, "text": "b"}],
        "preferences": [{"question": "", "first": 0, "second": 1, "outcome": "first"}],
    }  # fmt: skip
    pairs, report = load_pairs(write(tmp_path / "e.jsonl", [exported, exported | {"usable": True}]))
    assert ([pair.line for pair in pairs], report.bad) == ([2], [])


def test_prompts_are_read_out_of_other_layouts_too(tmp_path: Path) -> None:
    rows = [{"conversations": [{"from": "human", "value": f"q {i}"}]} for i in range(3)]
    prompts, report = load_prompts(write(tmp_path / "p.jsonl", [*rows, {"x": 1}]), max_bad_share=0.3)
    assert [prompt.messages for prompt in prompts] == [user_message(f"q {i}") for i in range(3)]
    assert [line for line, _ in report.bad] == [4]


def test_a_file_that_ends_too_early_is_not_trained_on(tmp_path: Path) -> None:
    whole = "".join(json.dumps(GOOD | {"prompt": hashlib.sha256(b"%d" % i).hexdigest()}) + "\n" for i in range(9000))
    (tmp_path / "cut").write_bytes(gzip.compress(whole.encode())[:-9000])
    (tmp_path / "list").write_text(f"[{json.dumps(GOOD)}, {json.dumps(GOOD)}")
    (tmp_path / "table").write_text('prompt,chosen,rejected\na,b,c\n"a "b" c",d,e\nf,g,h\n')
    for name in ("cut", "list", "table"):
        with pytest.raises(InputError, match=r"cannot read .* from line \d+ on"):
            load_pairs(tmp_path / name, max_bad_share=0.9)


def test_a_byte_order_mark_is_no_part_of_the_first_row(tmp_path: Path) -> None:
    (tmp_path / "d.jsonl").write_bytes(b"\xef\xbb\xbf" + json.dumps(GOOD).encode())
    assert len(load_pairs(tmp_path / "d.jsonl")[0]) == 1


def test_prompts_of_every_kind(tmp_path: Path) -> None:
    talk = [USER, response("a"), USER]
    rows = [{"prompt": "q", "id": 7}, {"prompt": talk}, {"turns": ["one", "two"]}, {"prompt": "Human: x\n\nAssistant:"}]
    rows.append({"messages": talk})
    prompts, report = load_prompts(write(tmp_path / "p.jsonl", [*rows, {"text": "x"}]), max_bad_share=0.2)
    assert [p.messages for p in prompts] == [user_message("q"), talk, user_message("one"), user_message("x"), talk]
    assert prompts[0].row == rows[0]
    assert report.bad == [(6, "missing field prompt")]


@given(
    prompts=st.lists(st.sampled_from("abcdefgh"), min_size=1, max_size=30),
    share=st.floats(0.01, 0.99),
    seed=st.integers(0, 5),
)
def test_a_split_never_shares_a_prompt(prompts: list[str], share: float, seed: int) -> None:
    pairs = [PreferencePair(user_message(text), f"a{i}", f"b{i}") for i, text in enumerate(prompts)]
    train, held_out = split_by_prompt(pairs, share, seed)
    assert sorted(p.chosen for p in train + held_out) == sorted(p.chosen for p in pairs)
    assert not {p.prompt[0]["content"] for p in train} & {p.prompt[0]["content"] for p in held_out}
    assert train
    assert bool(held_out) == (len(set(prompts)) > 1)
    again = split_by_prompt(pairs[::-1], share, seed)[1]
    assert {p.chosen for p in again} == {p.chosen for p in held_out}  # whatever the order of the rows
    alone = split_by_prompt([Prompt(user_message(text)) for text in prompts], share, seed)  # or what else is in them
    assert [[p.prompt for p in part] for part in alone] == [[p.prompt for p in part] for part in (train, held_out)]


def test_as_many_prompts_are_held_out_as_are_needed_at_least() -> None:
    prompts = [Prompt(user_message(f"question {i}")) for i in range(50)]
    sizes = {share: len(split_by_prompt(prompts, share, least=2)[1]) for share in (0.001, 0.2, 1.0)}
    assert sizes == {0.001: 2, 0.2: 10, 1.0: 49}
    assert choosing_half("dacbe") == {"a", "b"}
