"""`chosen` and `rejected`: TRL's layouts, plain, conversational and with an implicit prompt, and what descends from
them: HH's transcripts, UltraFeedback binarized, distilabel's preference sets, LLaMA-Factory's.

A `preference` beside them is the probability that `chosen` is better (0.5 a tie), a `margin` how much better it is.
"""

from collections.abc import Iterator
from typing import Any

from formats import messages
from formats.fields import Fields
from formats.layouts.base import Layout, columns, comparison
from formats.records import BadRow, ComparisonRecord, Judgement, Messages

_AUTHORS = ("{}_model", "{}-model", "{}_policy")
PROMPTS = ("prompt", "question", "query", "input")
_SCORES = ("score_{}", "{}_score", "{}_rating", "{}-rating", "{}_avg_rating")


def probability(value: float | None, **more: Any) -> Judgement:
    """The judgement of the probability that the first response is better; None is as good as 1. Raises BadRow."""
    if value is None:
        return Judgement(outcome="first", **more)
    if not 0 <= value <= 1:
        raise BadRow(f"The preference {value:g} is no probability: it must be from 0 to 1.")
    outcome = "tie" if value == 0.5 else "first" if value > 0.5 else "second"
    return Judgement(outcome=outcome, probability=None if value in (0, 0.5, 1) else value, **more)  # type: ignore[arg-type]


def instruction(fields: Fields) -> Messages:
    """An `instruction`, with its `input` after a blank line, as Alpaca has it. Raises BadRow."""
    asked, extra = fields.turns("instruction"), fields.text("input")
    if extra and not isinstance(asked, str):
        raise BadRow('An "input" can only follow an "instruction" that is text.')
    turns = messages.conversation(f"{asked}\n\n{extra}" if extra else asked, "instruction")
    return messages.prompt([*_history(fields), *turns], "instruction", _system(fields))


def _history(fields: Fields) -> Messages:
    """The turns before an instruction, as LLaMA-Factory has them: [question, answer] each. Raises BadRow."""
    turns: Messages = []
    for each in fields.list("history") if isinstance(fields.see("history"), list) or fields.row.tabular else ():
        if not isinstance(each, list) or len(each) != 2 or not all(isinstance(said, str) for said in each):
            raise BadRow('"history" is no list of questions with their answers.')
        turns += [{"role": "user", "content": each[0]}, {"role": "assistant", "content": each[1]}]
    return turns


def _system(fields: Fields) -> Any:
    return next((value for name in ("system", "system_prompt") if (value := fields.take(name)) is not None), None)


def _with_prompt(fields: Fields) -> Iterator[ComparisonRecord]:
    yield _pair(fields, fields.prompt(next((name for name in PROMPTS if name in fields), PROMPTS[0])))


def _with_instruction(fields: Fields) -> Iterator[ComparisonRecord]:
    yield _pair(fields, instruction(fields))


def _with_conversation(fields: Fields) -> Iterator[ComparisonRecord]:
    yield _pair(fields, fields.prompt("conversations"))


def _implicit(fields: Fields) -> Iterator[ComparisonRecord]:
    yield _pair(fields, None)


def _pair(fields: Fields, before: Messages | None) -> ComparisonRecord:
    chosen, rejected = fields.turns("chosen"), fields.turns("rejected")
    shared = _shared(chosen, rejected, implicit=before is None)
    if before is None:
        before = messages.with_system(messages.checked(shared), fields.take("system"))
    elif len(shared) > 1 and before[-1] in shared and before != shared:
        # The prompt's column holds one turn of a longer conversation.
        system = before[0]["content"] if before[0]["role"] == "system" else None
        before = messages.with_system(messages.checked(shared), system)
    texts = [messages.response(value, name, before) for name, value in (("chosen", chosen), ("rejected", rejected))]
    responses = [
        fields.written(text, [a.format(side) for a in _AUTHORS], [s.format(side) for s in _SCORES])
        for side, text in zip(("chosen", "rejected"), messages.without_repeated(before, texts), strict=True)
    ]
    judgement = probability(
        fields.number("preference"),
        strength=fields.number("margin"),
        annotator=fields.text("annotator"),
        rationale=fields.text("rationale"),
    )
    if fields.see("messages") == chosen:
        fields.take("messages")  # UltraFeedback binarized repeats the chosen conversation for fine-tuning
    return comparison(fields, before, responses, [judgement])


def _shared(chosen: Any, rejected: Any, *, implicit: bool) -> Messages:
    """The turns that come before the last one in both conversations; none where they are no conversations."""
    if any(isinstance(value, str) and not messages.is_transcript(value) for value in (chosen, rejected)):
        if implicit:
            raise BadRow('The field "prompt" is missing: chosen and rejected are no conversations either.')
        return []
    one, two = messages.conversation(chosen, "chosen"), messages.conversation(rejected, "rejected")
    if one[:-1] != two[:-1]:
        if implicit:
            raise BadRow("The two conversations differ before their last turn.")
        return []
    return one[:-1]


def _asked(values: Any) -> bool:
    return "prompt" in values or (any(values.get(name) is not None for name in PROMPTS) and not _whole(values))


def _whole(values: Any) -> bool:
    return all(isinstance(values[name], list) or _says(values[name]) for name in ("chosen", "rejected"))


def _says(value: Any) -> bool:
    return isinstance(value, str) and (messages.is_transcript(value) or value[:1] == "[")


LAYOUTS = (
    Layout(
        "ultrafeedback-binarized",
        "UltraFeedback binarized",
        "labels",
        columns("prompt chosen rejected score_chosen score_rejected"),
        _with_prompt,
    ),
    Layout(
        "llamafactory",
        "LLaMA-Factory preferences",
        "labels",
        columns("conversations chosen rejected"),
        _with_conversation,
    ),
    Layout(
        "distilabel-dpo",
        "Instructions with chosen and rejected",
        "labels",
        columns("instruction chosen rejected"),
        _with_instruction,
    ),
    Layout("trl", "TRL preferences", "labels", columns("chosen rejected"), _with_prompt, _asked),
    Layout(
        "trl-implicit",
        "Whole conversations, chosen and rejected (TRL, HH)",
        "labels",
        columns("chosen rejected"),
        _implicit,
        _whole,
    ),
)
