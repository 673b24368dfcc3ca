"""Open Assistant's message trees: every user's turn with two or more replies is a comparison, ranked where all replies
are; one with a single reply is a demonstration, one without any a prompt."""

from collections.abc import Iterator, Mapping
from typing import Any

from formats import messages
from formats.fields import Fields, as_number, ranked
from formats.layouts.base import Layout, columns
from formats.records import (
    BadRow,
    ComparisonRecord,
    DemonstrationRecord,
    Message,
    Messages,
    PromptRecord,
    Record,
    Response,
)


def _tree(fields: Fields) -> Iterator[Record]:
    root = fields.need("prompt")
    about = fields.rest()
    waiting: list[tuple[Any, Messages]] = [(root, [])]
    while waiting:
        node, before = waiting.pop()
        turn = _turn(node)
        path = [*before, turn]
        replies = [reply for reply in _replies(node) if not reply.get("deleted")]
        waiting.extend((reply, path) for reply in reversed(replies))
        if turn["role"] == "user":
            yield _record(fields.line, messages.checked(path), replies, {**about, "message_id": node.get("message_id")})


def _record(line: int, path: Messages, replies: list[Mapping[str, Any]], about: dict[str, Any]) -> Record:
    responses = tuple(_response(reply) for reply in replies)
    if not responses:
        return PromptRecord(line=line, messages=path, metadata=about)
    if len(responses) == 1:
        return DemonstrationRecord(line=line, messages=path, response=responses[0], metadata=about)
    ranks = [as_number(reply.get("rank"), "rank") for reply in replies]
    known = [rank for rank in ranks if rank is not None]
    judged = (ranked(known),) if len(known) == len(replies) else ()
    return ComparisonRecord(line=line, messages=path, responses=responses, judgements=judged, metadata=about)


def _response(reply: Mapping[str, Any]) -> Response:
    known = ("text", "role", "replies", "rank", "parent_id", "deleted")
    rest = {name: value for name, value in reply.items() if name not in known and value is not None}
    return Response(messages.last([_turn(reply)], "replies"), None, rest)


def _turn(node: Any) -> Message:
    if not isinstance(node, Mapping):
        raise BadRow("A message of the tree is no object.")
    turns = messages.conversation([{"role": node.get("role"), "content": node.get("text")}], "prompt")
    if not turns:
        raise BadRow("A message of the tree is empty.")
    return turns[0]


def _replies(node: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    found = node.get("replies") or []
    if not isinstance(found, list) or not all(isinstance(reply, Mapping) for reply in found):
        raise BadRow('"replies" is no list of messages.')
    return found


def _is_tree(values: Mapping[str, Any]) -> bool:
    return isinstance(values["prompt"], Mapping) and "replies" in values["prompt"]


def _message(fields: Fields) -> Iterator[Record]:
    raise BadRow("It is one message of a tree. Import the file of whole trees, which is published beside this one.")


LAYOUTS = (
    Layout("oasst", "Open Assistant trees", "labels", columns("message_tree_id prompt"), _tree, _is_tree),
    Layout(
        "oasst-messages",
        "Open Assistant messages, which cannot be read one by one",
        "labels",
        columns("message_tree_id message_id parent_id text role"),
        _message,
    ),
)
