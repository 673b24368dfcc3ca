"""Layouts whose rows say more than which of two responses is better, and what their rows are refused for."""

import csv
import io
import json
from dataclasses import replace
from typing import Any

import pytest

import formats
from formats import ComparisonRecord, DemonstrationRecord, Judgement, PromptRecord, Refusal, Response

USER = {"role": "user", "content": "How do tides work?"}
HUMAN = {"from": "human", "value": "How do tides work?"}
PARTS = [{"type": "text", "text": "How do "}, {"type": "text", "text": "tides work?"}]
LONG, SHORT = "The moon pulls at the sea.", "Magic."


def reads(*rows: dict[str, Any], **options: Any) -> list[Any]:
    return list(formats.read("".join(json.dumps(row) + "\n" for row in rows).encode(), **options))


def judged(row: dict[str, Any]) -> tuple[Judgement, ...]:
    [record] = reads(row)
    assert isinstance(record, ComparisonRecord), record
    assert record.messages == [USER]
    return record.judgements


def said(text: str) -> dict[str, str]:
    return {"role": "assistant", "content": text}


def test_helpsteer_has_strengths_and_several_annotators() -> None:
    row = {"prompt": "How do tides work?", "response_1": LONG, "response_2": SHORT, "preference_strength": -2}
    strong = Judgement(outcome="first", strength=2, strength_of=3)
    assert judged({**row, "preference_elaboration": "It explains."}) == (replace(strong, rationale="It explains."),)
    three = {
        "context": [USER], "response1": LONG, "response2": SHORT, "overall_preference": -1, "domain": "stem",
        "individual_preference": [{"score": -2, "reasoning": "r"}, {"score": 1}, {"score": 0}, {"score": None}],
    }  # fmt: skip
    assert judged(three) == (
        replace(strong, raters=1, rationale="r"),
        Judgement(outcome="second", strength=1, strength_of=3, raters=1),
        Judgement(outcome="tie", raters=1),
    )
    assert judged({**three, "individual_preference": []}) == (Judgement(outcome="first", strength=1, strength_of=3),)
    [record] = reads(three)
    assert record.metadata == {"overall_preference": -1, "domain": "stem"}
    [refusal] = reads({**row, "preference_strength": 9})
    assert refusal.reason == "The preference 9 is outside of -3 to 3."


def test_pku_asks_two_questions() -> None:
    row = {"prompt": "How do tides work?", "response_0": LONG, "response_1": SHORT, "better_response_id": 0,
           "safer_response_id": 1, "is_response_0_safe": True, "response_1_source": "m2"}  # fmt: skip
    assert judged(row) == (Judgement(outcome="first"), Judgement(outcome="second", question="safer"))
    [record] = reads(row)
    assert record.responses == (Response(LONG, None, {"is_response_0_safe": True}), Response(SHORT, "m2"))
    assert isinstance(reads({**row, "better_response_id": 2})[0], Refusal)


def test_rankings_keep_ranks_ties_and_authors() -> None:
    answers = [
        {"answer": LONG, "model": "gpt", "rank": 2.0},
        {"answer": SHORT, "model": "llama", "rank": 5.0},
        {"answer": "Gravity.", "model": "q", "rank": 1.0},
        {"answer": "Waves.", "model": "z", "rank": 2.0},
    ]
    row = {"prompt": "\n\nHuman: How do tides work?\n\nAssistant:", "answers": answers, "turns": 1}
    assert judged(row) == (Judgement(ranks=(2, 3, 1, 2)),)
    [record] = reads(row)
    assert [response.author for response in record.responses] == ["gpt", "llama", "q", "z"]
    assert record.metadata == {"turns": 1}
    answers[0].pop("rank")
    assert judged({**row, "answers": answers}) == ()


def test_ultrafeedback_ranks_by_its_scores_question_by_question() -> None:
    def completion(text: str, overall: float, honesty: str) -> dict[str, Any]:
        rated = {"honesty": {"Rating": honesty, "Rationale": "r"}, "truth": {"Rating": "N/A"}}
        return {"model": "m", "response": text, "overall_score": overall, "annotations": rated}

    row = {
        "instruction": "How do tides work?", "source": "web",
        "completions": [completion(LONG, 8, "4"), completion(SHORT, 2, "5"), completion("Sea.", 2, "1")],
    }  # fmt: skip
    assert judged(row) == (
        Judgement(ranks=(1, 2, 2), source="overall_score"),
        Judgement(ranks=(2, 1, 3), question="honesty", source="annotations.honesty.Rating"),
    )


def test_distilabel_and_openai_comparisons_tell_who_wrote_and_who_judged() -> None:
    row = {"instruction": "How do tides work?", "generations": [LONG, SHORT], "generation_models": ["gpt", "llama"],
           "ratings": [1.0, 4.0], "rationales": ["x", "y"], "system_prompt": None}  # fmt: skip
    [record] = reads(row)
    assert record.responses[1] == Response(SHORT, "llama", {"rating": 4.0, "rationale": "y"})
    assert record.judgements == (Judgement(outcome="second", source="ratings"),)
    assert isinstance(reads({**row, "ratings": [1.0]})[0], Refusal)
    summaries = [{"text": LONG, "policy": "sup"}, {"text": SHORT, "policy": "ref"}]
    assert judged(
        {"info": {"post": "How do tides work?", "id": "x"}, "summaries": summaries, "choice": 1, "worker": "w7"}
    ) == (Judgement(outcome="second", annotator="w7"),)


def test_the_arena_has_ties_of_two_kinds_and_a_turn() -> None:
    row = {
        "model_a": "a", "model_b": "b", "winner": "tie (bothbad)", "judge": "u1", "tstamp": 86400.0, "turn": 1,
        "conversation_a": [USER, said(LONG)], "conversation_b": [USER, said(SHORT)],
    }  # fmt: skip
    one = Judgement(outcome="both_bad", annotator="u1", date="1970-01-02T00:00:00+00:00")
    assert judged(row) == (one,)
    longer = {**row, "winner": "model_b", "conversation_a": [USER, said(LONG), USER, said("More.")]}
    assert judged(longer) == (replace(one, outcome="second"),)
    [refusal] = reads({**longer, "turn": 2, "conversation_b": [USER, said(SHORT), USER, said("More.")]})
    assert refusal.reason == "The two conversations differ before their last turn."
    [refusal] = reads({**row, "winner": "perhaps"})
    assert refusal.reason == "It cannot be told which response 'perhaps' prefers."


def test_trees_give_comparisons_demonstrations_and_prompts() -> None:
    def node(text: str, role: str, *replies: Any, rank: int | None = None) -> dict[str, Any]:
        return {"message_id": text[:1], "text": text, "role": role, "rank": rank, "replies": list(replies)}

    first = node(
        LONG, "assistant", node("Why?", "prompter"), node("How far?", "prompter", node("Far.", "assistant")), rank=1
    )
    tree = node(
        "How do tides work?", "prompter", first, node(SHORT, "assistant", rank=0), node("Sea.", "assistant", rank=2)
    )
    row = {"message_tree_id": "t", "prompt": tree}
    comparison, prompt, demonstration = reads(row)
    assert comparison.judgements == (Judgement(ranks=(2, 1, 3)),)
    assert prompt == PromptRecord(
        line=1, messages=[USER, said(LONG), {"role": "user", "content": "Why?"}],
        metadata={"message_tree_id": "t", "message_id": "W"},
    )  # fmt: skip
    assert isinstance(demonstration, DemonstrationRecord)
    assert demonstration.response.text == "Far."
    reading = formats.read(json.dumps(row).encode(), as_="labels")
    assert [type(record) for record in reading] == [ComparisonRecord]
    assert reading.report.left_out["records"] == 2


def test_label_studio_names_sides_people_reasons_and_further_questions() -> None:
    results = [
        {"type": "pairwise", "from_name": "c", "to_name": "x,y", "value": {"selected": "right"}},
        {"type": "choices", "from_name": "safer", "value": {"choices": ["left"]}},
        {"type": "textarea", "from_name": "why", "value": {"text": ["It is short."]}},
        {"type": "rating", "from_name": "stars", "value": {"rating": 4}},
    ]
    row = {
        "id": 4, "data": {"prompt": "How do tides work?", "x": LONG, "y": SHORT, "topic": "sea"}, "predictions": [],
        "annotations": [
            {"completed_by": {"id": 3, "email": "a@b.org"}, "created_at": "2026-01-01T00:00:00Z", "result": results},
            {"completed_by": 9, "was_cancelled": True, "result": results},
        ],
    }  # fmt: skip
    common: dict[str, Any] = {"annotator": "a@b.org", "date": "2026-01-01T00:00:00Z"}
    assert judged(row) == (
        Judgement(outcome="second", rationale="It is short.", **common),
        Judgement(outcome="first", question="safer", **common),
    )
    [record] = reads(row)
    assert record.metadata == {"id": 4, "predictions": [], "topic": "sea", "results": [results[3]]}


def test_argilla_reads_choices_rankings_texts_and_suggestions() -> None:
    def answer(value: Any, user: str = "u1", status: str = "submitted") -> dict[str, Any]:
        return {"value": value, "user_id": user, "status": status}

    row = {
        "id": "r", "fields": {"prompt": "How do tides work?", "response1": LONG, "response2": SHORT},
        "responses": {
            "preference": [answer("response2"), answer("response1", "u2", "draft"), answer("tie", "u3")],
            "order": [answer([{"value": "response1", "rank": 1}, {"value": "response2", "rank": 2}])],
            "why": [answer("It is short.")],
        },
        "suggestions": {"preference": {"value": "response1", "agent": "gpt"}},
    }  # fmt: skip
    assert judged(row) == (
        Judgement(outcome="second", annotator="u1", rationale="It is short."),
        Judgement(outcome="tie", annotator="u3"),
        Judgement(outcome="first", question="order", annotator="u1"),
        Judgement(outcome="first", annotator="gpt", source="suggestion"),
    )


def test_the_scale_of_judged_pairs_is_that_of_the_whole_file() -> None:
    def row(preference: float) -> dict[str, Any]:
        return {"prompt": "How do tides work?", "response_a": LONG, "response_b": SHORT, "preference": preference}

    def outcomes(*preferences: float) -> list[tuple[Any, Any]]:
        records = reads(*map(row, preferences))
        return [(r.judgements[0].outcome, r.judgements[0].probability) for r in records if not isinstance(r, Refusal)]

    assert outcomes(0, 0.5, 1, 0.75) == [("second", None), ("tie", None), ("first", None), ("first", 0.75)]
    # The last row of all says that the first is preferred by 1, and not by a probability of 1.
    assert outcomes(*[1] * 99, 0, 1.5, 1.25, 2) == [
        *[("first", None)] * 99, ("tie", None), ("tie", None), ("first", 0.75), ("second", None),
    ]  # fmt: skip
    assert len([r for r in reads(row(1), row(7), row(2)) if isinstance(r, Refusal)]) == 1


def test_a_repeated_prompt_is_cut_once_and_only_where_all_repeat_it() -> None:
    [record] = reads({"prompt": "2+2?", "chosen": "2+2? 4", "rejected": "2+2? 5"})
    assert [response.text for response in record.responses] == [" 4", " 5"]
    [record] = reads({"prompt": "Go", "chosen": "Go north.", "rejected": "Stay."})
    assert [response.text for response in record.responses] == ["Go north.", "Stay."]
    [record] = reads({"prompt": "Go", "chosen": "GoGo on", "rejected": "Go"})
    assert [response.text for response in record.responses] == ["GoGo on", "Go"]


def test_a_prompt_that_is_one_turn_of_the_whole_conversation_is_the_conversation() -> None:
    before = [{"role": "system", "content": "Be brief."}, USER, said("Water."), {"role": "user", "content": "And?"}]
    row = {"prompt": "And?", "chosen": [*before, said(LONG)], "rejected": [*before, said(SHORT)], "system": ""}
    [record] = reads(row)
    assert record.messages == before
    assert [response.text for response in record.responses] == [LONG, SHORT]


def test_transcripts_keep_their_text() -> None:
    shared = "\n\nHuman: How do tides work?\n\nAssistant:  Two spaces.\n\nHuman: Go on\n\nAssistant:"
    [record] = reads({"chosen": f"{shared} {LONG} ", "rejected": f"{shared} {SHORT}\n"})
    assert record.messages == [USER, said(" Two spaces."), {"role": "user", "content": "Go on"}]
    assert [response.text for response in record.responses] == [f"{LONG} ", f"{SHORT}\n"]


@pytest.mark.parametrize(
    ("row", "messages"),
    [
        ({"prompt": "How do tides work?", "system": "Be brief."}, [{"role": "system", "content": "Be brief."}, USER]),
        ({"messages": [{"role": "system", "content": ""}, USER]}, [USER]),
        ({"messages": [{"role": "developer", "content": "Be"}, USER]}, [{"role": "system", "content": "Be"}, USER]),
        ({"messages": [{"role": "user", "content": PARTS}]}, [USER]),
        ({"conversations": [HUMAN], "system": "Be"}, [{"role": "system", "content": "Be"}, USER]),
        ({"instruction": "Go", "input": "on", "output": ""}, [{"role": "user", "content": "Go\n\non"}]),
        ({"turns": ["How do tides work?", "And?"], "category": "w"}, [USER]),
        ({"question": "How do tides work?"}, [USER]),
    ],
)  # fmt: skip
def test_prompts_in_every_shape(row: dict[str, Any], messages: list[dict[str, str]]) -> None:
    [record] = reads(row)
    assert isinstance(record, PromptRecord)
    assert record.messages == messages


def test_one_row_can_be_asked_for_as_prompts_pairs_or_labels() -> None:
    row = {"prompt": "How do tides work?", "chosen": LONG, "rejected": SHORT, "id": "x7", "score": 3}
    content = json.dumps(row).encode()
    prompts = formats.read(content, as_="prompts")
    assert list(prompts) == [PromptRecord(line=1, messages=[USER], metadata={"id": "x7", "score": 3})]  # type: ignore[list-item]
    assert prompts.report.left_out == {"responses": 2, "labels": 1}
    pairs = formats.read(content, as_="pairs")
    [pair] = pairs
    assert isinstance(pair, ComparisonRecord)
    assert pair.judgements == ()
    assert (pairs.report.pairs, pairs.report.labels, pairs.report.left_out["labels"]) == (1, 0, 1)
    assert formats.read(content, as_="labels").report.labels == 0
    [refusal] = reads({"prompt": "How?", "response_1": LONG, "response_2": SHORT}, as_="labels")
    assert refusal.reason == "It does not say which response is better."
    [refusal] = reads({"prompt": "How?"}, as_="pairs")
    assert refusal.reason == "It has no two responses to compare."


def test_responses_without_a_judgement_are_pairs_and_rankings_to_label() -> None:
    [record] = reads(
        {"prompt": "How do tides work?", "response_b": SHORT, "response_a": LONG, "model_a": "m1", "score_b": 2}
    )
    assert record.responses == (Response(LONG, "m1"), Response(SHORT, None, {"score_b": 2}))
    [record] = reads(
        {"prompt": "How do tides work?", "responses": [{"text": LONG, "seed": 1}, {"text": SHORT}, {"text": "Sea."}]}
    )
    assert record.responses == (Response(LONG, None, {"seed": 1}), Response(SHORT), Response("Sea."))
    assert record.judgements == ()


def test_one_response_with_a_verdict_is_no_demonstration() -> None:
    with pytest.raises(formats.UnknownLayout):
        reads({"prompt": "How?", "completion": SHORT, "label": False})
    [record] = reads({"prompt": "How do tides work?", "completion": LONG, "model": "m"})
    assert record == DemonstrationRecord(line=1, messages=[USER], response=Response(LONG, "m"))  # type: ignore[list-item]


def test_detection_is_by_most_rows_and_the_others_are_refused() -> None:
    rows = [{"prompt": "How do tides work?", "chosen": LONG, "rejected": SHORT}] * 3
    found = reads(*rows, {"question": "How?"})
    assert [isinstance(one, Refusal) for one in found] == [False, False, False, True]
    assert found[3].reason == 'The field "chosen" is missing.'
    match = formats.detect([formats.Row(1, rows[0]), formats.Row(2, {"question": "How?"})])
    assert match is not None
    assert (match.layout.name, match.certainty) == ("trl", 0.5)


def test_an_extension_can_add_a_layout() -> None:
    def read(fields: Any) -> Any:
        yield PromptRecord(
            line=fields.line, messages=[{"role": "user", "content": fields.need("frage")}], metadata=fields.rest()
        )

    formats.register(formats.Layout("german", "Fragen", "prompts", frozenset({"frage"}), read))
    try:
        [record] = reads({"frage": "Wie?", "prompt": "How?"})
        assert record.metadata == {"prompt": "How?"}
        with pytest.raises(ValueError, match="already"):
            formats.register(formats.LAYOUTS["german"])
    finally:
        del formats.LAYOUTS["german"]
    with pytest.raises(formats.Unreadable, match="no layout 'german'"):
        reads({"prompt": "x"}, layout="german")


def test_what_the_library_samples_is_a_pair_to_label() -> None:
    sampled = [{"text": "So.", "strategy": "greedy"}, {"text": "Or so.", "strategy": "stochastic"}]
    [record] = formats.read(json.dumps({"prompt": "How?", "responses": sampled}).encode(), as_="pairs")
    assert isinstance(record, ComparisonRecord)
    assert [response.metadata["strategy"] for response in record.responses] == ["greedy", "stochastic"]


def test_labels_among_which_a_row_is_a_prompt_alone_are_labels() -> None:
    label = b'{"prompt": "Why?", "response_a": "x", "response_b": "y", "choice": "a"}\n'
    reading = formats.read(label * 3 + b'{"prompt": "How?"}\n')
    found = list(reading)
    assert reading.layout is not None
    assert reading.layout.name == "choice"
    assert [isinstance(each, formats.Refusal) for each in found] == [False, False, False, True]


@pytest.mark.parametrize("table", [False, True])
def test_label_studio_s_short_exports_list_their_answers(table: bool) -> None:
    """As 1.23 writes them where there are several questions."""
    row: dict[str, Any] = {
        "prompt": "Why?", "answer1": "So.", "answer2": "Or so.", "annotator": 1, "annotation_id": 2, "strength_of": 3,
    }  # fmt: skip
    said = [{"comparison": [{"selected": "right"}], "strength": [{"rating": 2}]}, {"equal": "both bad"}]
    rows = [row | each for each in said]
    if table:
        names = [*row, "comparison", "strength", "equal"]
        lines = [",".join(f'"{each.get(name, "")}"' for name in names) for each in rows]
        content = "\n".join([",".join(names), *lines]).encode()
    else:
        content = json.dumps(rows).encode()
    records = [found for found in formats.read(content) if isinstance(found, ComparisonRecord)]
    judged = [found.judgements[0] for found in records]
    assert [(each.outcome, each.strength, each.strength_of, each.annotator) for each in judged] == [
        ("second", 2.0, 3.0, "1"),
        ("both_bad", None, None, "1"),
    ]
    assert not any("strength_of" in found.metadata for found in records)


@pytest.mark.parametrize("table", [False, True])
def test_label_studio_s_short_exports_keep_turns_and_comments(table: bool) -> None:
    """Of the tasks that Hone wrote. 1.23 writes one comment as text, several as a list; lists of a table are JSON."""
    turns = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Why?"}]
    row: dict[str, Any] = {
        "prompt": "System: Be brief.\n\nUser: Why?\n\nAssistant:", "messages": turns, "answer1": "So.",
        "answer2": "Or so.", "annotator": 1, "annotation_id": 2, "comparison": [{"selected": "left"}],
    }  # fmt: skip
    rows = [row | {"comment": 'Short,\n"so"'}, row | {"comment": ["One.", "Two."]}]
    cells = io.StringIO()
    csv.writer(cells).writerows(
        [rows[0], *([json.dumps(v) if isinstance(v, list) else v for v in each.values()] for each in rows)]
    )
    content = cells.getvalue() if table else json.dumps(rows)
    records = [found for found in formats.read(content.encode()) if isinstance(found, ComparisonRecord)]
    assert [found.messages for found in records] == [turns, turns]
    assert [found.judgements[0].rationale for found in records] == ['Short,\n"so"', "One.\nTwo."]


@pytest.mark.parametrize("table", [False, True])
def test_label_studio_s_short_exports_of_our_tasks_know_our_annotators_and_questions(table: bool) -> None:
    """Its own `annotator` is whoever has imported the tasks: three people's labels would be one's who changed twice."""
    row: dict[str, Any] = {
        "prompt": "Why?", "answer1": "So.", "answer2": "Or so.", "item": 4, "split": "train", "purpose": "train",
        "model1": "one", "model2": "two", "annotator": 1, "annotation_id": 2, "comparison": "left",
        "Which is safer?": "second",
    }  # fmt: skip
    rows = [row | {"labelled_by": "7"}, row | {"labelled_by": "-2"}, row]
    cells = io.StringIO()
    csv.writer(cells).writerows([rows[0], *([each.get(name, "") for name in rows[0]] for each in rows)])
    content = cells.getvalue() if table else json.dumps(rows)
    records = [found for found in formats.read(content.encode()) if isinstance(found, ComparisonRecord)]
    assert [[(j.question, j.outcome, j.annotator) for j in found.judgements] for found in records] == [
        [("", "first", who), ("Which is safer?", "second", who)] for who in ("7", "-2", "1")
    ]
    assert [[each.author for each in found.responses] for found in records] == [["one", "two"]] * 3
    assert {"labelled_by", "Which is safer?", "model1", "model2"} & records[0].metadata.keys() == set()
    foreign = {name: value for name, value in row.items() if name not in ("item", "purpose")}
    [record] = formats.read(json.dumps([foreign]).encode())
    assert isinstance(record, ComparisonRecord)
    assert [j.question for j in record.judgements] == [""]  # a column of somebody else's is no question
    assert record.metadata["Which is safer?"] == "second"


def test_who_labelled_is_no_comment_in_label_studio_s_json() -> None:
    results = [
        {"type": "pairwise", "from_name": "comparison", "to_name": "x,y", "value": {"selected": "right"}},
        {"type": "textarea", "from_name": "labelled_by", "to_name": "prompt", "value": {"text": ["-2"]}},
    ]
    row = {"data": {"prompt": "Why?", "x": "So.", "y": "Or so."}, "annotations": [
        {"result": results, "completed_by": 1}]}  # fmt: skip
    [record] = formats.read(json.dumps([row]).encode())
    assert isinstance(record, ComparisonRecord)
    assert [(j.annotator, j.rationale) for j in record.judgements] == [("-2", None)]


def test_our_own_columns_are_no_text_in_a_table_either() -> None:
    row = {
        "label": 2, "item": 7, "prompt": [{"role": "user", "content": "Why?"}],
        "responses": [{"position": 0, "text": "So."}, {"position": 1, "text": "Or so."}],
        "preferences": [{"question": "", "first": 0, "second": 1, "outcome": "first"}], "instructions": 3,
    }  # fmt: skip
    cells = io.StringIO()
    table = csv.writer(cells)
    table.writerows([row, [each if isinstance(each, int) else json.dumps(each) for each in row.values()]])
    [record] = formats.read(cells.getvalue().encode())
    assert isinstance(record, ComparisonRecord)
    assert (record.metadata["label"], record.metadata["instructions"]) == (2, 3)
