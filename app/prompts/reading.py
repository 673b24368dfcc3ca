"""Prompts out of files: JSON Lines in the common layouts, or plain text. Knows no database.

Every line is accounted for: it becomes a prompt, or a refusal with its line number and a reason for the person.
"""

import json
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import pairwise
from typing import Any, Literal

from app.models import Message, Messages, Split
from app.web.errors import Invalid

Layout = Literal["auto", "jsonl", "lines", "blocks"]

MAX_CHARACTERS = 32_000  # of all turns of one prompt together; small models read far less
MAX_TURNS = 50
HOLDOUT_SHARE = 0.2
_ROLES = ("system", "user", "assistant")
_ALIASES = {"human": "user", "gpt": "assistant", "bot": "assistant", "model": "assistant"}
_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


@dataclass(frozen=True)
class Refusal:
    """A line that is no prompt, and why."""

    line: int
    reason: str

    def __str__(self) -> str:
        return f"Line {self.line}: {self.reason}"


class Unusable(ValueError):
    """This entry is no prompt; the message says why."""


def read(content: bytes | str, layout: Layout = "auto") -> tuple[list[tuple[int, Messages]], list[Refusal]]:
    """(line number, messages) of every good entry, and the refusals, both in the order of the file.

    Raises Invalid where the whole cannot be read: nothing in it, or not text.
    """
    lines, refusals = _lines(content)
    if not any(text.strip() for _, text in lines) and not refusals:
        raise Invalid("The file is empty. Give one prompt per line, or JSON Lines.", "file")
    if layout == "auto":
        layout = _guess(lines)
    good: list[tuple[int, Messages]] = []
    for number, entry in _entries(lines, layout):
        try:
            good.append((number, parse(json.loads(entry) if layout == "jsonl" else entry)))
        except json.JSONDecodeError as error:
            refusals.append(Refusal(number, f"This is not valid JSON: {error.msg} at character {error.pos + 1}."))
        except RecursionError:
            refusals.append(Refusal(number, "This is not valid JSON: it is nested too deeply."))
        except Unusable as error:
            refusals.append(Refusal(number, str(error)))
    return good, sorted(refusals, key=lambda refusal: refusal.line)


def parse(entry: Any) -> Messages:
    """One entry as messages: a text, a list of turns, or an object with `messages`, `prompt`, `text`, `question`,
    `instruction` (with `input`) or `conversations`. Raises Unusable."""
    system = None
    if isinstance(entry, Mapping):
        system = entry.get("system")
        entry = _content(entry)
    listed = isinstance(entry, Sequence) and not isinstance(entry, str)
    messages = [_turn(turn) for turn in (entry if listed else [{"role": "user", "content": entry}])]
    if system:
        messages.insert(0, _turn({"role": "system", "content": system}))
    return check(messages)


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
    length = sum(len(message["content"]) for message in messages)
    if length > MAX_CHARACTERS:
        raise Unusable(f"It is {length:,} characters long; at most {MAX_CHARACTERS:,} are taken.")
    return messages


def content_hash(messages: Messages) -> str:
    """SHA-256 of the conversation; spaces around a turn and the form of Unicode do not make it another one."""
    canonical = [[m["role"], unicodedata.normalize("NFC", m["content"]).strip()] for m in messages]
    return sha256(json.dumps(canonical, ensure_ascii=False).encode()).hexdigest()


def split_of(digest: str) -> Split:
    """Holdout for a fixed fifth of all hashes, so that a prompt is on the same side wherever it is imported."""
    return Split.HOLDOUT if int(digest[:8], 16) < HOLDOUT_SHARE * 2**32 else Split.TRAIN


def _lines(content: bytes | str) -> tuple[list[tuple[int, str]], list[Refusal]]:
    refusals: list[Refusal] = []
    lines: list[tuple[int, str]] = []
    if isinstance(content, str):
        pieces = [line.encode(errors="surrogatepass") for line in content.split("\n")]
    else:
        if content[:2] in (b"\xff\xfe", b"\xfe\xff") or b"\x00" in content[:4096]:
            raise Invalid("This is not a text file in UTF-8. Save it as UTF-8 text or JSON Lines.", "file")
        pieces = content.removeprefix(b"\xef\xbb\xbf").split(b"\n")
    for number, raw in enumerate(pieces, start=1):
        try:
            lines.append((number, raw.removesuffix(b"\r").decode()))
        except UnicodeDecodeError as error:
            refusals.append(Refusal(number, f"This is not valid UTF-8 (byte {error.start + 1} of the line)."))
    return lines, refusals


def _guess(lines: list[tuple[int, str]]) -> Layout:
    filled = [text.strip() for _, text in lines if text.strip()]
    if sum(text[0] in "{[" for text in filled[:20]) * 2 >= len(filled[:20]):
        return "jsonl"
    if "---" in filled:
        return "blocks"
    return "lines"


def _entries(lines: list[tuple[int, str]], layout: Layout) -> Iterator[tuple[int, str]]:
    if layout != "blocks":
        yield from ((number, text.strip()) for number, text in lines if text.strip())
        return
    # Blocks are set apart by lines of `---`; where there is none, by blank lines.
    ruled = any(text.strip() == "---" for _, text in lines)
    block: list[str] = []
    start = 0
    for number, text in [*lines, (0, "---" if ruled else "")]:
        if text.strip() == ("---" if ruled else ""):
            if joined := "\n".join(block).strip():
                yield start, joined
            block = []
        else:
            if not any(line.strip() for line in block):
                block, start = [], number
            block.append(text)


def _content(entry: Mapping[str, Any]) -> Any:
    for name in ("messages", "conversations", "conversation", "prompt", "text", "question"):
        if entry.get(name) is not None:
            return entry[name]
    if (instruction := entry.get("instruction")) is not None:
        extra = entry.get("input")
        return f"{instruction}\n\n{extra}" if isinstance(instruction, str) and extra else instruction
    raise Unusable('It has none of the fields "prompt", "messages" or "text".')


def _turn(turn: Any) -> Message:
    if not isinstance(turn, Mapping):
        raise Unusable("Each message must be an object with a role and a content.")
    role: Any = turn.get("role", turn.get("from"))
    role = _ALIASES.get(role, role) if isinstance(role, str) else role
    content = turn.get("content", turn.get("value"))
    if role not in _ROLES:
        raise Unusable(f"A message's role must be system, user or assistant, not {str(role)[:40]!r}.")
    if not isinstance(content, str):
        raise Unusable("The prompt must be text.")
    if not content.strip():
        raise Unusable("A message is empty.")
    if _UNPRINTABLE.search(content) or any(0xD800 <= ord(c) <= 0xDFFF for c in content):
        raise Unusable("It contains control characters or broken Unicode.")
    return {"role": role, "content": content.strip()}
