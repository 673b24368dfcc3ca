"""When two answers are too much alike to be worth a person's comparison.

Answers are compared as lists of words, without case and punctuation. They are alike where the share of words they
have in common, in the same order, is at least `NEAR`: 2 * matching / (words of both), Ratcliff and Obershelp's measure
as `difflib` computes it. An answer without a word is alike to every other: there is nothing to compare.
"""

import difflib
import re
from collections.abc import Sequence

NEAR = 0.95
_WORD = re.compile(r"\w+")


def words(text: str) -> list[str]:
    return _WORD.findall(text.casefold())


def alike(first: str, second: str) -> bool:
    """Whether the two texts are equal or nearly equal."""
    one, other = words(first), words(second)
    if not one or not other or one == other:
        return True
    matcher = difflib.SequenceMatcher(None, one, other, autojunk=False)
    return matcher.real_quick_ratio() >= NEAR and matcher.quick_ratio() >= NEAR and matcher.ratio() >= NEAR


def repeats(texts: Sequence[str]) -> list[int]:
    """Places of the texts that are alike to an earlier one (or, with more than one text, have no word)."""
    return [
        place
        for place in range(len(texts))
        if any(alike(texts[earlier], texts[place]) for earlier in range(place))
        or (len(texts) > 1 and not words(texts[place]))
    ]
