"""Conversations in the shapes people store them in, read into message lists.

Three shapes: plain text (one user message), a list of `{"role", "content"}`, and the transcript of Anthropic's HH
data (`"\\n\\nHuman: …\\n\\nAssistant: …"`). This module knows no file and no preference.
"""

import re
from collections.abc import Sequence
from typing import Any, cast

from rlhf.types import Message, Messages, user_message

ROLES = ("system", "user", "assistant")
_HH_TURN = re.compile(r"\n\n(Human|Assistant):")


class BadRow(ValueError):
    """A row that cannot be used. `kind` is one of a few short phrases by which rows are counted."""

    def __init__(self, kind: str) -> None:
        super().__init__(kind)
        self.kind = kind


def read_prompt(value: Any) -> Messages:
    """The conversation to be answered: plain text, messages or a transcript, its last turn a person's."""
    if isinstance(value, str):
        messages = read_transcript(value) if is_transcript(value) else user_message(value)
    else:
        messages = read_messages(value, "prompt")
    if messages and messages[-1]["role"] == "assistant" and not messages[-1]["content"]:
        messages = messages[:-1]  # a transcript that ends with the opening "Assistant:"
    if not messages or not all(message["content"].strip() for message in messages):
        raise BadRow("empty prompt")
    if messages[-1]["role"] != "user":
        raise BadRow("prompt does not end with a user's turn")
    return messages


def read_messages(value: Any, name: str) -> Messages:
    """A checked copy of a message list; other keys of a message are left out."""
    if not isinstance(value, Sequence) or isinstance(value, str | bytes):
        raise BadRow(f"{name} is neither text nor a list of messages")
    messages: Messages = []
    for item in value:
        if not isinstance(item, dict) or item.get("role") not in ROLES or not isinstance(item.get("content"), str):
            raise BadRow(f"{name} has a message without a known role and text content")
        messages.append(cast(Message, {"role": item["role"], "content": item["content"]}))
    return messages


def is_transcript(text: str) -> bool:
    """Whether the text is a transcript in HH's form."""
    return text.lstrip().startswith("Human:") and "\n\nAssistant:" in text


def read_transcript(text: str) -> Messages:
    """The turns of a transcript in HH's form; the last may be an empty assistant's turn that waits for a response."""
    _, *parts = _HH_TURN.split("\n\n" + text.lstrip())
    return [
        cast(Message, {"role": "user" if speaker == "Human" else "assistant", "content": content.strip()})
        for speaker, content in zip(parts[::2], parts[1::2], strict=True)
    ]


def split_responses(chosen: Messages, rejected: Messages) -> tuple[Messages, str, str]:
    """The shared prompt of two whole conversations, and the response each of them ends with."""
    if not chosen or not rejected or chosen[:-1] != rejected[:-1]:
        raise BadRow("chosen and rejected differ before their last turn")
    return chosen[:-1], last_response(chosen[-1:], "chosen"), last_response(rejected[-1:], "rejected")


def last_response(messages: Messages, name: str) -> str:
    """The text of what must be exactly one assistant's turn."""
    if len(messages) != 1 or messages[0]["role"] != "assistant":
        raise BadRow(f"{name} is not one assistant's turn after the prompt")
    return messages[0]["content"]
