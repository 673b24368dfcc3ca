"""When two responses are too much alike to be worth a person's comparison.

Responses are compared as lists of words, without case and punctuation. They are alike where the share of words they
have in common, in the same order, is at least `NEAR`: 2 * matching / (words of both), Ratcliff and Obershelp's measure
as `difflib` computes it. A response without a word is alike to every other: there is nothing to compare.
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
    """Places of the texts to be sampled again so that no two are alike: what repeats an earlier one or says nothing."""
    if len(texts) < 2:
        return []
    kept: list[str] = []
    found = []
    for place, text in enumerate(texts):
        if not words(text) or any(alike(text, earlier) for earlier in kept):
            found.append(place)
        else:
            kept.append(text)
    return found
