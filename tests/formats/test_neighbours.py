"""What stands beside the well-known layouts: the same data with other names, in other hands, half of it left out. None
of it loses a judgement or a turn without a word, and nothing that is no prompt becomes one."""

import json
from typing import Any

import pytest

import formats
from formats import ComparisonRecord, DemonstrationRecord, PromptRecord, Refusal, Response

ASKED, ONE, TWO = "How do tides work?", "By the moon.", "Nobody knows."
USER = {"role": "user", "content": ASKED}


def as_lines(*rows: Any) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def one(content: bytes | str) -> tuple[str, Any]:
    """(layout, its only record or refusal)"""
    reading = formats.read(content.encode() if isinstance(content, str) else content)
    [found] = reading
    assert reading.layout is not None
    return reading.layout.name, found


def outcome(content: bytes | str, layout: str) -> Any:
    name, found = one(content)
    assert name == layout
    assert isinstance(found, ComparisonRecord), found
    assert found.messages == [USER]
    assert [response.text for response in found.responses] == [ONE, TWO]
    [judged] = found.judgements
    return judged.outcome


@pytest.mark.parametrize("names", ["Prompt;Chosen;Rejected", " PROMPT ;chosen ;Rejected", "Question;CHOSEN;rejected"])
def test_columns_may_be_written_in_capitals(names: str) -> None:
    assert outcome(f"{names}\r\n{ASKED};{ONE};{TWO}\r\n", "trl") == "first"


def test_columns_that_nobody_takes_keep_the_names_that_they_have() -> None:
    _, found = one(f"Prompt,Chosen,Rejected,Source URL,id\n{ASKED},{ONE},{TWO},web,7\n")
    assert found.metadata == {"Source URL": "web", "id": "7"}
    # Two columns that differ in nothing else stay two.
    with pytest.raises(formats.UnknownLayout, match="prompt=Prompt"):
        formats.read(f"Prompt,PROMPT,x\n{ASKED},b b,c\n".encode())


@pytest.mark.parametrize("name", ["question", "query", "input"])
def test_preferences_may_call_their_prompt_otherwise(name: str) -> None:
    assert outcome(as_lines({name: ASKED, "chosen": ONE, "rejected": TWO}), "trl") == "first"
    turns = [USER, {"role": "assistant", "content": ONE}], [USER, {"role": "assistant", "content": TWO}]
    layout, found = one(as_lines({name: "a column of another kind", "chosen": turns[0], "rejected": turns[1]}))
    assert (layout, found.messages, list(found.metadata)) == ("trl-implicit", [USER], [name])


@pytest.mark.parametrize(
    ("columns", "value", "expected"),
    [
        (("response_a", "response_b", "winner"), "model_b", "second"),
        (("response_a", "response_b", "winner"), "m1", "first"),  # the name of who wrote it
        (("response_a", "response_b", "preference"), "tie", "tie"),
        (("answer1", "answer2", "better"), "answer2", "second"),
        (("response_0", "response_1", "winner"), "1", "second"),  # responses are numbered from 0
        (("response_1", "response_2", "winner"), "1", "first"),
        (("output_1", "output_2", "verdict"), "both bad", "both_bad"),
        (("response_1", "response_2", "preferred"), "response_1", "first"),
    ],
)
def test_a_choice_in_words_is_a_label_whatever_its_column_is_called(
    columns: tuple[str, str, str], value: str, expected: str
) -> None:
    row = {"prompt": ASKED, columns[0]: ONE, columns[1]: TWO, columns[2]: value, "model_a": "m1", "model_b": "m2"}
    assert outcome(as_lines(row), "choice") == expected


@pytest.mark.parametrize(("name", "value"), [("preference", "0"), ("winner", "3"), ("label", 1), ("better", "maybe")])
def test_what_may_mean_either_response_is_no_label_and_is_kept(name: str, value: Any) -> None:
    layout, found = one(as_lines({"prompt": ASKED, "response_1": ONE, "response_2": TWO, name: value}))
    assert (layout, found.judgements, found.metadata) == ("pairs", (), {name: value})


@pytest.mark.parametrize(("won", "expected"), [("1,0,0", "first"), ("0,1,0", "second"), ("0,0,1", "tie")])
def test_the_arena_as_a_table_has_turns_in_its_cells(won: str, expected: str) -> None:
    names = "id,model_a,model_b,prompt,response_a,response_b,winner_model_a,winner_model_b,winner_tie"
    cells = ",".join(f'"[""{text}""]"' for text in (ASKED, ONE, TWO))
    content = f"{names}\n7,m1,m2,{cells},{won}\n"
    assert outcome(content, "arena-table") == expected
    _, found = one(content)
    assert found.responses == (Response(ONE, "m1"), Response(TWO, "m2"))
    _, twice = one(content.replace(won, "1,1,0"))
    assert twice.reason == "It says twice which response is better."
    longer = content.replace(f'[""{ASKED}""]', f'[""{ASKED}"",""And?""]')
    _, torn = one(longer)
    assert "as many turns" in torn.reason


@pytest.mark.parametrize("cell", ["right", "{'selected': 'right'}", '[{"selected": "right"}]'])
def test_label_studio_s_comparison_may_have_any_name(cell: str) -> None:
    row = {"id": 1, "prompt": ASKED, "answer1": ONE, "answer2": TWO, "mine": cell, "annotator": 3, "annotation_id": 9}
    assert outcome(json.dumps([row]), "labelstudio-min") == "second"


def test_argilla_s_chat_field_is_the_prompt() -> None:
    row = {
        "id": "0", "status": "completed", "fields": {"chat": [USER], "response1": ONE, "response2": TWO},
        "responses": {"preference": [{"value": "response2", "user_id": "u"}]},
    }  # fmt: skip
    assert outcome(as_lines(row), "argilla") == "second"


def test_messages_of_trees_one_a_row_are_no_prompts() -> None:
    row = {"message_id": "2", "parent_id": "1", "text": ONE, "role": "assistant", "message_tree_id": "1", "rank": 0}
    layout, found = one(as_lines(row))
    assert layout == "oasst-messages"
    assert isinstance(found, Refusal)
    assert "the file of whole trees" in found.reason


def test_an_instruction_s_history_are_the_turns_before_it() -> None:
    row = {"instruction": ASKED, "input": "", "output": ONE, "history": [["Hi.", "Hello."]], "system": "Be brief."}
    _, found = one(as_lines(row))
    assert isinstance(found, DemonstrationRecord)
    assert found.messages == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Hi."},
        {"role": "assistant", "content": "Hello."},
        USER,
    ]
    assert found.metadata == {}
    _, found = one(as_lines(row | {"history": [["Hi."]]}))
    assert isinstance(found, Refusal)


def test_feedback_on_each_response_is_kept_beside_the_scores() -> None:
    said = [{"score": -1, "reasoning": "r", "feedback1": "Good.", "feedback2": ""}]
    row = {
        "context": [USER],
        "response1": ONE,
        "response2": TWO,
        "overall_preference": -1,
        "individual_preference": said,
    }
    _, found = one(as_lines(row))
    assert found.metadata == {"overall_preference": -1, "individual_preference": [{"feedback1": "Good."}]}


def test_a_last_turn_with_a_verdict_is_no_demonstration() -> None:
    turns = [{"from": "human", "value": ASKED}, {"from": "gpt", "value": TWO}]
    with pytest.raises(formats.UnknownLayout):
        formats.read(as_lines({"conversations": turns, "kto_tag": False}))


def test_texts_of_json_one_a_line_are_their_texts() -> None:
    found = list(formats.read(as_lines(ASKED, 'Say "hi".')))
    assert [one.messages[0]["content"] for one in found if isinstance(one, PromptRecord)] == [ASKED, 'Say "hi".']


@pytest.mark.parametrize(
    "content",
    [
        "| prompt | chosen | rejected |\n|---|:--|---|\n| a | b | c |\n",
        "prompt | chosen\n--- | ---\na | b\n",
    ],
)
def test_a_table_of_markdown_is_told_so(content: str) -> None:
    with pytest.raises(formats.Unreadable, match="Markdown"):
        formats.read(content.encode())


def test_columns_of_no_layout_come_with_a_proposal_to_copy() -> None:
    with pytest.raises(formats.UnknownLayout, match=r"It may be prompt=task,chosen=better,rejected=worse\.$"):
        formats.read(as_lines({"task": ASKED, "better": ONE, "worse": TWO}))
