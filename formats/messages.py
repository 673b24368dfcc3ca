"""Conversations in the shapes people store them in. Knows no file and no judgement.

Four shapes: plain text (the user's one turn), lists of turns (`role` and `content`, or `from` and `value`), the
transcript of Anthropic's HH data (`"\\n\\nHuman: ...\\n\\nAssistant: ..."`), and content in parts, where all are text.
Text is kept byte for byte; of a transcript's turn, the space after the speaker's colon is no part of it.
"""

import re
from collections.abc import Mapping
from typing import Any

from formats import strict_json
from formats.records import BadRow, Message, Messages, Role
from formats.strict_json import shown

ROLES: dict[str, Role] = {
    "system": "system", "developer": "system",
    "user": "user", "human": "user", "prompter": "user",
    "assistant": "assistant", "gpt": "assistant", "bot": "assistant", "model": "assistant", "chatgpt": "assistant",
}  # fmt: skip
_KEYS = ({"role", "content"}, {"from", "value"})
_TURNS = re.compile(r"""\[?\s*\{\s*["'](?:role|content|from|value|name|weight)["']""")
_TURN = re.compile(r"\n\n(Human|Assistant):")
_TRANSCRIPT = re.compile(r"\s*Human:")


def conversation(value: Any, name: str) -> Messages:
    """The turns of a list, a transcript, or a text that is a user's one turn. Empty system messages are left out.

    Raises BadRow.
    """
    if isinstance(value, str):
        return transcript(value) if is_transcript(value) else [{"role": "user", "content": value}]
    if isinstance(value, Mapping) and ("content" in value or "value" in value):
        value = [value]
    if not isinstance(value, list):
        raise BadRow(f'"{name}" is neither text nor a list of messages.')
    turns = [_turn(turn, name) for turn in value]
    return [turn for turn in turns if turn["role"] != "system" or turn["content"].strip()]


def prompt(value: Any, name: str = "prompt", system: Any = None) -> Messages:
    """The conversation to respond to, which ends with the user's turn. Raises BadRow."""
    turns = conversation(value, name)
    if turns and turns[-1]["role"] == "assistant" and not turns[-1]["content"].strip():
        turns = turns[:-1]  # a transcript that ends with the opening "Assistant:"
    return checked(with_system(turns, system))


def with_system(turns: Messages, system: Any) -> Messages:
    """The turns after a system message of its own column, where there is one. Raises BadRow."""
    if system is None or system == "":
        return turns
    if not isinstance(system, str):
        raise BadRow("The system message must be text.")
    if not system.strip() or (turns and turns[0] == {"role": "system", "content": system}):
        return turns
    return [{"role": "system", "content": system}, *turns]


def checked(turns: Messages) -> Messages:
    """The turns, if a response can follow them. Raises BadRow."""
    if not turns:
        raise BadRow("It has no messages.")
    if not all(turn["content"].strip() for turn in turns):
        raise BadRow("A message is empty.")
    if turns[-1]["role"] != "user":
        raise BadRow("It must end with the user's turn, so that there is something to respond to.")
    return turns


def response(value: Any, name: str, before: Messages) -> str:
    """The text of a response, given as text, as the assistant's turn, or as a whole conversation that begins with the
    turns `before`, with or without their system message. Raises BadRow."""
    if isinstance(value, str):
        if not is_transcript(value):
            return _written(value)
        value = transcript(value)
    turns = conversation(value, name)
    spoken = [turn for turn in before if turn["role"] != "system"]
    for start in (before, spoken):
        if start and len(turns) > len(start) and turns[: len(start)] == start:
            turns = turns[len(start) :]
            break
    return last(turns, name)


def last(turns: Messages, name: str) -> str:
    """The text of what must be exactly one assistant's turn. Raises BadRow."""
    if len(turns) != 1 or turns[0]["role"] != "assistant":
        raise BadRow(f'"{name}" is not one turn of the assistant after the prompt.')
    return _written(turns[0]["content"])


def split_last(turns: Messages, name: str) -> tuple[Messages, str]:
    """A conversation up to its last turn, and the response that this turn is. Raises BadRow."""
    if len(turns) < 2:
        raise BadRow(f'"{name}" has no prompt before the response.')
    return checked(turns[:-1]), last(turns[-1:], name)


def without_repeated(before: Messages, texts: list[str]) -> list[str]:
    """The texts of responses without the prompt, where it is one text and every one of them repeats it at its start.

    It is cut once; what follows it stays as it is. Where only one response begins with the prompt, none is cut: then
    that is what it says.
    """
    said = before[-1]["content"] if len(before) == 1 else ""
    if said and all(text.startswith(said) and text[len(said) :].strip() for text in texts):
        return [text[len(said) :] for text in texts]
    return texts


def is_transcript(text: str) -> bool:
    """Whether the text is a transcript in HH's form."""
    return "\n\nAssistant:" in text and _TRANSCRIPT.match(text) is not None


def transcript(text: str) -> Messages:
    """The turns of a transcript in HH's form; the last may be an empty turn that waits for a response."""
    _, *parts = _TURN.split("\n\n" + text.lstrip())
    return [
        {"role": "user" if speaker == "Human" else "assistant", "content": said.removeprefix(" ")}
        for speaker, said in zip(parts[::2], parts[1::2], strict=True)
    ]


def in_cell(text: str) -> Any:
    """What a table's cell holds: the messages where it is their JSON, else the text itself."""
    if not _TURNS.match(text):
        return text
    found = strict_json.in_cell(text)
    turns = found if isinstance(found, list) else [found]
    if turns and all(isinstance(turn, dict) and any(names <= turn.keys() for names in _KEYS) for turn in turns):
        return found
    return text


def _turn(turn: Any, name: str) -> Message:
    if not isinstance(turn, Mapping):
        raise BadRow(f'"{name}" has a message that is no object with a role and a content.')
    named = turn.get("role", turn.get("from"))
    role = ROLES.get(named.lower()) if isinstance(named, str) else None
    if role is None:
        raise BadRow(f"A message's role must be system, user or assistant, not {shown(str(named), 40)!r}.")
    return {"role": role, "content": _content(turn.get("content", turn.get("value")))}


def _content(content: Any) -> str:
    if isinstance(content, str):
        return content
    if isinstance(content, list) and content:
        parts = [part.get("text") if isinstance(part, Mapping) else None for part in content]
        if all(isinstance(part, str) for part in parts):
            return "".join(part for part in parts if part)
        raise BadRow("A message has a part that is no text, such as an image.")
    raise BadRow("A message's content must be text.")


def _written(text: str) -> str:
    if not text.strip():
        raise BadRow("A response is empty.")
    return text
