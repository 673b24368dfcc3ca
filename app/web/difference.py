"""What an improved text changes, word by word."""

import re
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Literal

_UNSPACED = r"\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af"  # scripts that put no space between words: by character
# A word, a run of blank space, or any other character.
_TOKEN = re.compile(rf"[{_UNSPACED}]|[^\W{_UNSPACED}]+|\s+|.", re.DOTALL)


@dataclass(frozen=True)
class Piece:
    """A stretch of either text."""

    change: Literal["kept", "removed", "added"]
    text: str


def difference(before: str, after: str) -> list[Piece]:
    """Stretches in reading order: those kept and removed make up `before`, those kept and added `after`."""
    old, new = _TOKEN.findall(before), _TOKEN.findall(after)
    pieces: list[Piece] = []
    for change, from_old, to_old, from_new, to_new in SequenceMatcher(None, old, new).get_opcodes():
        if change == "equal":
            pieces.append(Piece("kept", "".join(old[from_old:to_old])))
            continue
        if to_old > from_old:
            pieces.append(Piece("removed", "".join(old[from_old:to_old])))
        if to_new > from_new:
            pieces.append(Piece("added", "".join(new[from_new:to_new])))
    return pieces


def count_words(text: str) -> int:
    """How many words there are between blank spaces."""
    return len(text.split())
