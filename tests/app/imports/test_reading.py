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
from app.labels.imported import Given
from app.models import ImportConfig, Imported, Outcome
from app.prompts.reading import Unusable
from formats import ComparisonRecord, Judgement, Refusal, Response
from tests.asking import asking

ASKED = asking(levels=4, questions=["Safer"], reasons=[{"id": "r1", "text": "Kinder"}])
OWN = {
    "label": 7, "kind": "ranking", "item": 3, "prompt_id": 2, "split": "train", "chooses": False, "purpose": "train",
    "usable": True, "annotator": 5, "prompt": [{"role": "user", "content": "Why?"}],
    "responses": [{"position": n, "text": text, "name": "base", "seed": n} for n, text in enumerate("abc")],
    "order": [2, 0, 1], "value": json.dumps({"kind": "ranking", "tiers": [[0], [1, 2]]}),
    "preferences": [
        {"question": "", "first": 0, "second": 1, "outcome": "tie", "probability": 0.5},
        {"question": "", "first": 0, "second": 2, "outcome": "second", "probability": 0.0},
        {"question": "", "first": 1, "second": 2, "outcome": "second", "probability": 0.0},
    ],
    "reasons": [{"id": "q9", "text": "kinder"}, {"id": "q8", "text": "Shorter"}], "comment": None, "seconds": 2.5,
    "late": True, "surplus": False, "instructions": 3, "created_at": "2026-01-02T03:04:05+00:00",
    "superseded_at": None, "metadata": None,
}  # fmt: skip
WRITTEN = OWN | {
    "kind": "demonstration", "order": [0, 9],
    "value": json.dumps({"kind": "demonstration", "text": "B", "improves": True}),
    "responses": [{"position": 0, "text": "a"}, {"position": 9, "text": "B", "author": 5}],
    "preferences": [{"question": "", "first": 0, "second": 9, "outcome": "second", "probability": 0.0}],
}  # fmt: skip
SEEDS = [
    "".join(f"{json.dumps(row)}\n" for row in (OWN, WRITTEN, OWN)).encode(),
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


def own(tmp_path: Path, *given: dict[str, Any]) -> list[Ready | Refusal]:
    file = tmp_path / "labels.jsonl"
    file.write_text("".join(f"{json.dumps(row)}\n" for row in given))
    return [row for _, row in rows(file)]


def test_our_own_labels_are_read_as_they_were_given(tmp_path: Path) -> None:
    ranked, written = own(tmp_path, OWN, WRITTEN)
    assert isinstance(ranked, Ready)
    assert isinstance(written, Ready)
    [label] = ranked.opinions
    assert (ranked.kind, label.order, label.annotator) == ("ranking", (2, 0, 1), "5")
    assert label.value.model_dump() == {"kind": "ranking", "tiers": ((0,), (1, 2)), "questions": {}}
    assert label.given == Given(("r1", "Shorter"), 2.5, late=True)
    assert label.extra == {
        "label": 7, "item": 3, "prompt_id": 2, "instructions": 3, "date": "2026-01-02T03:04:05+00:00",
    }  # fmt: skip
    assert [each["seed"] for each in ranked.sampled] == [0, 1, 2]
    assert (written.kind, [each.text for each in written.responses]) == ("demonstration", ["a"])
    [text] = written.opinions
    assert (text.written, text.order, text.annotator) == ("B", (0,), "5")
    assert [(each["place"], each["other"], each["outcome"]) for each in text.preferences] == [(0, 1, "second")]


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        (OWN | {"order": [0, 1]}, "Its order is not of its responses."),
        (OWN | {"order": [0, 1, 1]}, "Its order is not of its responses."),
        (OWN | {"order": ["a", "b", "c"]}, '"order" cannot be read.'),
        (OWN | {"order": None}, '"order" cannot be read.'),
        (OWN | {"responses": [*OWN["responses"][:2], {"text": "c"}]}, "no two responses"),
        (OWN | {"kind": "essay", "preferences": []}, "It does not say which response is better."),
        (WRITTEN | {"kind": "essay", "responses": WRITTEN["responses"][1:], "order": [9], "preferences": []},
         "There are no items of the kind 'essay' here."),
        (WRITTEN | {"order": [9, 0]}, "Its order is not of its responses."),
        (WRITTEN | {"value": "[]"}, "Its value is not that of a demonstration."),
        (WRITTEN | {"value": json.dumps({"kind": "demonstration", "text": "Other"})}, "not the last of its responses"),
        (OWN | {"responses": [{**each, "seed": 2**70} for each in OWN["responses"]]}, '"seed" of a response'),
        (OWN | {"reasons": [{"id": "r", "text": "x" * 99}]}, "A reason is longer than 80 characters."),
        (OWN | {"reasons": "none"}, '"reasons" cannot be read.'),
        (OWN | {"annotator": "a" * 300}, "The annotator's name is longer"),
        (WRITTEN | {"annotator": "a" * 300}, "The annotator's name is longer"),
    ],
)  # fmt: skip
def test_our_own_labels_that_were_changed_into_nonsense_are_refused(
    tmp_path: Path, wrong: dict[str, Any], why: str
) -> None:
    [row] = own(tmp_path, wrong)
    assert isinstance(row, Refusal)
    assert why in row.reason
