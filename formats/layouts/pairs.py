"""Pairs of well-known data sets, each with columns of its own: PKU-SafeRLHF, SHP, WebGPT, the chat arena."""

from collections.abc import Iterator, Mapping
from typing import Any

from formats import messages
from formats.fields import Fields, as_date, as_list, as_number, ranked, worded
from formats.layouts.base import Layout, columns, comparison
from formats.records import BadRow, ComparisonRecord, Judgement, Messages, Outcome, Response

_SPEAKERS = ("user", "assistant")
_WON: dict[str, Outcome] = {"winner_model_a": "first", "winner_model_b": "second", "winner_tie": "tie"}
_PKU_SCORES = ("is_response_{}_safe", "response_{}_severity_level", "response_{}_harm_category")


def _pku(fields: Fields) -> Iterator[ComparisonRecord]:
    before = fields.prompt()
    responses = fields.responses(before, ("response_0", "response_1"), "response_{}_source", _PKU_SCORES, ("0", "1"))
    judged = [
        Judgement(outcome="first" if side == 0 else "second", question=question)
        for name, question in (("better_response_id", ""), ("safer_response_id", "safer"))
        if (side := _side(fields, name)) is not None
    ]
    yield comparison(fields, before, responses, judged)


def _side(fields: Fields, name: str) -> int | None:
    side = fields.number(name)
    if side not in (None, -1, 0, 1):
        raise BadRow(f'"{name}" must be 0 or 1.')
    return None if side in (None, -1) else int(side or 0)


def _shp(fields: Fields) -> Iterator[ComparisonRecord]:
    before = fields.prompt("history")
    responses = fields.responses(before, ("human_ref_A", "human_ref_B"), "", ("score_{}",), ("A", "B"))
    label = fields.number("labels")
    if label not in (None, 0, 1):
        raise BadRow('"labels" must be 1, A is better, or 0, B is.')
    judged = [] if label is None else [Judgement(outcome="first" if label else "second", date=None)]
    yield comparison(fields, before, responses, judged)


def _webgpt(fields: Fields) -> Iterator[ComparisonRecord]:
    question = fields.need("question")
    asked = question.get("full_text") if isinstance(question, Mapping) else question
    before = messages.prompt(asked, "question")
    scores = [as_number(fields.see(f"score_{i}"), f"score_{i}") for i in (0, 1)]
    responses = fields.responses(
        before, ("answer_0", "answer_1"), "", ("score_{}", "quotes_{}", "tokens_{}"), ("0", "1")
    )
    judged = []
    if scores[0] is not None and scores[1] is not None:
        one = ranked([-scores[0], -scores[1]])
        strength = None if one.outcome == "tie" else abs(scores[0])
        judged = [Judgement(outcome=one.outcome, strength=strength, strength_of=None if strength is None else 1.0)]
    record = comparison(fields, before, responses, judged)
    if isinstance(question, Mapping):
        record.metadata["question"] = {name: value for name, value in question.items() if name != "full_text"}
    yield record


def _arena(fields: Fields) -> Iterator[ComparisonRecord]:
    said = [_conversation(fields, f"conversation_{side}") for side in ("a", "b")]
    turn = fields.see("turn")
    if isinstance(turn, int) and not isinstance(turn, bool) and turn > 0:
        said = [turns[: 2 * turn] for turns in said]  # MT-bench judges one turn of a conversation that goes on
    parts = [messages.split_last(turns, "conversation") for turns in said]
    if parts[0][0] != parts[1][0]:
        raise BadRow("The two conversations differ before their last turn.")
    responses = [Response(text, fields.text(f"model_{side}")) for side, (_, text) in zip("ab", parts, strict=True)]
    winner, judge, date = fields.take("winner"), fields.text("judge"), as_date(fields.take("tstamp"))
    judged = [] if winner is None else [worded(winner, annotator=judge, date=date)]
    yield comparison(fields, parts[0][0], responses, judged)


def _arena_table(fields: Fields) -> Iterator[ComparisonRecord]:
    asked, *said = (fields.list(name) for name in ("prompt", "response_a", "response_b"))
    if not asked or any(len(turns) != len(asked) for turns in said):
        raise BadRow('"prompt", "response_a" and "response_b" must be lists of as many turns.')
    if said[0][:-1] != said[1][:-1]:
        raise BadRow("The two conversations differ before their last turn.")
    turns = [
        (role, text) for pair in zip(asked, said[0], strict=True) for role, text in zip(_SPEAKERS, pair, strict=True)
    ]
    before = messages.prompt([{"role": role, "content": text} for role, text in turns[:-1]])
    responses = [
        Response(messages.response(each[-1], f"response_{side}", []), fields.text(f"model_{side}"))
        for side, each in zip("ab", said, strict=True)
    ]
    won = [outcome for name, outcome in _WON.items() if fields.number(name)]
    if len(won) > 1:
        raise BadRow("It says twice which response is better.")
    yield comparison(fields, before, responses, [Judgement(outcome=outcome) for outcome in won])


def _conversation(fields: Fields, name: str) -> Messages:
    return messages.conversation(as_list(fields.need(name), name), name)


def _question(values: Mapping[str, Any]) -> bool:
    return isinstance(values["question"], Mapping | str)


LAYOUTS = (
    Layout("pku", "PKU-SafeRLHF", "labels", columns("prompt response_0 response_1 better_response_id"), _pku),
    Layout("shp", "Stanford Human Preferences", "labels", columns("history human_ref_A human_ref_B labels"), _shp),
    Layout("webgpt", "WebGPT comparisons", "labels", columns("question answer_0 answer_1"), _webgpt, _question),
    Layout(
        "arena-table",
        "Chatbot arena as a table",
        "labels",
        columns("prompt response_a response_b winner_model_a winner_model_b winner_tie"),
        _arena_table,
    ),
    Layout("arena", "Chatbot arena, MT-bench", "labels", columns("conversation_a conversation_b winner"), _arena),
)
