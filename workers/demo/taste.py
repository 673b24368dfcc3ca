"""The rule of taste by which the demo's simulated annotators choose: plain and brief.

A person could follow it from its one-sentence description, a reward model can learn it from some hundred choices, and
a small model can be taught it in minutes. It looks at an answer's text and at whether the answer was finished; it knows
no model, no database and no page.
"""

import math
import random
import re
from typing import Literal

DESCRIPTION = (
    "Plain and brief: a finished answer beats one that was cut off, fewer words and shorter sentences are better, and "
    "lists, headings, bold type, code blocks and exclamation marks count against it; a mere word or two is too curt."
)

UNFINISHED = 1.0  # what it costs to be cut off
WORDS_PER_POINT = 30  # so many words cost one point
CURT_WORDS = 4  # an answer of fewer words is too curt, which costs as much as being cut off
EASY_SENTENCE = 12  # words in a sentence that cost nothing; the mean beyond it costs
SENTENCE_WORDS_PER_POINT = 20  # so many words beyond an easy sentence cost one point
ORNAMENT = 0.25  # each list item, heading, bold phrase, code block or exclamation mark
MOST_ORNAMENTS = 4  # beyond which one more costs nothing
NOISE = 0.15  # spread of a person's judgement (scale of a logistic variable), in points
TIE = 0.25  # judgements nearer than this are ties

Choice = Literal["a", "b", "tie"]

_ORNAMENTS = re.compile(r"^\s*(?:[-*•+]|\d+[.)])\s|^\s*#{1,6}\s|\*\*[^*\n]+\*\*|```|!", re.MULTILINE)
_SENTENCE_END = re.compile(r"[.!?:;]+(?:\s+|$)|\n+")


def score(text: str, finished: bool) -> float:
    """How well the rule likes an answer, in points; 0 is a perfect answer of no words, and less is worse."""
    words = len(text.split())
    sentences = [part for part in _SENTENCE_END.split(text) if part.strip()]
    mean_sentence = words / len(sentences) if sentences else 0.0
    cost = words / WORDS_PER_POINT
    cost += max(0.0, mean_sentence - EASY_SENTENCE) / SENTENCE_WORDS_PER_POINT
    cost += ORNAMENT * min(len(_ORNAMENTS.findall(text)), MOST_ORNAMENTS)
    if not finished:
        cost += UNFINISHED
    if words < CURT_WORDS:
        cost += UNFINISHED
    return -cost


def choose(a: tuple[str, bool], b: tuple[str, bool], rng: random.Random, noise: float = NOISE) -> Choice:
    """What one annotator says of two answers, each (text, finished).

    The difference of their scores is seen with logistic noise of scale `noise`, so that "a" is chosen with
    probability sigmoid(difference / noise) but for ties: differences seen as less than `TIE`. `noise` 0 is exact.
    """
    difference = score(*a) - score(*b)
    if noise > 0:
        uniform = min(max(rng.random(), 1e-12), 1 - 1e-12)
        difference += noise * math.log(uniform / (1 - uniform))
    if abs(difference) < TIE:
        return "tie"
    return "a" if difference > 0 else "b"
