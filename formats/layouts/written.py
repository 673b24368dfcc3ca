"""Prompts, and prompts with one response: messages, ShareGPT, Alpaca, MT-bench's turns, and plain columns.

A conversation that ends with the assistant's turn is a demonstration, any other a prompt.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from formats import messages
from formats.fields import Fields, as_list
from formats.layouts.base import Layout, columns, demonstration, prompt_only
from formats.layouts.trl import instruction
from formats.records import DemonstrationRecord, PromptRecord, Record, Response

CONVERSATIONS = ("messages", "conversations", "conversation")
RESPONSES = ("response", "completion", "output", "answer", "generation")
PROMPTS = ("prompt", "text", "question", "instruction", "query")


def _chat(fields: Fields) -> Iterator[Record]:
    name = _first(fields, CONVERSATIONS)
    turns = messages.with_system(messages.conversation(fields.turns(name), name), fields.take("system"))
    if turns and turns[-1]["role"] == "assistant":
        before, text = messages.split_last(turns, name)
        yield demonstration(fields, before, fields.written(text, ["model"]))
    else:
        yield prompt_only(fields, messages.checked(turns))


def _alpaca(fields: Fields) -> Iterator[Record]:
    before, output = instruction(fields), fields.text("output")
    if output and output.strip():
        yield demonstration(fields, before, fields.written(output, ["model", "generator"]))
    else:
        yield prompt_only(fields, before)


def _with_response(fields: Fields) -> Iterator[DemonstrationRecord]:
    before = instruction(fields) if "instruction" in fields else fields.prompt(_first(fields, PROMPTS))
    name = _first(fields, RESPONSES)
    texts = messages.without_repeated(before, [messages.response(fields.turns(name), name, before)])
    written = fields.written(texts[0], ["model", "author", "generator"])
    yield demonstration(fields, before, Response(written.text, written.author))


def _turns(fields: Fields) -> Iterator[PromptRecord]:
    turns = as_list(fields.see("turns"), "turns")
    if len(turns) == 1:
        fields.take("turns")
    yield prompt_only(fields, messages.prompt(turns[0] if turns else None, "turns", fields.take("system")))


def _prompt(fields: Fields) -> Iterator[PromptRecord]:
    name = _first(fields, PROMPTS)
    yield prompt_only(fields, instruction(fields) if name == "instruction" else fields.prompt(name))


def _first(fields: Fields, names: tuple[str, ...]) -> str:
    return next((name for name in names if name in fields), names[0])


def _has_chat(values: Mapping[str, Any]) -> bool:
    """Not where LLaMA-Factory's `kto_tag` says whether the last turn is good, for the same reason as below."""
    return "kto_tag" not in values and any(isinstance(values.get(name), list | str) for name in CONVERSATIONS)


def _has_response(values: Mapping[str, Any]) -> bool:
    """Not where a `label` says whether the one response is good: that is a judgement of another kind."""
    return _has_prompt(values) and "label" not in values and any(values.get(name) is not None for name in RESPONSES)


def _has_prompt(values: Mapping[str, Any]) -> bool:
    return any(values.get(name) is not None for name in PROMPTS)


def _has_only_prompt(values: Mapping[str, Any]) -> bool:
    return _has_prompt(values) and not any(values.get(name) is not None for name in (*RESPONSES, "chosen", "rejected"))


def _are_texts(values: Mapping[str, Any]) -> bool:
    turns = values["turns"]
    return isinstance(turns, list) and bool(turns) and all(isinstance(turn, str) for turn in turns)


LAYOUTS = (
    Layout("alpaca", "Alpaca instructions", "demonstrations", columns("instruction input output"), _alpaca),
    Layout("turns", "MT-bench questions", "prompts", columns("turns"), _turns, _are_texts),
    Layout(
        "prompt-response", "Prompts with one response", "demonstrations", frozenset(), _with_response, _has_response
    ),
    Layout("chat", "Conversations (messages, ShareGPT)", "demonstrations", frozenset(), _chat, _has_chat),
    Layout("prompts", "Prompts", "prompts", frozenset(), _prompt, _has_only_prompt),
)
