"""Column maps: what is proposed, what they make of rows, and what they are refused for."""

from typing import Any

import pytest

import formats
from formats import ComparisonRecord, PromptRecord, Refusal, Row

TABLE = b"Frage;Antwort 1;Antwort 2;Urteil;Wer\nWie geht das?;So.;Anders.;left;ana\nUnd dann?;Ja.;Nein.;both bad;ben\n"
MAP = {"prompt": "Frage", "response_a": "Antwort 1", "response_b": "Antwort 2", "choice": "Urteil", "annotator": "Wer"}


def test_an_unknown_layout_says_its_columns_and_a_map_reads_it() -> None:
    with pytest.raises(formats.UnknownLayout) as caught:
        formats.read(TABLE)
    assert caught.value.columns == ["Frage", "Antwort 1", "Antwort 2", "Urteil", "Wer"]
    first, second = formats.read(TABLE, mapping=MAP)
    assert isinstance(first, ComparisonRecord)
    assert isinstance(second, ComparisonRecord)
    assert [response.text for response in first.responses] == ["So.", "Anders."]
    assert (first.judgements[0].outcome, first.judgements[0].annotator) == ("first", "ana")
    assert second.judgements[0].outcome == "both_bad"


@pytest.mark.parametrize(
    ("row", "proposed"),
    [
        ({"Question": "How?", "Better": "a", "Worse": "b", "n": 1},
         {"prompt": "Question", "chosen": "Better", "rejected": "Worse"}),
        ({"user_input": "How?", "Answer A": "a", "Answer B": "b", "Winner": "A"},
         {"prompt": "user_input", "response_a": "Answer A", "response_b": "Answer B", "choice": "Winner"}),
        ({"query": "How?", "reply": "So."}, {"prompt": "query", "response": "reply"}),
        ({"k": 3, "frage": "Wie geht das denn?"}, {"prompt": "frage"}),
        ({"question": "", "text": "How?"}, {"prompt": "text"}),
        ({"k": 3}, {}),
    ],
)  # fmt: skip
def test_the_proposal(row: dict[str, Any], proposed: dict[str, str]) -> None:
    assert formats.guess(list(row), [Row(1, row)]) == proposed


def test_a_map_leaves_the_other_columns_as_metadata_even_under_a_name_it_takes() -> None:
    row = Row(1, {"prompt": "old", "question": "How?", "chosen": "x", "id": 7})
    mapped = formats.with_map(row, {"prompt": "question"})
    assert dict(mapped.values) == {"prompt": "How?", "prompt (file)": "old", "chosen": "x", "id": 7}
    content = b'{"prompt": "old", "question": "How do tides work?", "chosen": "x", "id": 7}'
    [record] = formats.read(content, mapping={"prompt": "question"})
    assert isinstance(record, PromptRecord)
    assert record.metadata == {"prompt (file)": "old", "chosen": "x", "id": 7}


@pytest.mark.parametrize(
    ("mapping", "reason"),
    [
        ({"prompt": "nothing"}, "no column 'nothing'"),
        ({"promt": "Frage"}, "cannot be mapped to 'promt'"),
        ({"annotator": "Wer"}, "make no prompts, pairs or labels"),
        ({"chosen": "Frage", "rejected": "Wer"}, "make no prompts, pairs or labels"),
    ],
)
def test_a_map_onto_nothing_is_refused(mapping: dict[str, str], reason: str) -> None:
    with pytest.raises(formats.Unreadable, match=reason):
        formats.read(TABLE, mapping=mapping)


def test_a_row_that_a_map_does_not_fit_is_refused_with_its_line() -> None:
    found = list(formats.read(TABLE + b"Warum?;;Darum.;left;ana\n", mapping=MAP))
    assert isinstance(found[2], Refusal)
    assert (found[2].line, found[2].reason) == (4, 'The field "response_a" is missing or empty.')
    assert found[2].raw == "Warum?;;Darum.;left;ana"


def test_prompts_beside_which_are_two_texts_to_compare_are_asked_about_and_not_taken_for_prompts_alone() -> None:
    table = b"Question;Better;Worse\nWhy is that so?;It is.;It is not.\nAnd how?;So.;Thus.\n"
    for asked in (None, "pairs", "labels"):
        with pytest.raises(formats.UnknownLayout) as caught:
            formats.read(table, as_=asked)  # type: ignore[arg-type]
        assert str(caught.value) == (
            "Beside prompts it has columns that may be responses: Better, Worse. Say which column is what, or that "
            "it is imported as prompts. It may be prompt=Question,chosen=Better,rejected=Worse."
        )
    assert {type(each) for each in formats.read(table, as_="prompts")} == {formats.PromptRecord}
    named = formats.read(table, layout="prompts")
    assert next(each.metadata for each in named if isinstance(each, formats.PromptRecord)) == {
        "Better": "It is.", "Worse": "It is not.",
    }  # fmt: skip
    for none in (b"question,good,bad\nWhy?,3,1\nHow?,2,5\n", b'[{"prompt": "Why?", "better": 1, "worse": 2}]'):
        assert formats.read(none).layout is formats.LAYOUTS["prompts"]  # numbers are no responses
