"""Whatever a file holds, reading it gives rows that can be stored or refusals in a sentence, and the same each time."""

import gzip
import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import formats
from app.imports.reading import MAX_RESPONSE, Ready, opened, ready
from app.models import ImportConfig, Imported, Outcome
from app.prompts.reading import Unusable
from formats import ComparisonRecord, Judgement, Refusal, Response
from tests.asking import asking

ASKED = asking(levels=4, questions=["Safer"])
SEEDS = [
    b'{"prompt": "Why?", "chosen": "So.", "rejected": "No.", "margin": 2}\n' * 3,
    b"prompt,response_a,response_b,choice\nWhy?,So.,No.,a\nHow?,Such.,None.,tie\n",
    b'[{"prompt": "Why?"},\n {"prompt": "How?"}]',
    gzip.compress(b'{"messages": [{"role": "user", "content": "Hi"}]}\n' * 4),
]
slow = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def rows(path: Path, what: Imported = "labels", **over: Any) -> list[tuple[int, Ready | Refusal]]:
    config = ImportConfig(file="", name="file", what=what, **over)
    return list(opened(path, config, ASKED).rows())


def record(*texts: str, **judged: Any) -> ComparisonRecord:
    judgements = [Judgement(**each) for each in judged.pop("judgements", [{"outcome": "first"}])]
    return ComparisonRecord(
        line=1, messages=[{"role": "user", "content": "Why?"}], responses=tuple(Response(text) for text in texts),
        judgements=tuple(judgements), **judged,
    )  # fmt: skip


@slow
@given(
    seed=st.sampled_from(SEEDS),
    cuts=st.lists(st.tuples(st.integers(0, 200), st.integers(0, 20), st.binary(max_size=12)), min_size=1, max_size=4),
    what=st.sampled_from(["prompts", "pairs", "labels"]),
)
def test_mutated_files_give_rows_or_refusals_and_the_same_again(
    tmp_path: Path, seed: bytes, cuts: list[tuple[int, int, bytes]], what: Imported
) -> None:
    content = seed
    for at, length, new in cuts:
        content = content[:at] + new + content[at + length :]
    file = tmp_path / "file"
    file.write_bytes(content)
    try:
        found = rows(file, what)
    except formats.Unreadable:
        return  # with a sentence, as the tests of `formats` have it
    assert found == rows(file, what)
    for number, (place, row) in enumerate(found, start=1):
        assert place == number
        assert isinstance(row, Ready) or row.reason.endswith(".")
        json.dumps(row.messages if isinstance(row, Ready) else row.raw).encode()


@slow
@given(st.binary(max_size=300))
def test_random_bytes_are_never_labels(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "file"
    file.write_bytes(content)
    with suppress(formats.Unreadable):
        assert all(isinstance(row, Refusal) for _, row in rows(file))


@given(
    st.lists(st.text(min_size=1, max_size=5).filter(str.strip), min_size=2, max_size=5, unique=True), st.randoms(),
    st.data(),
)  # fmt: skip
def test_the_same_row_in_any_order_is_the_same_item_and_label(
    texts: list[str], random: Any, data: st.DataObject
) -> None:
    ranks = data.draw(st.lists(st.integers(1, 3), min_size=len(texts), max_size=len(texts)))
    order = list(range(len(texts)))
    random.shuffle(order)
    told = record(*texts, judgements=[{"ranks": tuple(ranks)}])
    turned = record(*(texts[n] for n in order), judgements=[{"ranks": tuple(ranks[n] for n in order)}])
    try:
        one, two = (ready(1, each, "labels", ASKED) for each in (told, turned))
    except Unusable:
        return
    assert one.key == two.key
    assert [each.key for each in one.opinions] == [each.key for each in two.opinions]


def test_strengths_come_onto_the_project_s_scale_and_stay_as_they_were() -> None:
    def level(strength: float, most: float | None, answer: Any = ASKED) -> int | None:
        row = ready(1, record("x", "y", judgements=[{"outcome": "first", "strength": strength, "strength_of": most}]),
                    "labels", answer)  # fmt: skip
        return row.opinions[0].value.strength  # type: ignore[attr-defined, no-any-return]

    assert [level(n, 3.0) for n in (1, 2, 3)] == [2, 3, 4]
    assert [level(n, 1.0) for n in (0.01, 0.25, 0.26, 1.0)] == [1, 1, 2, 4]
    assert level(2.0, None) is None
    plain = asking()
    assert [level(n, 3.0, plain) for n in (1, 2, 3)] == [1, 2, 3]
    assert level(0.5, 1.0, plain) is None
    row = ready(
        1, record("x", "y", judgements=[{"outcome": "first", "strength": 2.0, "strength_of": 3.0}]), "labels", plain
    )
    assert row.opinions[0].extra == {"strength": 2.0, "strength_of": 3.0}


def test_the_judgements_of_one_annotator_are_one_label_of_several_questions() -> None:
    found = ready(
        1,
        record("x", "y", judgements=[
            {"outcome": "first", "annotator": "ann"}, {"outcome": "second", "annotator": "ann", "question": "safer"},
            {"outcome": "both_bad", "annotator": "bob"}, {"outcome": "first"}, {"outcome": "second"},
        ]),
        "labels", ASKED,
    )  # fmt: skip
    assert [each.annotator for each in found.opinions] == ["ann", "bob", None, None]
    asked = ASKED.questions[0].id
    assert found.opinions[0].value.questions == {asked: Outcome.SECOND}  # type: ignore[attr-defined]
    assert len({each.key for each in found.opinions}) == 4


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        (record("x", "y", judgements=[{"outcome": "first", "question": "safer"}]), 'It answers only "safer"'),
        (record("x", " "), "A response is empty."),
        (record("x", "y" * (MAX_RESPONSE + 1)), "at most 100,000 are taken"),
        (record(*"abcdefghi", judgements=[{"ranks": tuple(range(9))}]), "9 responses; at most 8"),
        (record("x", "y", judgements=[{"outcome": "first", "annotator": "a" * 300}]), "name is longer"),
        (record("x", "y", judgements=[{"outcome": "tie"}, {"outcome": "tie", "question": "q" * 99}]), "question is"),
    ],
)  # fmt: skip
def test_rows_that_make_no_label_say_why(bad: ComparisonRecord, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        ready(1, bad, "labels", ASKED)


def test_two_million_digits_deep_nests_and_half_surrogates_are_refused_by_row(tmp_path: Path) -> None:
    good = '{"prompt": "Why?", "chosen": "So.", "rejected": "No."}\n'
    bad = [
        '{"prompt": "Why?", "chosen": "So.", "rejected": "No.", "id": ' + "9" * 5_000 + "}\n",
        '{"prompt": "Why?", "chosen": "So.", "rejected": "No.", "deep": ' + "[" * 200_000 + "]" * 200_000 + "}\n",
        '{"prompt": "Why?", "chosen": "So.", "rejected": "No.", "unread": "\\ud800"}\n',
        '{"prompt": "' + "x" * 51_000_000 + '", "chosen": "So.", "rejected": "No."}\n',
    ]
    file = tmp_path / "file"
    file.write_text(good + "".join(bad) + good)
    found = rows(file)
    assert [isinstance(row, Ready) for _, row in found] == [True, False, False, False, False, True]
    assert all(len(row.raw) <= 100_000 and row.reason for _, row in found if isinstance(row, Refusal))
