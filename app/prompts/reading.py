"""Prompts out of files and entries, as the platform takes them. `formats` reads what they hold; knows no database.

Every row is accounted for: it becomes a prompt, or a refusal with its line number and a reason for the person.
"""

import json
import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import pairwise
from typing import Any, Literal

import formats
from app.models import Messages, Split
from app.web.errors import Invalid, TooLarge
from app.web.markdown import has_shape
from formats import Refusal

Layout = Literal["auto", "jsonl", "csv", "lines", "blocks"]

MAX_CHARACTERS = 32_000  # of all turns of one prompt together; small models read far less
MAX_TURNS = 50
MAX_EXPANDED = 2**28  # bytes that a compressed file may give
HOLDOUT_SHARE = 0.2
_WORD = re.compile(r"\w+")
_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")


class Unusable(ValueError):
    """This entry is no prompt; the message says why."""


@dataclass
class Found:
    """What is in a file: (line number, messages) of the prompts, and the refusals, both in its order."""

    good: list[tuple[int, Messages]] = field(default_factory=list)
    refused: list[Refusal] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)  # "responses" and "labels" that came with the prompts


def read(content: bytes | str, layout: Layout = "auto", most: int | None = None) -> Found:
    """The prompts of a file. Raises Invalid where the whole cannot be read, TooLarge for more than `most` rows."""
    raw = content.encode(errors="surrogatepass") if isinstance(content, str) else content
    return _read(raw, None if layout == "auto" else layout, None, most)


def read_entries(entries: Sequence[Any], most: int | None = None) -> Found:
    """The same for a list of entries: each a text, a list of messages, or an object as in a file."""
    lines = "\n".join(json.dumps(entry) for entry in entries)
    return _read(lines.encode(), "jsonl", "prompts", most)


def _read(content: bytes, kind: str | None, layout: str | None, most: int | None) -> Found:
    found = Found()
    try:
        reading = formats.read(content, kind=kind, layout=layout, as_="prompts", max_bytes=MAX_EXPANDED)
        for number, record in enumerate(reading, start=1):
            if most is not None and number > most:
                raise TooLarge(f"It has more than {most:,} rows; at most {most:,} are imported at once.", "file")
            if isinstance(record, Refusal):
                found.refused.append(Refusal(record.line, record.reason, rest=record.rest))
                continue
            try:
                found.good.append((record.line, check(record.messages)))
            except Unusable as error:
                found.refused.append(Refusal(record.line, str(error)))
    except formats.Unreadable as error:
        raise Invalid(str(error), "file") from None
    found.left_out = reading.report.left_out
    return found


def check(messages: Messages) -> Messages:
    """The messages, if they are a conversation that the model can go on with. Raises Unusable."""
    if not messages:
        raise Unusable("It has no messages.")
    if len(messages) > MAX_TURNS:
        raise Unusable(f"It has {len(messages)} messages; at most {MAX_TURNS} are taken.")
    speakers = [message["role"] for message in messages]
    if "system" in speakers[1:]:
        raise Unusable("A system message is only possible at the start.")
    spoken = speakers[1:] if speakers[0] == "system" else speakers
    if not spoken or spoken[-1] != "user":
        raise Unusable("It must end with the user's turn, so that the model has something to answer.")
    if spoken[0] != "user" or any(one == two for one, two in pairwise(spoken)):
        raise Unusable("User and assistant must take turns, beginning with the user.")
    for message in messages:
        if _UNPRINTABLE.search(message["content"]):
            raise Unusable("It contains control characters or broken Unicode.")
        if not has_shape(message["content"]):
            raise Unusable("A message is empty: nothing of it would be seen.")
    length = sum(len(message["content"]) for message in messages)
    if length > MAX_CHARACTERS:
        raise Unusable(f"It is {length:,} characters long; at most {MAX_CHARACTERS:,} are taken.")
    return messages


def content_hash(messages: Messages) -> str:
    """SHA-256 of the conversation; spaces around a turn and the form of Unicode do not make it another one."""
    canonical = [[m["role"], unicodedata.normalize("NFC", m["content"]).strip()] for m in messages]
    return sha256(json.dumps(canonical, ensure_ascii=False).encode()).hexdigest()


def first_words(messages: Messages) -> str:
    """The conversation's first user turn without case, punctuation and the form of Unicode: what decides the side."""
    first = next(message["content"] for message in messages if message["role"] == "user")
    words = " ".join(_WORD.findall(unicodedata.normalize("NFKC", first).casefold()))
    return words or unicodedata.normalize("NFC", first).strip()


def split_key(messages: Messages) -> str:
    """A hash of the first words: a question, the same in capitals, and what is asked after it are on one side."""
    return sha256(first_words(messages).encode()).hexdigest()


def split_of(key: str) -> Split:
    """Holdout for a fixed fifth of all keys, so that a prompt is on the same side wherever it is imported first."""
    return Split.HOLDOUT if int(key[:8], 16) < HOLDOUT_SHARE * 2**32 else Split.TRAIN
